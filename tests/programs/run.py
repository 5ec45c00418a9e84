#!/usr/bin/env python3
"""run.py - real programs on Freehold's heap.

    run.py --library build/libfreehold.so --witness build/tests/programs/witness.so [NAME...]
    run.py --list

Runs each named program (all, when none is named) without and with the library and compares output, exit status and
produced files. Exit status 0 when all are equal, 77 when one that is not installed was left out. harness.py says what
"equal" takes; the programs are in the files imported below, one function each. The library may be any allocator, which
is how the tests are tested:

    run.py --library /usr/lib/x86_64-linux-gnu/libjemalloc.so.2 ...
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402
import compilers  # noqa: E402,F401
import languages  # noqa: E402,F401
import processes  # noqa: E402,F401
import servers  # noqa: E402,F401
import tools  # noqa: E402,F401


def main():
    parser = argparse.ArgumentParser(description="Compares real programs without and with a malloc library.")
    parser.add_argument("--library", default=os.environ.get("FREEHOLD_LIB"), help="the library to preload")
    parser.add_argument("--witness", help="the built witness.so")
    parser.add_argument("--settings", action="append", help="value of FREEHOLD to run with (default: each program's own)")
    parser.add_argument("--limit", type=float, help="seconds for each run (default: each program's own)")
    parser.add_argument("--list", action="store_true", help="list the programs")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.list:
        for name, p in harness.PROGRAMS.items():
            print("%-14s %s" % (name, (p.function.__doc__ or "").split("\n")[0]))
        return 0
    unknown = [name for name in arguments.names if name not in harness.PROGRAMS]
    if unknown:
        parser.error("no such program: %s (see --list)" % ", ".join(unknown))
    for what, path in (("--library", arguments.library), ("--witness", arguments.witness)):
        if not path or not os.path.exists(path):
            parser.error("%s: %s is not there" % (what, path))
    for p in harness.PROGRAMS.values():
        p.limit = arguments.limit or p.limit
    good = [harness.test(name, os.path.abspath(arguments.library), os.path.abspath(arguments.witness), arguments.settings)
            for name in arguments.names or harness.PROGRAMS]
    return 1 if False in good else 77 if None in good else 0


if __name__ == "__main__":
    sys.exit(main())
