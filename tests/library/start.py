#!/usr/bin/env python3
"""A process that asks for nothing special reads none of the library's constants and little of its code, and writes few of
its pages: neither one that hardly begins, nor one with blocks of all lengths and threads.

The system makes 64 KiB around each page that is read resident, so a single constant that is read, a function that lies
elsewhere, or a constructor that somebody brings along, is felt in every process that is run on this heap.
"""
import os
import re
import subprocess
import sys
import tempfile

MOST_WRITTEN = 48  # KiB of the library's own pages
MOST_CODE = 64  # KiB: one such piece
with open(os.path.join(os.environ["FREEHOLD_BUILD"], "compile_commands.json")) as commands:
    if re.search("-fsanitize|--coverage", commands.read()):
        print("skipped: sanitizers and counters read what they want")
        sys.exit(77)

environment = {k: v for k, v in os.environ.items() if k != "FREEHOLD"} | {"LD_PRELOAD": os.environ["FREEHOLD_LIB"]}


def mappings_of(command):
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\S+ (\S+) (\S+) .*/libfreehold\.so\S*\n((?:^\S+:.*\n)+)", text, re.M)
    if not found: sys.exit("the library is not in the process")
    for access, offset, numbers in found:
        yield access, offset, {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB", numbers, re.M)}


def look_at(command):
    written = code = 0
    for access, offset, kib in mappings_of(command):
        print(command[0], access, offset, kib["Rss"], "KiB resident")
        if "w" in access: written += kib["Private_Dirty"]
        if "x" in access: code += kib["Rss"]
        constants = access == "r--p" and int(offset, 16) > 0 and kib["Anonymous"] == 0
        if constants and kib["Rss"] > 0: sys.exit(f"the constants at {offset} were read: {kib['Rss']} KiB are resident")
    if written > MOST_WRITTEN: sys.exit(f"{written} KiB of the library's pages were written")
    return code


least = look_at(["cat", "/proc/self/smaps"])
if least > MOST_CODE: sys.exit(f"{least} KiB of the library's code are resident in a process that hardly begins")
with tempfile.TemporaryDirectory() as folder:
    program = os.path.join(folder, "ordinary")
    source = os.path.join(os.environ["FREEHOLD_SOURCE"], "tests/library/ordinary.c")
    subprocess.run([os.environ["CC"], "-std=gnu11", "-O1", "-fno-builtin", source, "-o", program, "-lpthread"], check=True)
    code = look_at([program])
if code > least: sys.exit(f"{code} KiB of the library's code are resident, where {least} are enough to begin")
