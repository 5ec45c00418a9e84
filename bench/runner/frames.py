"""The table of frames: nanoseconds for n bytes of working memory for the time of one call, by Freehold's frames, alloca,
obstack, APR pools and bumpalo. The programs take turns, and the least of all repetitions counts. (alloca is measured in
two of them; its lesser value counts.)"""

import glob
import os
import shutil
import subprocess

from . import build
from .allocators import SUBJECT

FOLDER = os.path.join(build.BENCH, "stack")
USES = ["bare", "written"]
ORDER = ["alloca", "alloca-probed", "freehold", "obstack", "apr", "bumpalo"]
CRATES = "/usr/share/cargo/registry"
FLAGS = build.STRICT


class Marker:
    """Stands for the table of frames among the rows, so that --rows and --list know it."""

    kind, name, about = "frames", "frames", "the table of frames: Freehold, alloca, obstack, APR pools, bumpalo"


def flags_of(package):
    """The compiler's flags for a package of pkg-config's, or None."""
    done = subprocess.run(["pkg-config", "--cflags", "--libs", package], capture_output=True, text=True) \
        if shutil.which("pkg-config") else None
    return done.stdout.split() if done and done.returncode == 0 else None


def peers(folder, missing):
    apr = flags_of("apr-1")
    if apr is None:
        missing.append("APR pools (Debian package libapr1-dev)")
    source, target = os.path.join(FOLDER, "frames.c"), os.path.join(folder, "frames-peers")
    more = ["-DWITH_APR", *apr] if apr else []
    return build.make(target, [source], [build.compiler(), *FLAGS, "-Wno-conversion", "-o", target, source, *more])


def probed(folder):
    source, target = os.path.join(FOLDER, "frames.c"), os.path.join(folder, "frames-probed")
    return build.make(target, [source], [build.compiler(), *FLAGS, "-DPROBED", "-fstack-clash-protection",
                                         "-o", target, source])


def ours(folder, library):
    source, target = os.path.join(FOLDER, "frames.c"), os.path.join(folder, "frames-freehold")
    header = os.path.join(build.ROOT, "include", "freehold", "frame.h")
    if os.path.exists(target):
        os.unlink(target)  # another library than last time may be meant
    return build.make(target, [source, header, library],
                      [build.compiler(), *FLAGS, "-DWITH_FREEHOLD", "-I", os.path.join(build.ROOT, "include"),
                       "-o", target, source, library])


def bumpalo(folder, missing):
    crate = sorted(glob.glob(os.path.join(CRATES, "bumpalo-*", "src", "lib.rs")))
    if not crate or not shutil.which("rustc"):
        missing.append("bumpalo (Debian packages rustc and librust-bumpalo-dev)")
        return None
    library, target = os.path.join(folder, "libbumpalo.rlib"), os.path.join(folder, "frames-bumpalo")
    source = os.path.join(FOLDER, "frames.rs")
    build.make(library, [crate[-1]], ["rustc", "-O", "--edition", "2021", "--crate-type", "rlib", "--crate-name", "bumpalo",
                                      "--cap-lints", "allow", "-o", library, crate[-1]])
    return build.make(target, [source, library], ["rustc", "-O", "--edition", "2021", "--extern", "bumpalo=" + library,
                                                  "-o", target, source])


def measure(folder, found, rounds, scale, say):
    """The data of the table: {"ns": {use: {size: {contestant: ns}}}, "missing": [...], "failures": {...}}."""
    folder, missing, failed = os.path.join(folder, "bench"), [], {}
    subject = next((a for a in found if a.name == SUBJECT), None)
    programs = [(peers(folder, missing), ""), (probed(folder), ""), (bumpalo(folder, missing), "")]
    if subject:
        programs.append((ours(folder, subject.path), subject.path))
    ns = {use: {} for use in USES}
    for _ in range(rounds):
        for program, preload in programs:
            if not program or program in failed:
                continue
            done = subprocess.run([program, str(max(2, int(8 * scale)))], env={**os.environ, "LD_PRELOAD": preload},
                                  capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                failed[program] = "status %d %s" % (done.returncode, done.stderr[-120:])
                say("  table of frames, %s FAILED: %s" % (os.path.basename(program), failed[program]))
                continue
            for line in done.stdout.splitlines():
                name, use, size, cost = line.split()
                cells = ns[use].setdefault(size, {})
                cells[name] = min(float(cost), cells.get(name, float(cost)))
    for use in USES:
        for size, cells in ns[use].items():
            say("frames %-8s %9s  %s" % (use, size, "  ".join("%s %.2f" % (n, cells[n]) for n in ORDER if n in cells)))
    return {"ns": ns, "missing": missing, "failures": {os.path.basename(p): text for p, text in failed.items()}}


def size_text(size):
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if size >> shift:
            return "%d %s" % (size >> shift, unit)
    return "%d B" % size


def targets(data):
    """What a frame is held to, as report.targets has it: the worst size of each use. When all bytes are written, up to what
    the second cache holds: of larger sizes the writing is all that is to be seen."""
    out = []
    for use, most, words in (("bare", 64 << 20, "a frame, one byte written / alloca, the worst size"),
                             ("written", 64 << 10, "a frame, all bytes written / alloca, the worst size up to 64 KiB")):
        ratios = [cells["freehold"] / cells["alloca"] for size, cells in data["ns"][use].items()
                  if int(size) <= most and "freehold" in cells and "alloca" in cells]
        if ratios:
            out.append((words, max(ratios), 1.20))
    return out


def markdown(data):
    """The table, as text."""
    names = [n for n in ORDER if any(n in cells for use in USES for cells in data["ns"][use].values())]
    out = ["| use | size | " + " | ".join(names) + " | freehold / alloca |", "|---|---:|" + "---:|" * (len(names) + 1)]
    for use in USES:
        for size, cells in sorted(data["ns"][use].items(), key=lambda item: int(item[0])):
            both = "freehold" in cells and "alloca" in cells
            ratio = "%.2f" % (cells["freehold"] / cells["alloca"]) if both else "-"
            out.append("| %s | %s | %s | %s |" % (use, size_text(int(size)), " | ".join(
                "%.2f" % cells[n] if n in cells else "-" for n in names), ratio))
    return "\n".join(out) + "\n" + "".join("\n%s: not installed\n" % m for m in data["missing"])
