#!/usr/bin/env python3
"""What a coverage build's tests ran, from gcov's counts: a table by file, and what was not run.

    report.py BUILD [--missed] [--least PERCENT] [PART...]     parts of src (heap stack own unless told)

Lines count once for each file, also those of headers that several sources include. Branches are gcov's: each way out of each
condition of the machine code at -O0, where nothing of the heap is inlined, so that each stands there once. Left out is what LEFT_OUT
names, and how much that is is printed below the table; whatever else is not run counts as not run. Ends with 1 when a part has
less than --least.
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
LEFT_OUT = {
    "assumed": "FH_ASSUME: what is known to hold; the other way is no code but in the builds that check it",
    "walker": "heap/valid.c and functions called *_is_valid: they look for what is broken, in tests",
}


def counts_of(build):
    """file -> line -> [count, branches: list of counts]"""
    objects = sorted(Path(build).glob("CMakeFiles/freehold_objects.dir/src/*/*.gcno"))
    objects += Path(build).glob("tests/trust/CMakeFiles/trust.interleavings.dir/*.gcno") # which has sources of the heap in it
    files, left_out = defaultdict(dict), {}
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
                reason = never.get(line["line_number"])
                if reason and line["branches"]:
                    left_out[path, line["line_number"]] = reason, len(line["branches"])
                    line["branches"] = []
                merge(files[os.path.relpath(path, SOURCE)], line)
    return files, left_out


def never_taken(path, functions):
    """line -> why its branches say nothing (a key of LEFT_OUT)"""
    text = Path(path).read_text().splitlines()
    if path.endswith("/heap/valid.c"):
        return dict.fromkeys(range(1, len(text) + 1), "walker")
    lines = {i: "assumed" for i, line in enumerate(text, 1) if "FH_ASSUME(" in line}
    for function in functions:
        if function["name"].endswith("_is_valid"):
            lines.update(dict.fromkeys(range(function["start_line"], function["end_line"] + 1), "walker"))
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
    files, left_out = counts_of(options.build)
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
                half = {n: b.count(0) for n, (count, b) in sorted(lines.items()) if count and 0 in b}
                if missed:
                    print(f"    not run:          {ranges(missed)}")
                if half:
                    print("    not in every way: " + " ".join(f"{n}({k})" if k > 1 else str(n) for n, k in half.items()))
        print(total.row(f"src/{part}") + "\n")
        enough = enough and min(total.percents()) >= options.least
    print("Branches left out:")
    for reason, words in LEFT_OUT.items():
        places = [count for (path, _), (why, count) in left_out.items()
                  if why == reason and path[len(f"{SOURCE}/src/"):].split("/")[0] in options.parts]
        print(f"{sum(places):6} in {len(places)} lines   {words}")
    return 0 if enough else 1


sys.exit(main())
