#!/usr/bin/env python3
"""Deliberate faults in the heap, each of which some test must catch: who tests the tests?

Each fault is one replacement of text in one file of a copy of the sources. The test named beside it is built with it, and must
fail. A replacement whose text is not found any more is a failure too: the list must follow the code.

    mutants.py [--all] [NAME...]       the short list, all, or those named
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE, BUILD, CC = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"]), os.environ.get("CC", "cc")
FLAGS = ["-O1", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-DNDEBUG", "-w", "-fno-builtin", "-ftls-model=initial-exec", "-fPIC",
         '-DFREEHOLD_VERSION="0"']

# name, file, text, its replacement, test; those with a * are in the short list
MUTANTS = [
    ("*touch_forgets_passed_on", "heap/span.c", "else touch(g, remote);", "else (void)remote;", "interleave"),
    ("*queued_cleared_late", "heap/span.c", "    struct fh_remote *remote = &fh_space.remotes[g];\n    struct fh_head *head = head_of(g);\n"
     "    uint64_t words = atomic_exchange(&remote->summary, 0);",
     "    struct fh_remote *remote = &fh_space.remotes[g];\n    struct fh_head *head = head_of(g);\n"
     "    uint64_t words = atomic_load(&remote->summary);\n    atomic_store(&remote->summary, 0);", "interleave"),
    ("remote_or_not_atomic", "heap/span.c", "atomic_fetch_or(&remote->bits[w], mask)",
     "__extension__({ uint64_t o = atomic_load(&remote->bits[w]); atomic_store(&remote->bits[w], o | mask); o; })",
     "interleave"),
    ("summary_not_set", "heap/span.c", "atomic_fetch_or(&remote->summary, bit);", "(void)bit;", "interleave"),
    ("moved_span_keeps_owner", "heap/span.c", "    link_span(to, g, head, bucket);\n    atomic_store(&head->owner, to);",
     "    link_span(to, g, head, bucket);", "interleave"),
    ("free_count_off", "heap/span.c", "head->free = (uint16_t)(head->free + fh_count_bits(mask));",
     "head->free = (uint16_t)(head->free + 1);", "interleave"),
    ("bitmap_not_cleared", "heap/span.c", "words[w] ^= word;", "if (word & 1) words[w] ^= word;", "interleave"),
    ("wrong_class_one_up", "heap/class.c", "(uint8_t)fh_class_of(i * 16)",
     "(uint8_t)fh_class_of(i * 16 - (i > 40 ? 16 : 0))", "model"),
    ("inverse_off", "heap/class.c", "/ (size / 16) + 1;", "/ (size / 16);", "model"),
    ("*grow_loses_blocks", "heap/bin.c", "memcpy(base, old, count * sizeof(void *));",
     "memcpy(base, old, (count ? count - 1 : 0) * sizeof(void *));", "model"),
    ("calloc_not_cleared", "heap/fast.h", "return __builtin_memset(block, 0, bytes);", "return block;", "model"),
    ("realloc_copies_less", "heap/alloc.c", "memcpy(block, p, usable < size ? usable : size);",
     "memcpy(block, p, (usable < size ? usable : size) - 1);", "model"),
    ("align_ignored", "heap/extent.c", "return (uint32_t)((number + align - 1) / align * align - base);",
     "return (uint32_t)(number - base + 0 * align);", "model"),
    ("*canary_not_checked", "heap/check.c", "if (FH_UNLIKELY(!is_slack_whole(block + class->size, word & 0xffff))) goto slowly;",
     "", "misuse"),
    ("front_not_checked", "heap/check.c", "if (FH_UNLIKELY(number && (unsigned char)block[-1] != fh_canary)) goto slowly;",
     "", "misuse"),
    ("freed_state_not_kept", "heap/check.c", "(word & 0xff00ffff) | FH_MARK_FREED << STATE_SHIFT",
     "(word & 0xff00ffff) | FH_MARK_LIVE << STATE_SHIFT", "misuse"),
    ("fill_not_checked", "heap/check.c", "return (bad[0] | bad[1]) == 0;", "return (bad[0] & 0) == 0;", "misuse"),
    ("fill_of_larger_blocks_not_checked", "heap/check.c",
     "const unsigned char *bad = filled ? fh_check_damage_after_free(f, &expected) : NULL;",
     "const unsigned char *bad = 0 * filled ? fh_check_damage_after_free(f, &expected) : NULL;", "misuse"),
    ("interior_taken", "heap/check.c", "|| number * class->size != within)) goto slowly;", ")) goto slowly;", "misuse"),
    ("no_random_order", "heap/quarantine.c", "unsigned chosen = (unsigned)(next_random() * left >> 32);",
     "unsigned chosen = left - 1;", "misuse"),
    ("guard_page_kept_open", "heap/guard.c", "if (r->pages) fh_os_decommit(address_of(r->page), r->pages * page_size);", "",
     "misuse"),
    ("kinds_not_compared", "heap/found.c", "if (family != freed_as && fh_settings.check_kinds) {",
     "if (0 && family != freed_as) {", "misuse"),
]


def run(command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=1500, **more)


def build(command):
    done = run(command)
    if done.returncode:
        raise RuntimeError(f"does not build: {done.stderr[-800:]}")


def interleave(work, _):
    text = (SOURCE / "tests/trust/interleave.c").read_text()
    (work / "interleave.c").write_text(text)
    build([CC, *FLAGS, "-I", SOURCE / "include", "-I", work / "src", work / "interleave.c", "-o", work / "test"])
    return run([work / "test"]).returncode


def library(work, file):
    """The static library of the build tree, with what the fault changes compiled anew."""
    sources = [file] if file.endswith(".c") else ["heap/alloc.c", "malloc/malloc.c", "malloc/cxx.c"]
    shutil.copy(BUILD / "libfreehold.a", work / "libfreehold.a")
    for source in sources:
        name = work / (Path(source).name + ".o")
        build([CC, *FLAGS, "-I", SOURCE / "include", "-I", work / "src", "-c", work / "src" / source, "-o", name])
        build(["ar", "r", work / "libfreehold.a", name])
    return work / "libfreehold.a"


def model(work, file):
    tests = SOURCE / "tests/heap"
    build([CC, *FLAGS, "-DTEST_FH_NAMES", "-DTEST_NO_CMOCKA", "-DFREEHOLD_REPLACES_MALLOC=1", "-I", SOURCE / "include", "-I", tests,
           tests / "test_model.c", tests / "model.c", tests / "support.c", library(work, file), "-o", work / "test", "-lpthread"])
    return run([work / "test"], cwd=work, env=dict(os.environ, TEST_SECONDS="3", TEST_SEED="1")).returncode


def misuse(work, file):
    build([CC, *FLAGS, "-I", SOURCE / "include", SOURCE / "tests/trust/misuse.c", library(work, file), "-o", work / "misuse",
           "-lpthread", "-ldl"])
    programs = [work / "misuse"]
    if os.environ.get("CXX"):
        build([os.environ["CXX"], "-O1", "-std=c++17", "-w", "-fno-builtin", "-fsized-deallocation",
               SOURCE / "tests/trust/misuse_cxx.cpp", work / "libfreehold.a", "-o", work / "misuse_cxx", "-lpthread", "-ldl"])
        programs.append(work / "misuse_cxx")
    return run([sys.executable, SOURCE / "tests/trust/outcomes.py", *programs]).returncode


TESTS = {"interleave": interleave, "model": model, "misuse": misuse}


def outcome(name, file, old, new, test):
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(SOURCE / "src", work / "src")
        path = work / "src" / file
        text = path.read_text()
        if old is not None:
            if text.count(old) != 1:
                return f"its text stands {text.count(old)} times in {file}"
            path.write_text(text.replace(old, new))
        try:
            return "caught" if TESTS[test](work, file) else "not caught"
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return str(error) if isinstance(error, RuntimeError) else "caught"


def main():
    named = [a for a in sys.argv[1:] if not a.startswith("--")]
    failed = 0
    for name, file, old, new, test in MUTANTS:
        short, name = name.startswith("*"), name.strip("*")
        if (named and name not in named) or not (named or short or "--all" in sys.argv):
            continue
        result = outcome(name, file, old, new, test)
        print(f"{name} ({test}): {result}", flush=True)
        failed += result != "caught"
    for test, file in (("interleave", "heap/span.c"), ("model", "heap/bin.c"), ("misuse", "heap/check.c")):
        result = outcome("no fault", file, None, None, test)
        print(f"no fault ({test}): {'passes' if result == 'not caught' else result}", flush=True)
        failed += result != "not caught"
    return failed != 0


sys.exit(main())
