#!/usr/bin/env python3
"""A process that asks for nothing special reads none of the library's constants and writes few of its pages.

The system makes 64 KiB around each page that is read resident, so a single constant that is read at the start, or a
constructor that somebody brings along, is felt in every process that is run on this heap.
"""
import os
import re
import subprocess
import sys

MOST_WRITTEN = 48  # KiB of the library's own pages
if "-fsanitize" in open(os.path.join(os.environ["FREEHOLD_BUILD"], "compile_commands.json")).read():
    print("skipped: sanitizers read what they want")
    sys.exit(77)

environment = {k: v for k, v in os.environ.items() if k != "FREEHOLD"} | {"LD_PRELOAD": os.environ["FREEHOLD_LIB"]}
text = subprocess.run(["cat", "/proc/self/smaps"], env=environment, capture_output=True, text=True, check=True).stdout
mappings = re.findall(r"^\S+ (\S+) (\S+) .*/libfreehold\.so\S*\n((?:^\S+:.*\n)+)", text, re.M)
if not mappings: sys.exit("the library is not in the process")

written = 0
for access, offset, numbers in mappings:
    kib = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB", numbers, re.M)}
    written += kib["Private_Dirty"] if "w" in access else 0
    constants = access == "r--p" and int(offset, 16) > 0 and kib["Anonymous"] == 0
    if constants and kib["Rss"] > 0:
        sys.exit(f"the constants at {offset} were read: {kib['Rss']} KiB are resident")
    print(access, offset, kib["Rss"], "KiB resident")
if written > MOST_WRITTEN: sys.exit(f"{written} KiB of the library's pages were written")
