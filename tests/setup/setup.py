#!/usr/bin/env python3
"""setup does nothing where all is there, installs what is lacking, and explains itself where it cannot.

It runs here in a small world of its own: a PATH with a few real tools, and with stand-ins for id, sudo and apt-get that
keep a diary. What is lacking is always cmake (and, as a thing one can do without, clang-tidy): the stand-in for apt-get
"installs" a package by putting a command of its name there.
"""
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SETUP = Path(os.environ["FREEHOLD_SOURCE"], "setup")
REAL = ("sh", "sed", "printf", "cat", "tr", "mktemp", "rm", "tail", "dirname", "env", "echo", "touch", "chmod")
APT = """#!/bin/sh
echo "apt-get $*" >> "{diary}"
case $1 in
    update) touch "{world}/lists" ;;
    install)
        {fails}
        for word in "$@"; do
            case $word in
                install) ;;
                [a-z]*) printf '#!/bin/sh\\n{says}\\n' > "{bin}/$word"; chmod +x "{bin}/$word" ;;
            esac
        done ;;
esac
"""
failures = []


class World:
    def __init__(self, folder, root=True, sudo="no", apt=True, fails="", version="3.25.1"):
        self.bin, self.diary = Path(folder, "bin"), Path(folder, "diary")
        self.version = version
        self.bin.mkdir()
        self.diary.touch()
        for name in REAL:
            (self.bin / name).symlink_to(shutil.which(name))
        for name in ("cc", "gcc", "make", "python3", "python3-minimal", "pkg-config"):
            self.command(name, "#!/bin/sh\n")
        self.command("id", f"#!/bin/sh\n[ $1 = -u ] && echo {0 if root else 1000} || echo ada\n")
        if sudo != "no":
            passes = 'shift; echo "sudo $*" >> "%s"; exec "$@"' % self.diary if sudo == "free" else "exit 1"
            self.command("sudo", f"#!/bin/sh\n{passes}\n")
            self.command("true", "#!/bin/sh\n")
        if apt:
            self.command("apt-get", APT.format(diary=self.diary, world=folder, bin=self.bin, fails=fails,
                                               says=f"echo cmake version {version}"))

    def command(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def lend(self, name):
        self.command(name, f"#!/bin/sh\necho cmake version {self.version}\n")

    def setup(self, *arguments):
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run([shutil.which("sh"), str(SETUP), *arguments], text=True, capture_output=True,
                                env={"PATH": str(self.bin), "TMPDIR": str(self.bin.parent)})
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime  # of the processor
        return result.returncode, result.stdout + result.stderr, self.diary.read_text()


def world(**options):
    return World(tempfile.mkdtemp(dir=top.name), **options)


def expect(good, what, *seen):
    if not good:
        failures.append(what)
        print(f"not so: {what}", *seen, sep="\n")


def all_there():
    w = world()
    w.lend("cmake")
    status, text, diary = w.setup("run")
    expect((status, text, diary) == (0, "", ""), "where all is there it is silent and touches nothing", text, diary)
    expect(min(w.seconds, (w.setup("run"), w.seconds)[1]) < 0.3, "and quick", w.seconds)


def installs():
    status, text, diary = world().setup("run")
    expect(status == 0, "root: what is lacking is installed", text)
    expect("cmake" in text and "describes the build" in text, "it says what and why", text)
    expect("install -y" in diary and "cmake" in diary, "by apt-get", diary)
    expect("update" not in diary, "package lists that do are not fetched again", diary)
    expect("python3" not in diary, "what is there is not installed again", diary)

    status, text, diary = world(root=False, sudo="free").setup("run")
    expect(status == 0 and "sudo" in diary and "noninteractive" in diary, "sudo without password does too", text, diary)


def lists_are_old():
    status, text, diary = world(fails='[ -e "{0}" ] || exit 100'.format('$(dirname "$0")/../lists')).setup("run")
    order = [line.split()[1] for line in diary.splitlines()]
    expect(status == 0 and order == ["install", "update", "install"], "old package lists are fetched anew", text, order)


def one_package_is_not_to_be_had():
    w = world(fails='case "$*" in *clang-tidy*) exit 100 ;; esac')
    w.lend("g++")
    status, text, diary = w.setup("test")
    expect(status == 0, "one that is not to be had does not keep the others out", text)
    expect("could not install clang-tidy" in text and (w.bin / "cmake").exists(), "and is named", text, diary)
    status, text, _ = world(fails="exit 100").setup("run")
    expect(status == 1 and "could not install: cmake" in text, "without one that is needed it fails", text)


def cannot():
    for sudo in ("no", "asks"):
        status, text, diary = world(root=False, sudo=sudo).setup("run")
        expect(status == 1 and "install" not in diary, "without root and sudo nothing is done", text, diary)
        expect("sudo apt-get update && sudo apt-get install -y --no-install-recommends cmake\n" in text,
               "the command for an administrator is given whole", text)
    w = world(root=False)
    w.lend("cmake")
    status, text, _ = w.setup("test")
    expect(status == 0 and "clang-tidy" in text, "what one can do without is only said", text)
    status, text, _ = world(apt=False).setup("run")
    expect(status == 1 and "cmake" in text and "no apt-get" in text, "other systems get the names", text)


def asked_wrongly():
    expect(world().setup("nonsense")[0] == 2, "an unknown group is refused")
    w = world()
    status, text, diary = w.setup("--check", "build")
    expect(status == 1 and diary == "" and "cmake" in text, "--check only says", text, diary)
    old = world(version="3.18.4")
    old.lend("cmake")
    status, text, _ = old.setup("run")
    expect(status == 1 and "3.25" in text, "an old cmake is told apart", text)


if not Path("/usr/include/cmocka.h").exists() or not list(Path("/usr/lib").glob("python3*/json/__init__.py")):
    print("skipped: made for a machine on which setup has been")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    top = type("Top", (), {"name": folder})
    for case in (all_there, installs, lists_are_old, one_package_is_not_to_be_had, cannot, asked_wrongly):
        case()
sys.exit(1 if failures else 0)
