"""The rows of the tables: a row is a name, a line about it, and a run on an allocator that gives a sample and
a checksum. Here the workloads of bench/work; programs.py has the real programs."""

import fnmatch
import subprocess

from .measure import Failure


class WorkRow:
    """One workload of the bench-work binary."""

    kind = "work"

    def __init__(self, binary, name, about, scale):
        self.binary, self.name, self.about, self.scale = binary, name, about, scale

    def prepare(self):
        return None

    def run(self, launcher, allocator):
        sample = launcher.run(allocator, [self.binary, self.name, "%g" % self.scale])
        with open(launcher.out) as f:
            words = f.read().split()
        if len(words) != 2 or words[0] != self.name:
            raise Failure("no checksum printed")
        return sample, words[1]


def work_rows(binary, scale):
    listed = subprocess.run([binary, "list"], capture_output=True, text=True, check=True, timeout=20).stdout
    return [WorkRow(binary, *line.split("\t"), scale) for line in listed.splitlines()]


def choose(rows, patterns):
    """The rows whose name or kind matches one of the comma-separated shell patterns; all for an empty one."""
    wanted = [p.strip() for p in (patterns or "").split(",") if p.strip()]
    if not wanted:
        return rows
    chosen = [r for r in rows if any(fnmatch.fnmatch(r.name, p) or r.kind == p for p in wanted)]
    if not chosen:
        raise SystemExit("bench: no row matches %s; `bench/run --list` shows them" % patterns)
    return chosen
