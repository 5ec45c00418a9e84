#!/usr/bin/env python3
"""What a coverage build's tests ran, from gcov's counts: a table by file, and what was not run.

    report.py BUILD [--missed] [--least PERCENT] [PART...]     parts of src (heap stack own unless told)

Lines count once for each file, also those of headers that several sources include. Branches are gcov's: each way out of each
condition of the machine code at -O0, where nothing of the heap is inlined, so that each stands there once. Left out are the ways of
exceptions (C++'s), and what cannot be taken while the heap is right: the ways of FH_ASSUME, and those of heap/valid.c and of
functions called *_is_valid, which look for what must not be. Ends with 1 when a part has less than --least.
"""
import argparse
import gzip
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
ALL = object()


def counts_of(build):
    """file -> line -> [count, branches: list of counts]"""
    objects = sorted(Path(build).glob("CMakeFiles/freehold_objects.dir/src/*/*.gcno"))
    files = defaultdict(dict)
    for note in objects:
        text = subprocess.run(["gcov", "-b", "--json-format", "--stdout", str(note)], capture_output=True, check=True).stdout
        if text[:2] == b"\x1f\x8b":
            text = gzip.decompress(text)
        for file in json.loads(text)["files"]:
            path = os.path.normpath(SOURCE / file["file"])
            if not path.startswith(f"{SOURCE}/src/"):
                continue
            never = never_taken(path, file["functions"])
            for line in file["lines"]:
                if never is ALL or line["line_number"] in never:
                    line["branches"] = []
                merge(files[os.path.relpath(path, SOURCE)], line)
    return files


def never_taken(path, functions):
    """The lines whose branches say nothing."""
    if path.endswith("/heap/valid.c"):
        return ALL
    lines = {i for i, line in enumerate(Path(path).read_text().splitlines(), 1) if "FH_ASSUME(" in line}
    for function in functions:
        if function["name"].endswith("_is_valid"):
            lines.update(range(function["start_line"], function["end_line"] + 1))
    return lines


def merge(lines, line):
    branches = [b["count"] for b in line["branches"] if not b["throw"]]
    known = lines.setdefault(line["line_number"], [0, []])
    known[0] += line["count"]
    least = min(len(known[1]), len(branches))
    if least and max(len(known[1]), len(branches)) % least == 0:
        known[1] = [a + b for a, b in zip(fold(known[1], least), fold(branches, least))]
    elif sum(map(bool, branches)) >= sum(map(bool, known[1])):  # compiled in two ways
        known[1] = branches


def fold(branches, count):
    """What is inlined several times into one function stands there so many times, copy after copy."""
    return [sum(branches[i::count]) for i in range(count)]


def ranges(numbers):
    """[1, 2, 3, 7] -> "1-3 7" """
    text, numbers = [], sorted(numbers)
    while numbers:
        end = 1
        while end < len(numbers) and numbers[end] == numbers[0] + end:
            end += 1
        text.append(f"{numbers[0]}-{numbers[end - 1]}" if end > 1 else str(numbers[0]))
        numbers = numbers[end:]
    return " ".join(text)


class Sum:
    def __init__(self):
        self.lines = self.run = self.branches = self.taken = 0

    def add(self, lines):
        self.lines += len(lines)
        self.run += sum(count > 0 for count, _ in lines.values())
        self.branches += sum(len(b) for _, b in lines.values())
        self.taken += sum(sum(map(bool, b)) for _, b in lines.values())

    def percents(self):
        return 100 * self.run / max(self.lines, 1), 100 * self.taken / max(self.branches, 1)

    def row(self, name):
        line, branch = self.percents()
        return f"{name:28} {self.run:6}/{self.lines:<5} {line:5.1f} %   {self.taken:6}/{self.branches:<5} {branch:5.1f} %"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("parts", nargs="*", default=["heap", "stack", "own"])
    parser.add_argument("--missed", action="store_true", help="also the lines that were not run, or not left in every way")
    parser.add_argument("--least", type=float, default=0)
    options = parser.parse_args()
    files = counts_of(options.build)
    enough = True
    print(f"{'':28} {'lines':>12}           {'branches':>14}")
    for part in options.parts:
        total = Sum()
        for name in sorted(files):
            if not name.startswith(f"src/{part}/"):
                continue
            lines, one = files[name], Sum()
            one.add(lines)
            total.add(lines)
            print(one.row(name))
            if options.missed:
                missed = [n for n, (count, _) in lines.items() if count == 0]
                half = [n for n, (count, b) in lines.items() if count and 0 in b]
                if missed:
                    print(f"    not run:          {ranges(missed)}")
                if half:
                    print(f"    not in every way: {ranges(half)}")
        print(total.row(f"src/{part}") + "\n")
        enough = enough and min(total.percents()) >= options.least
    return 0 if enough else 1


sys.exit(main())
