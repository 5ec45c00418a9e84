"""The typed table: nanoseconds per object of four loops, by malloc and free on each allocator, by Freehold's typed
path, and by Rust. All variants take turns, and the least of all repetitions counts (loops.c says why)."""

import os
import shutil
import subprocess

from . import build
from .allocators import SUBJECT

LOOPS = ["pair", "bulk", "list", "vec"]
UNIT = {"pair": "object", "bulk": "object", "list": "node", "vec": "number"}
FOLDER = os.path.join(build.BENCH, "typed")


class Marker:
    """Stands for the typed table among the rows, so that --rows and --list know it."""

    kind, name, about = "typed", "typed", "the table of the typed path: fh_new and fh_delete, malloc and free, Rust"


def plain(folder):
    source, target = os.path.join(FOLDER, "loops.c"), os.path.join(folder, "loops-malloc")
    return build.make(target, [source], [build.compiler(), *build.STRICT, *build.SEEN, "-o", target, source])


def typed(folder, library):
    """Linked with the library that is meant; it is preloaded too, so that no search path has to find it."""
    source, target = os.path.join(FOLDER, "loops.c"), os.path.join(folder, "loops-typed")
    header = os.path.join(build.ROOT, "include", "freehold", "heap.h")
    command = [build.compiler(), *build.STRICT, *build.SEEN, "-DTYPED", "-I", os.path.join(build.ROOT, "include"),
               "-o", target, source, library]
    if os.path.exists(target):
        os.unlink(target)  # another library than last time may be meant
    return build.make(target, [source, header, library], command)


def rust(folder):
    """The loops in Rust, or None where rustc is not installed."""
    if not shutil.which("rustc"):
        return None
    source, target = os.path.join(FOLDER, "loops.rs"), os.path.join(folder, "loops-rust")
    return build.make(target, [source], ["rustc", "-O", "--edition", "2021", "-o", target, source])


def variants(folder, found):
    """([(name, command, preload)], [what is missing])."""
    out, missing = [], []
    out += [("malloc: " + a.name, plain(folder), a.path) for a in found]
    subject = next((a for a in found if a.name == SUBJECT), None)
    if subject:
        out.append(("freehold typed", typed(folder, subject.path), subject.path))
    boxes = rust(folder)
    if boxes:
        out += [("rust: " + a.name, boxes, a.path) for a in found]
    else:
        missing.append("rust (Debian package rustc)")
    return out, missing


def run_once(command, preload, repetitions):
    """{loop: (ns, checksum)} of one run; a RuntimeError with what went wrong."""
    done = subprocess.run([command, str(repetitions)], env={**os.environ, "LD_PRELOAD": preload},
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError("status %d %s" % (done.returncode, done.stderr[-120:]))
    words = [line.split() for line in done.stdout.splitlines()]
    return {w[0]: (float(w[1]), w[2]) for w in words}


def measure(folder, found, rounds, scale, say):
    """The data of the typed table: {"loops": {loop: {variant: ns}}, ...}."""
    every, missing = variants(os.path.join(folder, "bench"), found)
    loops = {loop: {} for loop in LOOPS}
    failed, checksum = {}, {}
    for _ in range(rounds):
        for name, command, preload in every:
            if name in failed:
                continue
            try:
                for loop, (ns, told) in run_once(command, preload, max(2, int(6 * scale))).items():
                    if checksum.setdefault(loop, told) != told:
                        raise RuntimeError("checksum of %s differs" % loop)
                    loops[loop][name] = min(ns, loops[loop].get(name, ns))
            except (RuntimeError, subprocess.TimeoutExpired) as problem:
                failed[name] = str(problem)
                say("  typed table, %s FAILED: %s" % (name, problem))
    for name in failed:
        for loop in loops.values():
            loop.pop(name, None)
    for name, _, _ in every:
        say("%-18s %s" % (name, "  ".join("%s %.2f" % (p, loops[p][name]) for p in LOOPS if name in loops[p])))
    return {"loops": loops, "unit": UNIT, "order": [n for n, _, _ in every], "missing": missing, "failures": failed}
