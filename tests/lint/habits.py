#!/usr/bin/env python3
"""Habits of the project's files that no other tool checks.

Text:  UTF-8, no tabs (but in Makefiles), no blanks at line ends, a newline at the end; lines of at most 132 columns in C,
       140 in scripts. (112 is the width; clang-format and wrap.py keep C and its prose to it; diagrams and examples in
       comments may need a little more.)
C:     opens with a comment that names the file and says what it is; at most 800 lines (STYLE: one subject a file);
       a header has an include guard of its path.
Python: no file is called as a module of Python's own: another script beside it that imports that would get the file.
All:   no work left behind as a note.
"""
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = True
from tracked import tracked  # noqa: E402

LENGTH = 800
WIDTHS = {**dict.fromkeys((".c", ".h", ".cc", ".cpp", ".ts"), 132),
          **dict.fromkeys((".py", ".sh", ".cmake"), 140)}
NOTES = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X:"]))
top = Path(os.environ["FREEHOLD_SOURCE"])
found = []


def say(file, line, reason):
    found.append(f"{file.relative_to(top)}:{line}: {reason}")


def check_text(file, text):
    width = 140 if file.name == "CMakeLists.txt" else WIDTHS.get(file.suffix, 100000)
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line and file.name != "Makefile":
            say(file, number, "tab")
        if line != line.rstrip() and not (file.suffix == ".md" and line.endswith("  ")):
            say(file, number, "blanks at the end of the line")
        if len(line) > width:
            say(file, number, f"{len(line)} columns; {width} are the limit")
        if NOTES.search(line):
            say(file, number, "a note of work left behind")
    if text and not text.endswith("\n"):
        say(file, text.count("\n") + 1, "no newline at the end")


def check_c(file, text):
    first = text.split("\n", 1)[0]
    if not re.match(r"(/\*|//) .*" + re.escape(file.name) + r"\b", first):
        say(file, 1, "opens without a comment that names the file and says what it is")
    lines = text.count("\n")
    if lines > LENGTH:
        say(file, lines, f"{lines} lines; {LENGTH} are the limit")
    if file.suffix == ".h":
        guard = re.search(r"^#ifndef (\w+)\n#define (\w+)", text, re.M)
        if not ((guard and guard.group(1) == guard.group(2)) or "#pragma once" in text):
            say(file, 1, "no include guard")


def check_python(file):
    if file.stem in sys.stdlib_module_names:
        say(file, 1, f"is called as Python's own module {file.stem}, and so hides it from the scripts beside it")


for file in tracked():
    data = file.read_bytes()
    if b"\0" in data[:8000] or file.suffix == ".svg" or file.parent.name == "corpus":
        continue
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        say(file, 1, f"not UTF-8: {error}")
        continue
    check_text(file, text)
    if file.suffix in (".c", ".h"):
        check_c(file, text)
    if file.suffix == ".py":
        check_python(file)

print("\n".join(found))
sys.exit(1 if found else 0)
