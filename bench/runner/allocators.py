"""Which allocators are compared, where they are, and what version they have.

Freehold is the subject; the others are its peers. Each is preloaded; `libc` preloads the C library itself,
so that a program that links an allocator of its own (Debian's redis-server links jemalloc) runs on the C
library's all the same."""

import atexit
import glob
import os
import re
import shutil
import subprocess
import tempfile

SUBJECT = "freehold"

# name: (Debian package, file name patterns in the order of preference)
PACKAGED = {
    "libc": ("libc6", ["libc.so.6"]),
    "jemalloc": ("libjemalloc2", ["libjemalloc.so.2"]),
    "tcmalloc": ("libtcmalloc-minimal4", ["libtcmalloc_minimal.so.4"]),
    "mimalloc": ("libmimalloc2.0", ["libmimalloc.so.2.*", "libmimalloc.so.2", "libmimalloc.so.3"]),
}
FOLDERS = ["/lib/%s-linux-gnu", "/usr/lib/%s-linux-gnu", "/usr/local/lib", "/usr/lib64", "/usr/lib", "/lib64", "/lib"]


def preloadable(path):
    """LD_PRELOAD takes its value apart at blanks and colons. A file with one in its path goes by a link, as long as
    this process runs."""
    if not re.search("[ :]", path):
        return path
    folder = tempfile.mkdtemp(prefix="freehold-bench-", dir="/tmp" if re.search("[ :]", tempfile.gettempdir()) else None)
    atexit.register(shutil.rmtree, folder)
    link = os.path.join(folder, re.sub("[ :]", "-", os.path.basename(path)))
    os.symlink(path, link)
    return link


class Allocator:
    def __init__(self, name, path, version):
        self.name, self.path, self.version = name, preloadable(path), version


def find(patterns):
    machine = os.uname().machine
    for folder in FOLDERS:
        for pattern in patterns:
            found = sorted(glob.glob(os.path.join(folder % machine if "%" in folder else folder, pattern)))
            if found:
                return found[-1]
    return None


def package_version(package):
    try:
        asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    except OSError:
        return "unknown version"
    return asked.stdout.strip() if asked.returncode == 0 and asked.stdout else "not from a package"


def commit(root):
    asked = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return asked.stdout.strip() or "unknown commit"


def collect(build, root, extra, only):
    """([Allocator], [words about those that are missing]). `extra` is [(name, path)] from --lib; `only` a list
    of names or None. Freehold comes last, so that it never has the first turn of a round by default."""
    wanted, missing = [], []
    for name, (package, patterns) in PACKAGED.items():
        path = find(patterns)
        if path:
            wanted.append(Allocator(name, path, "%s %s" % (package, package_version(package))))
        else:
            missing.append("%s (Debian package %s)" % (name, package))
    own = os.path.join(os.path.abspath(build), "libfreehold.so")
    given = dict(extra)
    if SUBJECT not in given:
        if os.path.exists(own):
            wanted.append(Allocator(SUBJECT, own, commit(root)))
        else:
            missing.append("%s (%s; build it first)" % (SUBJECT, own))
    for name, path in extra:
        wanted = [a for a in wanted if a.name != name]
        wanted.append(Allocator(name, os.path.abspath(path), "given by --lib"))
    if only:
        unknown = [n for n in only if n not in [a.name for a in wanted]]
        if unknown:
            raise SystemExit("bench: not here: %s" % ", ".join(unknown))
        wanted, missing = [a for a in wanted if a.name in only], []
    return wanted, missing


def check(allocator):
    """Makes sure that the preload takes: ld.so only warns when it cannot load a library, and the row would
    then silently measure the C library."""
    try:
        seen = subprocess.run(["cat", "/proc/self/maps"], env={**os.environ, "LD_PRELOAD": allocator.path},
                              capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return "a program with it preloaded does not end"
    if seen.returncode != 0:
        return "cat ends with status %d when it is preloaded" % seen.returncode
    if "cannot be preloaded" in seen.stderr:
        return re.sub(r"\s+", " ", seen.stderr.strip())
    if os.path.realpath(allocator.path) not in seen.stdout:
        return "it is not mapped when preloaded"
    return None
