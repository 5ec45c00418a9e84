#!/usr/bin/env python3
"""Each wrong use in each mode comes out as docs/SECURITY.md says.

The tables there are the expectation: a row whose first cell is a name in backquotes is a case of misuse.c or misuse_cxx.cpp, the
columns behind its description are the modes. A cell is
    a kind of report (double-free ...)   the report says so, and the process ends by SIGABRT, or by SIGSEGV for an access
    stopped                              fast mode's one line, and SIGABRT
    fault                                SIGSEGV from the processor, without words from us
    -                                    nobody notices
    yes / no                             cases that are a property rather than a mistake: it holds, or not

    outcomes.py MISUSE [MISUSE_CXX]      with --print: prints rows as they come out instead;
                                         with --not-wide: checked mode only, in pieces of 16 bytes
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

MODES = [("fast", "mode=fast"), ("checked", "mode=checked,guard_first=0"), ("checked, first 64", "mode=checked"),
         ("guard", "mode=guard")]
PROPERTIES = {"calloc_overflows", "negative_size", "stale_data", "reused_at_once", "predictable_order", "all_right",
              "overflow_any_size", "underflow_any_size", "reallocarray_overflows", "realloc_negative", "aligned_overflows",
              "new_array_overflows", "new_array_too_long"}


def outcome(program, case, settings):
    environment = dict(os.environ, FREEHOLD=settings + ",error_format=json")
    done = subprocess.run([program, case], env=environment, capture_output=True, timeout=300)
    text = done.stderr.decode(errors="replace")
    if case in PROPERTIES:
        return "yes" if done.returncode == 0 and b"survived" in done.stdout else "no"
    for line in text.splitlines():
        if line.startswith("{"):
            report = json.loads(line)
            wanted = -11 if report["call"] == "access" else -6
            return report["kind"] if done.returncode == wanted else f"{report['kind']}, then {done.returncode}"
    if done.returncode == -6 and "freehold:" in text:
        return "stopped"
    if done.returncode == -11:
        return "fault"
    if done.returncode == 0 and not text:
        return "-"
    return f"exit {done.returncode}: {text[:200]}"


def programs():
    found = {}
    for program in [a for a in sys.argv[1:] if not a.startswith("--")]:
        for case in subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split():
            found[case] = program
    return found


def expected():
    rows = {}
    for line in (Path(os.environ["FREEHOLD_SOURCE"]) / "docs/SECURITY.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if name and len(cells) == 2 + len(MODES):
            rows[name.group(1)] = cells[2:]
    return rows


def main():
    cases, failed = programs(), 0
    not_wide = "--not-wide" in sys.argv
    if "--print" in sys.argv:
        for case, program in cases.items():
            print(f"| `{case}` | | " + " | ".join(outcome(program, case, s) for _, s in MODES) + " |", flush=True)
        return 0
    rows = expected()
    for case in sorted(set(cases) - set(rows)):
        print(f"{case}: not in docs/SECURITY.md")
        failed += 1
    for case, cells in rows.items():
        if case not in cases:
            continue
        for (mode, settings), wanted in zip(MODES, cells):
            if not_wide:
                if mode != "checked":
                    continue
                settings += ",wide=off"
            got = outcome(cases[case], case, settings)
            if got != wanted and got not in wanted.split(" or "):
                print(f"{case}, {mode}: {got}, not {wanted}")
                failed += 1
    print(f"{len(cases)} cases in {len(MODES)} modes, {failed} not as documented")
    return failed != 0


sys.exit(main())
