"""One run of one program under the launcher, and the samples of one row on all allocators, interleaved."""

import hashlib
import os
import signal
import subprocess

from . import stats


class Sample:
    """What one run cost. cpu = user + system seconds."""

    def __init__(self, user, system, wall, rss):
        self.user, self.system, self.wall, self.rss = user, system, wall, rss
        self.cpu = user + system


class Failure(Exception):
    """A run that gave no result: the text is for the table."""


class Launcher:
    """Starts programs through bench-measure. `folder` is for the report and the programs' output."""

    def __init__(self, binary, folder, timeout):
        self.binary, self.folder, self.timeout = binary, folder, timeout
        os.makedirs(folder, exist_ok=True)
        self.report = os.path.join(folder, "report")
        self.out, self.err = os.path.join(folder, "stdout"), os.path.join(folder, "stderr")

    def command(self, allocator, argv):
        return [self.binary, self.report, allocator.path, *argv]

    def start(self, allocator, argv, cwd=None, env=None):
        """Starts the program and returns the launcher's process; finish() waits for it."""
        if os.path.exists(self.report):
            os.unlink(self.report)
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            return subprocess.Popen(self.command(allocator, argv), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                    cwd=cwd, env={**os.environ, "LC_ALL": "C", **(env or {})})

    def finish(self, process):
        try:
            process.wait(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure("no end after %d s" % self.timeout) from None
        if not os.path.exists(self.report):
            raise Failure("the launcher failed: " + self.last_words())
        with open(self.report) as f:
            user, system, wall, rss, status = (int(x) for x in f.read().split())
        if os.WIFSIGNALED(status):
            raise Failure("killed by %s" % signal.Signals(os.WTERMSIG(status)).name + self.last_words())
        if os.WEXITSTATUS(status) != 0:
            raise Failure("exit status %d" % os.WEXITSTATUS(status) + self.last_words())
        if b"cannot be preloaded" in self.errors():
            raise Failure("not preloaded" + self.last_words())
        return Sample(user / 1e6, system / 1e6, wall / 1e9, rss)

    def run(self, allocator, argv, cwd=None, env=None):
        return self.finish(self.start(allocator, argv, cwd, env))

    def errors(self):
        with open(self.err, "rb") as f:
            return f.read()

    def last_words(self):
        lines = self.errors().decode(errors="replace").strip().splitlines()
        return ": " + lines[-1][:120] if lines else ""

    def output_hash(self):
        with open(self.out, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()[:16]


class RowResult:
    """The samples of one row: {allocator name: [Sample]}, and why some have none: {name: text}."""

    def __init__(self, row, names):
        self.row = row
        self.samples = {n: [] for n in names}
        self.failures = {}
        self.checksum = None

    def values(self, name, what):
        return [getattr(s, what) for s in self.samples[name]]

    def medians(self, what):
        return {n: stats.median(self.values(n, what)) if self.ok(n) else None for n in self.samples}

    def ok(self, name):
        return bool(self.samples[name]) and name not in self.failures


def turn(allocators, number):
    """The order in round `number`: A B C, then B C A, then C A B, so that none always follows the same."""
    shift = number % len(allocators)
    return allocators[shift:] + allocators[:shift]


def measure_row(row, allocators, rounds, launcher, say):
    """All rounds of one row. The first allocator that gives a checksum sets it; `libc`, when there, goes first
    in the first round, so it is the C library's. Who differs has failed, and is not run again."""
    result = RowResult(row, [a.name for a in allocators])
    for number in range(rounds):
        for allocator in turn(allocators, number):
            if allocator.name in result.failures:
                continue
            try:
                sample, checksum = row.run(launcher, allocator)
                if result.checksum is None:
                    result.checksum = checksum
                if checksum != result.checksum:
                    raise Failure("checksum %s instead of %s" % (checksum, result.checksum))
                result.samples[allocator.name].append(sample)
            except Failure as failure:
                result.failures[allocator.name] = str(failure)
                say("  %s on %s FAILED: %s" % (row.name, allocator.name, failure))
    return result
