#!/usr/bin/env python3
"""An allocator that fails is shown: one that lies about zeroed memory (a wrong checksum), one that crashes, one that
never ends, and a file that cannot be preloaded. The good one beside them keeps its numbers, and bench/run ends with
status 1 (2 when nothing could be measured)."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

top = Path(os.environ.get("FREEHOLD_SOURCE", Path(__file__).resolve().parents[2]))
library_of_this_build = Path(os.environ.get("FREEHOLD_LIB", top / "build/libfreehold.so"))  # a path that LD_PRELOAD takes
build = library_of_this_build.parent / "tests" / "bench-failures"

LIAR = """
#include <stdlib.h>
#include <string.h>
void *calloc(size_t n, size_t size) { return memset(malloc(n * size), 0x55, n * size); }
"""
CRASHER = """
#include <stdlib.h>
int posix_memalign(void **p, size_t align, size_t size) { (void)align; (void)size; (void)p; abort(); }
"""
SLEEPER = """
#include <unistd.h>
int posix_memalign(void **p, unsigned long align, unsigned long size) { (void)p; (void)align; (void)size;
    for (;;) pause(); }
"""


def library(name, source):
    build.mkdir(parents=True, exist_ok=True)
    path = build / ("lib%s.so" % name)
    subprocess.run([os.environ.get("CC") or "cc", "-shared", "-fPIC", "-fno-builtin", "-x", "c", "-o", path, "-"],
                   input=source, text=True, check=True)
    return path


def bench(*words):
    """(exit status, what was said, the data or None)"""
    told = build / "told.json"
    told.unlink(missing_ok=True)
    command = [sys.executable, top / "bench" / "run", "--build", build, "--rounds", "2", "--scale", "0.01"]
    done = subprocess.run([*command, "--json", told, *words], capture_output=True, text=True, timeout=600)
    return done.returncode, done.stderr, json.loads(told.read_text()) if told.exists() else None


class Failures(unittest.TestCase):
    def test_a_wrong_checksum(self):
        status, said, data = bench("--rows", "calloc-mix", "--lib", "liar=%s" % library("liar", LIAR),
                                   "--only", "libc,liar")
        self.assertEqual(status, 1, said)
        row = data["rows"][0]
        self.assertIn("checksum", row["failures"]["liar"])
        self.assertEqual(list(row["failures"]), ["liar"])
        self.assertEqual(len(row["samples"]["libc"]), 2)
        self.assertIn("calloc-mix on liar FAILED", said)

    def test_a_crash(self):
        status, said, data = bench("--rows", "aligned", "--lib", "crasher=%s" % library("crasher", CRASHER),
                                   "--only", "libc,crasher")
        self.assertEqual(status, 1, said)
        self.assertIn("SIGABRT", data["rows"][0]["failures"]["crasher"])

    def test_no_end(self):
        status, said, data = bench("--rows", "aligned", "--lib", "sleeper=%s" % library("sleeper", SLEEPER),
                                   "--only", "libc,sleeper", "--timeout", "5")
        self.assertEqual(status, 1, said)
        self.assertIn("no end", data["rows"][0]["failures"]["sleeper"])

    def test_what_cannot_be_preloaded_is_not_measured_as_the_c_library(self):
        status, said, data = bench("--rows", "pair-32", "--lib", "ghost=/nonexistent.so", "--only", "libc,ghost")
        self.assertEqual(status, 2, said)
        self.assertIsNone(data)
        self.assertIn("ghost", said)

    def test_a_path_that_cannot_be_preloaded_by_its_name(self):
        """LD_PRELOAD takes its value apart at blanks and colons."""
        for name in ("of two words", "a:b"):
            path = build / name / "lib freehold.so"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library_of_this_build, path)
            with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, TMPDIR=folder):
                status, said, data = bench("--rows", "pair-32", "--lib", "freehold=%s" % path, "--only", "libc,freehold")
                self.assertEqual(os.listdir(folder), [], "its link is gone")
            self.assertEqual(status, 0, said)
            self.assertEqual(len(data["rows"][0]["samples"]["freehold"]), 2, said)

    def test_a_good_run_ends_with_zero(self):
        status, said, data = bench("--rows", "pair-32,list-million", "--only", "libc")
        self.assertEqual(status, 0, said)
        self.assertEqual([len(r["samples"]["libc"]) for r in data["rows"]], [2, 2])
        self.assertGreater(data["rows"][1]["samples"]["libc"][0][3], 25, "a million nodes are more than 25 MiB")
        self.assertLess(data["rows"][0]["samples"]["libc"][0][3], 6, "a pair needs little: not the runner's own RSS")


if __name__ == "__main__":
    unittest.main()
