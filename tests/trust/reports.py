#!/usr/bin/env python3
"""What a report of misuse says, in words and as JSON, where it goes, and what comes after it.

    reports.py MISUSE MISUSE_WIDE
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

MISUSE, WIDE = sys.argv[1:]
CHECKED = "mode=checked,guard_first=0"
failed = 0


def expect(what, good, *more):
    global failed
    if not good:
        failed += 1
        print("FAILED", what, *more, sep="\n    ")


def run(case, settings, program=MISUSE):
    done = subprocess.run([program, case], env=dict(os.environ, FREEHOLD=settings), capture_output=True, timeout=300)
    return done.returncode, done.stderr.decode(errors="replace"), done.stdout.decode()


def parsed(case, settings, program=MISUSE):
    text = run(case, settings + ",error_format=json", program)[1]
    lines = text.splitlines()
    expect(f"{case}, {settings}: one line of JSON", len(lines) == 1 and lines[0].startswith("{"), text)
    return json.loads(lines[0])


def functions(stack):
    return [frame.get("function") for frame in stack]


def words_of_each_kind():
    """The title, what was found, the block, and what to look at next."""
    block = r"block        0x[0-9a-f]+: {} bytes asked for"
    wanted = [
        (CHECKED, "overflow_1", ["somebody wrote behind a block (1 byte past its end)", "free of 0x",
                                 block.format(24) + r" \(in a place of 32\), in use", r"found        0x01 where 0x[89a-f]",
                                 "strlen \\+ 1"]),
        (CHECKED, "overflow_third_byte", ["(3 bytes past its end)"]),
        (CHECKED, "underflow_1", ["somebody wrote before a block (1 byte before its start)", "index below zero"]),
        (CHECKED, "write_after_free", ["somebody wrote into a block after it was freed (at its byte", "malloc of 0x", ", freed",
                                       "Seen when the block was to be used again"]),
        (CHECKED, "write_after_free_never_reused", ["the check at exit of 0x", "freed in"]),
        (CHECKED, "double_free", ["block freed twice\n", "freed in", "Which of the two frees owns the block"]),
        (CHECKED, "free_interior", ["inside a block, not at its start (at its byte 8)", "Keep the pointer"]),
        (CHECKED, "free_stack", ["this address is no block of the heap\n", "on a stack", "Is the variable initialised"]),
        (CHECKED, "free_global", ["a global variable"]),
        (CHECKED, "free_wild", ["the pointer is wild"]),
        (CHECKED, "free_foreign", ["memory of somebody else"]),
        (CHECKED, "free_never_allocated", ["the heap's own window"]),
        (CHECKED, "realloc_after_free", ["this block has been freed\n", "realloc of 0x", "Who else keeps"]),
        (CHECKED, "sized_free_wrong", ["the size said at the free is not the one asked for\n", "bytes were asked for, and it is freed as"]),
        (CHECKED, "sized_free_wrong_alignment", ["the alignment said at the free", "same type"]),
        (CHECKED, "underflow_into_freed", [r"beside       0x[0-9a-f]+: 24 bytes asked for, in use. Or somebody wrote before that one",
                                           r"before that one.\n  allocated in .*block"]),
        (CHECKED, "free_from_freed", ["It was read from a block that has been freed, or from a new one"]),
        (CHECKED, "pointer_from_freed", ["a pointer was followed that was read from a freed block", "an access to 0x", "comes? from"]),
        (CHECKED, "null_after_refusal", ["NULL was followed", r"was for \d+ bytes", "an access to 0x3,",
                                         "allocated in .*null_after_refusal"]),
        (CHECKED, "null_after_overflow", ["NULL was followed", "more than there can be"]),
        (CHECKED, "overflow_without_end", ["part of the heap where no block is", "index or length"]),
        ("mode=guard", "realloc_after_free", ["found by     realloc of 0x"]),
        ("mode=guard", "usable_size_after_free", ["found by     malloc_usable_size of 0x"]),
        ("mode=guard", "overflow_1", ["access behind the end of a block (1 byte past its end)", "an access to 0x", "accessed in",
                                      "index or length"]),
        ("mode=guard", "write_after_free", ["access to a block after it was freed", "freed in"]),
        ("mode=guard,guard=start", "read_before", ["access before the start of a block"]),
    ]
    wide = subprocess.run([WIDE, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for settings, case, parts in wanted:
        text = run(case, settings, WIDE if case in wide else MISUSE)[1]
        for part in parts:
            plain = part in text
            expect(f"{case}, {settings}: {part!r}", plain or re.search(part, text), text)


def stacks_are_as_deep_as_asked():
    for depth in (2, 3, 4):
        report = parsed("double_free", f"{CHECKED},stacks={depth}")
        expect(f"stacks={depth}: frames", len(report["allocated"]) == len(report["freed"]) == depth, report)
    report = parsed("double_free", CHECKED + ",stacks=16")
    for label in ("stack", "allocated", "freed"):
        found = functions(report[label])
        expect(f"{label}: from the case to main", "double_free" in found and "main" in found[found.index("double_free"):], found)
    report = parsed("double_free", CHECKED)
    expect("stacks=1", len(report["allocated"]) == len(report["freed"]) == 1, report)
    report = parsed("double_free", CHECKED + ",stacks=0")
    expect("stacks=0", report["allocated"] == report["freed"] == [], report)
    text = run("double_free", CHECKED)[1]
    expect("the way to more", "stacks=16 shows more" in text, text)
    text = run("double_free", CHECKED + ",stacks=4")[1]
    expect("no such words where it is known", "stacks=16" not in text, text)


def who_stands_in_for_the_c_library_is_not_shown():
    for case in ("text_measured_freed", "bytes_copied_freed"):
        for settings in (CHECKED, "mode=checked", "mode=guard"):
            lines = run(case, settings, WIDE)[1].splitlines()
            at = next((line for line in lines if re.match("  (called from|accessed in) ", line)), "")
            expect(f"{case}, {settings}: the first frame", case in at, lines)


def the_sweep_shows_none_of_our_own_frames():
    for case in ("write_after_free_never_reused", "overflow_never_freed"):
        found = functions(parsed(case, CHECKED)["stack"])
        expect(f"{case}: frames", not any(name and re.match("fh_|sweep|registers|walk", name) for name in found), found)


def json_has_it_all():
    report = parsed("overflow_1", CHECKED)
    expect("facts", report["freehold"] == "heap-misuse" and report["kind"] == "overflow" and report["call"] == "free" and
           report["offset"] == 24 and report["found"] == 1 and report["expected"] >= 0x80 and
           report["block"]["asked"] == 24 and report["block"]["usable"] == 32 and report["block"]["state"] == "live" and
           report["address"] == report["block"]["address"] and report["next"], report)
    report = parsed("underflow_1", CHECKED)
    expect("an offset below zero", report["offset"] == -1, report)
    report = parsed("underflow_into_freed", CHECKED, WIDE)
    expect("the block beside", report["beside"]["asked"] == 24 and report["beside_allocated"], report)
    report = parsed("free_stack", CHECKED)
    expect("a sentence more, no block", "stack" in report["detail"] and "block" not in report, report)


def json_survives_odd_names():
    folder = Path("odd \"name\"\\ \x01")
    folder.mkdir(exist_ok=True)
    program = shutil.copy(MISUSE, folder / "misuse")
    report = parsed("double_free", CHECKED, os.path.abspath(program))
    expect("the path", any(frame.get("module") == os.path.abspath(program) for frame in report["stack"]), report)


def reports_go_where_they_should():
    path = Path("reports.txt")
    path.unlink(missing_ok=True)
    for times in (1, 2):
        status, text, _ = run("double_free", f"{CHECKED},error_file={path}")
        expect("only into the file", status == -6 and text == "", text)
        expect("behind what is there", path.read_text().count("block freed twice") == times, path.read_text())
    status, text, _ = run("double_free", CHECKED + ",error_file=/no/such/folder/x")
    expect("a file that cannot be had", status == -6 and "block freed twice" in text, text)


def programs_go_on_if_told():
    """And what was damaged is put right: the mistake is said once."""
    for case in ("double_free", "overflow_1", "underflow_1", "free_stack", "free_interior", "sized_free_wrong", "write_after_free",
                 "realloc_after_free", "overflow_never_freed", "double_free_large", "overflow_huge_odd"):
        if case not in subprocess.run([MISUSE, "--list"], capture_output=True, text=True).stdout.split():
            continue
        status, text, said = run(case, CHECKED + ",on_error=report")
        expect(f"{case}: goes on", status == 0 and "survived" in said, status, text)
        expect(f"{case}: said once", text.count("freehold: heap misuse") == 1, text)


MINE = """#include <stdlib.h>
static inline __attribute__((always_inline)) void mine(void *p) { free(p); }
"""
TWICE = """#include "mine.h"
int main(void) {
    void *volatile p = malloc(24);
    mine(p);
    mine(p);
    return 0;
}
"""


def a_folder_may_be_called_as_we_are():
    """The headers of a program that lies in a folder called freehold are not taken for this library's, whose lines are left out."""
    folder = Path("freehold", "of_somebody").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("mine.h", MINE), ("twice.c", TWICE)):
        (folder / name).write_text(text)
    if subprocess.run([os.environ["CC"], "-g", "-O1", "-fno-builtin", folder / "twice.c", "-o", folder / "twice"]).returncode != 0:
        expect("a program of two lines compiles", False)
        return
    done = subprocess.run([folder / "twice"], capture_output=True, text=True, timeout=300, env=dict(
        os.environ, FREEHOLD=CHECKED, LD_PRELOAD=os.environ["FREEHOLD_LIB"]))
    expect("a header below a folder called freehold is shown", re.search(r"mine\.h:2 \(mine\)", done.stderr), done.stderr)


words_of_each_kind()
a_folder_may_be_called_as_we_are()
stacks_are_as_deep_as_asked()
who_stands_in_for_the_c_library_is_not_shown()
the_sweep_shows_none_of_our_own_frames()
json_has_it_all()
json_survives_odd_names()
reports_go_where_they_should()
programs_go_on_if_told()
sys.exit(1 if failed else 0)
