#!/usr/bin/env python3
"""wrap.py - breaks prose in comments that has grown beyond 112 columns; `make format` calls it.

    wrap.py FILE...

clang-format leaves comments alone here, because it would spoil their diagrams. This is the careful version: a line is
touched only if it is too long, is a comment, and is prose. Its last words move to the front of the next line if that
continues the paragraph, else to a line of their own. Diagrams, tables and code (anything indented by four or more, or
with gaps of three blanks) stay as they are, and tests/lint/habits.py names those that are too long.
"""
import re
import sys
from pathlib import Path

WIDTH = 112
C_LINE = re.compile(r"^(?P<lead>\s*(?:/\*\*?|\*|//)) (?P<indent> *)(?P<text>\S.*)$")
HASH_LINE = re.compile(r"^(?P<lead>\s*#) (?P<indent> *)(?P<text>\S.*)$")
BULLET = re.compile(r"^(?:[-*+]|\d+\.) +")


def is_prose(match):
    return len(match["indent"]) < 4 and not re.search(r"\S {3,}\S|[─│┌└├>]{2}|\|.*\|", match["text"])


def continues(match, following, hanging):
    """Does `following` (a match or None) go on with the paragraph that `match` is a line of?"""
    return (following is not None and len(following["indent"]) == hanging and is_prose(following)
            and not BULLET.match(following["text"]) and not following["lead"].strip().startswith("/*"))


def wrap(lines, pattern):
    lines = list(lines)
    i = 0
    while i < len(lines):
        match = pattern.match(lines[i])
        if len(lines[i]) <= WIDTH or not match or not is_prose(match):
            i += 1
            continue
        cut = lines[i].rfind(" ", match.start("text") + 1, WIDTH + 1)
        rest = lines[i][cut + 1:]
        if cut < 0 or rest.strip() == "*/" and cut < match.start("text"):
            i += 1
            continue
        lines[i] = lines[i][:cut].rstrip()
        bullet = BULLET.match(match["text"])
        hanging = len(match["indent"]) + (len(bullet.group()) if bullet else 0)
        following = pattern.match(lines[i + 1]) if i + 1 < len(lines) else None
        if continues(match, following, hanging) and not rest.endswith("*/"):
            lines[i + 1] = f"{following['lead']} {following['indent']}{rest} {following['text']}"
        else:
            lead = match["lead"].replace("/**", " *").replace("/*", " *")
            lines.insert(i + 1, f"{lead} {' ' * hanging}{rest}")
        i += 1
    return lines


def main():
    for name in sys.argv[1:]:
        path = Path(name)
        old = path.read_text().split("\n")
        new = wrap(old, C_LINE if path.suffix in (".c", ".h", ".cc", ".cpp") else HASH_LINE)
        if new != old:
            path.write_text("\n".join(new))


if __name__ == "__main__":
    main()
