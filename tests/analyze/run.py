#!/usr/bin/env python3
"""Three analyzers over the library's sources, the command's, the examples and what the tests share: GCC's -fanalyzer,
clang's, cppcheck. `make analyze`.

    run.py [TOOL...]       gcc clang cppcheck; those that are not installed are skipped, and said

Each finding must be explained in exceptions.txt beside this file; an exception that nothing matches any more is a failure too.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
FOLDERS = (*(f"src/{part}" for part in ("os", "base", "heap", "malloc", "stack", "own", "record", "tool")), "examples")
SHARED = ("tests/heap/support.c", "tests/heap/model.c", "tests/heap/inject.c")
INCLUDES = ["-Iinclude", "-Isrc", "-Itests/heap"]
DEFINES = ["-D_GNU_SOURCE", "-DNDEBUG", '-DFREEHOLD_VERSION="0"']
FINDING = re.compile(r"^(?:\./)?([^\s:]+):(\d+):(?:\d+:)? (?:warning:|\w+) (.*)$")


def sources():
    return [str(path.relative_to(SOURCE)) for folder in FOLDERS for path in sorted((SOURCE / folder).glob("*.c"))] + [*SHARED]


def output_of(command):
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=3000)
    return done.stdout + done.stderr


def each(command):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(lambda source: output_of(command + [source]), sources()))


def gcc():
    return each(["gcc", "-fanalyzer", "-O1", "-std=gnu11", *DEFINES, *INCLUDES, "-c", "-o", "/dev/null"])


def clang():
    return each(["clang", "--analyze", "-Xclang", "-analyzer-output=text", "-std=gnu11", *DEFINES, *INCLUDES, "-o", "/dev/null"])


def cppcheck():
    return output_of(["cppcheck", "--enable=warning,portability,performance", "--std=c11", "--language=c", *DEFINES, *INCLUDES,
                      "-D__x86_64__", "-D__linux__", "-D__GNUC__=12", "--quiet", "-j", str(os.cpu_count()),
                      "--template={file}:{line}: {severity} {id}: {message}", *sources()])


TOOLS = {"gcc": gcc, "clang": clang, "cppcheck": cppcheck}


def exceptions(tool):
    rows = []
    for line in (SOURCE / "tests/analyze/exceptions.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            cells = [cell.strip() for cell in line.split("|")]
            if cells[0] == tool:
                rows.append(tuple(cells[1:3]))
    return rows


def judge(tool, text):
    rows, used, failed = exceptions(tool), set(), 0
    findings = {m.groups() for m in map(FINDING.match, text.splitlines()) if m and " note:" not in m.group(0)}
    for file, line, what in sorted(findings):
        match = [row for row in rows if file == row[0] and row[1] in what]
        used.update(match)
        if not match:
            print(f"{tool}: {file}:{line}: {what}")
            failed += 1
    for row in rows:
        if row not in used:
            print(f"{tool}: no finding matches the exception {' | '.join(row)}")
            failed += 1
    print(f"{tool}: {len(findings)} findings, {len(findings) - failed} of them explained" if findings else f"{tool}: clean")
    return failed


def main():
    failed = 0
    for tool in sys.argv[1:] or TOOLS:
        if shutil.which(tool) is None:
            print(f"{tool} is not installed")
            continue
        failed += judge(tool, TOOLS[tool]())
    return failed != 0


sys.exit(main())
