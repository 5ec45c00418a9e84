"""typed"""


class Marker:
    kind, name, about = "typed", "typed", ""


def measure(*_):
    return None
