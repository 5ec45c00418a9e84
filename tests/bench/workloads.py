#!/usr/bin/env python3
"""Every workload of bench/work does the same work everywhere: a tiny run on the C library gives the checksum that
stands in checksums.txt, and gives it again. The same on libfreehold.so.

    workloads.py            test
    workloads.py --print    prints the table, for when a workload was changed on purpose
"""
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
here = Path(__file__).resolve().parent
top = Path(os.environ.get("FREEHOLD_SOURCE", here.parents[1]))
sys.path.insert(0, str(top / "bench"))
from runner import build  # noqa: E402

SCALE = "0.003"


def checksums(binary, names, preload=""):
    """{name: checksum, or what went wrong}"""
    found = {}
    for name in names:
        done = subprocess.run([binary, name, SCALE], env={**os.environ, "LD_PRELOAD": preload}, capture_output=True,
                              text=True, timeout=300)
        words = done.stdout.split()
        ended = "status %d %s" % (done.returncode, done.stderr.strip()[-200:])
        found[name] = words[1] if done.returncode == 0 and len(words) == 2 and not done.stderr else ended
    return found


def differences(where, got, known):
    return ["%s on %s: %s instead of %s" % (n, where, got.get(n), known.get(n))
            for n in {**known, **got} if got.get(n) != known.get(n)]


def main():
    folder = os.environ.get("FREEHOLD_BUILD", "build")
    binary = build.work(os.path.join(folder, "tests"))
    listed = subprocess.run([binary, "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.split("\t")[0] for line in listed]
    got = checksums(binary, names)
    if sys.argv[1:] == ["--print"]:
        print("\n".join("%s %s" % pair for pair in got.items()))
        return 0
    known = dict(line.split() for line in (here / "checksums.txt").read_text().splitlines())
    wrong = differences("the C library", got, known)
    wrong += differences("the C library, again", checksums(binary, names), known)
    if os.environ.get("FREEHOLD_LIB"):
        wrong += differences("libfreehold.so", checksums(binary, names, os.environ["FREEHOLD_LIB"]), known)
    print("\n".join(wrong) or "%d workloads, each with its checksum" % len(names))
    return 1 if wrong else 0


sys.exit(main())
