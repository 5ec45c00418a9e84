"""Compiles the benchmark's own programs into BUILD/bench: bench-work (all workloads), bench-measure (the
launcher), and the loops of the typed table. Nothing is rebuilt that is newer than its sources."""

import glob
import os
import shutil
import subprocess

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCH)

STRICT = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", "-pthread"]
SEEN = ["-fno-builtin-" + f for f in ("malloc", "calloc", "realloc", "free", "posix_memalign")]


class BuildError(Exception):
    """A program could not be built; the text says which and what the compiler said."""


def compiler():
    for name in (os.environ.get("CC"), "gcc", "cc", "clang"):
        if name and shutil.which(name):
            return name
    raise BuildError("no C compiler found (CC, gcc, cc, clang)")


def outdated(target, sources):
    if not os.path.exists(target):
        return True
    made = os.path.getmtime(target)
    return any(os.path.getmtime(s) > made for s in sources)


def make(target, sources, command):
    """Runs the command when the target is older than a source. Returns the target."""
    if outdated(target, sources):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise BuildError("%s\n%s" % (" ".join(command), "\n".join(done.stderr.splitlines()[:30])))
    return target


def work(build):
    """The binary that holds all workloads."""
    sources = sorted(glob.glob(os.path.join(BENCH, "work", "*.c")))
    headers = glob.glob(os.path.join(BENCH, "work", "*.h"))
    target = os.path.join(build, "bench", "bench-work")
    return make(target, sources + headers, [compiler(), *STRICT, *SEEN, "-o", target, *sources])


def measure(build):
    """The launcher. Static where the C library can be linked so, to be as small as may be."""
    source = os.path.join(BENCH, "measure.c")
    target = os.path.join(build, "bench", "bench-measure")
    command = [compiler(), *STRICT, "-o", target, source]
    try:
        return make(target, [source], command[:1] + ["-static"] + command[1:])
    except BuildError:
        return make(target, [source], command)
