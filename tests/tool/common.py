"""What the tests of `freehold run` share: running the command, and reading its report."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

COMMAND = os.environ["FREEHOLD_COMMAND"]
LIBRARY = os.environ["FREEHOLD_LIB"]
BUILD = os.environ["FREEHOLD_BUILD"]
CC = os.environ["CC"]
if " " in tempfile.gettempdir() or ":" in tempfile.gettempdir():  # LD_PRELOAD and "#!" take no such path
    tempfile.tempdir = "/tmp"
SUBJECT = os.path.join(BUILD, "tests/tool/run.subject")

# A class of blocks for each request: as <freehold/heap.h> says.
SMALL_MAX = 32768


def class_size(size):
    if size <= 128:
        return max(1, (size + 15) // 16) * 16
    k = (size - 1).bit_length() - 1
    step = 1 << (k - 2)
    return (size + step - 1) // step * step


class Run:
    """One run of the command. `report` is the JSON report, or None when there is none."""

    def __init__(self, *arguments, options=(), json_report=True, timeout=300, **more):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            kind = ["--json", "--output", path] if json_report else []
            more.setdefault("stdin", subprocess.DEVNULL if "input" not in more else None)
            if more["stdin"] is None:
                del more["stdin"]
            done = subprocess.run([COMMAND, "run", *kind, *options, *arguments], capture_output=True,
                                  timeout=timeout, **more)
            self.status, self.out, self.err = done.returncode, done.stdout, done.stderr.decode(errors="replace")
            self.report = None
            if json_report and os.path.exists(path):
                with open(path, "rb") as file:
                    text = file.read()
                self.report = json.loads(text.decode("utf-8")) if text else None
        self.program = self.report["program"] if self.report else None

    def __repr__(self):
        return "status %s\nout: %r\nerr: %s\nreport: %s" % (
            self.status, self.out[:500], self.err, json.dumps(self.report, indent=1)[:4000])


def environment(**changes):
    """This environment with changes; None takes a variable away."""
    env = dict(os.environ)
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


class Test(unittest.TestCase):
    maxDiff = None

    def assert_counts(self, run, **expected):
        self.assertIsNotNone(run.program, run)
        found = {name: run.program[name] for name in expected}
        self.assertEqual(found, expected, run)

    def assert_sound(self, run):
        """Every identity that a report must satisfy."""
        report, program = run.report, run.program
        self.assertEqual(report["schema"], "freehold-run-1")
        self.assertIsNotNone(program, run)
        counted = report["counted"]
        if counted:
            classes = program["classes"]
            for ours, total in (("allocations", "allocations"), ("frees", "frees"), ("live_blocks", "live_blocks")):
                self.assertEqual(sum(c[ours] for c in classes), program[total], run)
            self.assertEqual(sum(c["live_asked"] for c in classes), program["asked"]["end"], run)
            self.assertEqual(program["live_blocks"], program["allocations"] - program["frees"], run)
            self.assertLessEqual(program["asked"]["end"], program["asked"]["peak"], run)
            for c in classes:
                self.assertEqual(c["live_blocks"], c["allocations"] - c["frees"], run)
                self.assertLessEqual(c["live_blocks"], c["peak_blocks"], run)
                if c["block_size"] is not None:
                    self.assertLessEqual(c["live_asked"], c["live_blocks"] * c["block_size"], run)
        self.assertLessEqual(program["held"]["end"], program["held"]["peak"], run)
        self.assertEqual(program["at_exit"] is not None, program["finished"], run)
        end = program["at_exit"]
        if end is not None:
            parts = ("live", "cached", "free_in_spans", "span_tail", "free_extents", "metadata")
            self.assertEqual(end["held"], sum(end[part] for part in parts), run)
            self.assertEqual(end["held"], program["held"]["end"], run)
            if counted:
                self.assertEqual(end["live"], end["asked"] + end["rounding"], run)
                self.assertEqual(end["asked"], program["asked"]["end"], run)
            small = sum(s["live"] * s["block_size"] for s in end["spans"])
            self.assertEqual(end["live"], small + end["large_live"], run)
            for span in end["spans"]:
                self.assertEqual(span["blocks"], span["live"] + span["cached"] + span["free"], run)
        if program["resident"]["end"] is not None:
            self.assertLessEqual(program["resident"]["end"], program["resident"]["peak"], run)


def main():
    unittest.main(verbosity=1, argv=sys.argv)
