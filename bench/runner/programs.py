"""programs"""


def rows(folder, scale):
    return []
