"""The owners' table: nanoseconds per operation of Box, Rc, Arc, Vec, Str and Map in Freehold, and of what stands for them in Rust, C++ and
GLib. The same loops in each (bench/own), all taking turns, each with the allocator that it comes with; the least of all repetitions
counts, and the checksums must agree."""

import os
import shutil
import subprocess

from . import build

FOLDER = os.path.join(build.BENCH, "own")
HEADER = os.path.join(FOLDER, "loops.h")
LOOPS = ["box", "box-bulk", "box-list", "rc", "rc-clone", "arc", "arc-clone", "arc-threads", "vec-push", "vec-short", "str-push",
         "str-short", "map-insert", "map-get", "words-count", "words-get"]


class Marker:
    """Stands for the owners' table among the rows, so that --rows and --list know it."""

    kind, name, about = "owners", "owners", "the table of the owners: Box, Rc, Arc, Vec, Str, Map; Rust, C++, GLib"


def freehold(folder, library):
    source, target = os.path.join(FOLDER, "owners.c"), os.path.join(folder, "owners-freehold")
    if os.path.exists(target):
        os.unlink(target)  # another library than last time may be meant
    return build.make(target, [source, HEADER, library], [build.compiler(), *build.STRICT, "-I", os.path.join(build.ROOT, "include"),
                                                         "-o", target, source, library])


def rust(folder):
    if not shutil.which("rustc"):
        return None
    source, target = os.path.join(FOLDER, "owners.rs"), os.path.join(folder, "owners-rust")
    return build.make(target, [source], ["rustc", "-O", "--edition", "2021", "-o", target, source])


def cxx(folder):
    compiler = next((c for c in (os.environ.get("CXX"), "g++", "clang++") if c and shutil.which(c)), None)
    if not compiler:
        return None
    source, target = os.path.join(FOLDER, "owners.cpp"), os.path.join(folder, "owners-cxx")
    return build.make(target, [source, HEADER], [compiler, "-std=c++17", "-O2", "-pthread", "-o", target, source])


def glib(folder):
    found = shutil.which("pkg-config") and subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0"], capture_output=True,
                                                         text=True)
    if not found or found.returncode != 0:
        return None
    source, target = os.path.join(FOLDER, "owners_glib.c"), os.path.join(folder, "owners-glib")
    return build.make(target, [source, HEADER], [build.compiler(), "-O2", "-pthread", "-o", target, source, *found.stdout.split()])


def run_once(program, preload, repetitions):
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "FREEHOLD")}
    if preload:
        environment["LD_PRELOAD"] = preload
    done = subprocess.run([program, str(repetitions)], env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError("status %d %s" % (done.returncode, done.stderr[-120:]))
    words = [line.split() for line in done.stdout.splitlines()]
    return {w[0]: (float(w[1]), w[2]) for w in words}


def measure(folder, library, rounds, scale, say):
    """{"loops": {loop: {variant: ns}}, "order": variants, "missing": words, "failures": {variant: why}}."""
    folder = os.path.join(folder, "bench")
    every = [("Freehold", freehold(folder, library), library), ("Rust", rust(folder), None), ("C++", cxx(folder), None),
             ("GLib", glib(folder), None)]
    needs = {"Rust": "Debian package rustc", "C++": "Debian package g++", "GLib": "Debian package libglib2.0-dev"}
    missing = ["%s (%s)" % (name, needs[name]) for name, program, _ in every if program is None]
    every = [v for v in every if v[1] is not None]
    loops, checksums, failures = {loop: {} for loop in LOOPS}, {}, {}
    for _ in range(rounds):
        for name, program, preload in every:
            if name in failures:
                continue
            try:
                for loop, (ns, told) in run_once(program, preload, max(2, int(9 * scale))).items():
                    if checksums.setdefault(loop, told) != told:
                        raise RuntimeError("checksum of %s differs" % loop)
                    loops[loop][name] = min(ns, loops[loop].get(name, ns))
            except (RuntimeError, subprocess.TimeoutExpired) as problem:
                failures[name] = str(problem)
                say("  owners' table, %s FAILED: %s" % (name, problem))
    for loop in LOOPS:
        say("%-18s %s" % (loop, "  ".join("%s %.2f" % (n, loops[loop][n]) for n, _, _ in every if n in loops[loop])))
    return {"loops": loops, "order": [n for n, _, _ in every], "missing": missing, "failures": failures}


def markdown(owners):
    """The section of results.md."""
    order = owners["order"]
    lines = ["## The owners\n",
             "Box, Rc, Arc, Vec, Str and Map, and what stands for them in Rust (`rustc -O`), C++ (`g++ -O2`) and GLib: the same loops, "
             "nanoseconds per operation, the least of all repetitions. The last column is Rust's time by Freehold's. "
             "arc-threads is arc-clone in a process that has a second thread.\n",
             "| loop | " + " | ".join(order) + " | Rust / Freehold |", "|---|" + "---:|" * (len(order) + 1)]
    for loop, row in owners["loops"].items():
        if "Freehold" not in row:
            continue
        ratio = "%.2f" % (row["Rust"] / row["Freehold"]) if "Rust" in row else ""
        lines.append("| %s | %s | %s |" % (loop, " | ".join("%.2f" % row[n] if n in row else "" for n in order), ratio))
    lines += ["\n%s: not installed" % words for words in owners["missing"]]
    return "\n".join(lines) + "\n"
