"""processes.py - what becomes of the processes around the one that was preloaded."""
import os
import shutil

from harness import PATH, Problem, program


@program({"gcc": "gcc", "/usr/lib*/*/libc.a": "libc6-dev", "env": "coreutils"})
def children(run):
    """fork, vfork, posix_spawn, exec, a shell, an emptied environment, a static program between two dynamic ones"""
    source = run.work("children.c")
    run.run(["gcc", "-O1", "-pthread", source, "-o", "dynamic"])
    run.run(["gcc", "-O1", "-pthread", "-static", source, "-o", "static"], errors=False)
    for start in ("fork", "vfork", "spawn", "exec", "system", "popen"):
        run.run(["./dynamic", start, "./dynamic", "say", start], status=7)
        run.run(["./dynamic", start, "./static", start, "./dynamic", "say", "through a static one by " + start], status=7)
    run.run(["env", "-i", "./dynamic", "say", "without environment"], status=7)
    run.run(["sh", "-c", "./dynamic say one | cat - /dev/null | tr a-z A-Z; (exec ./static say two); ./dynamic signal; echo $?"])
    run.run(["./dynamic", "storm"])
    run.run(["./dynamic", "threads"])
    run.run(["./dynamic", "quick"], status=5)
    run.run(["./dynamic", "signal"], status=-11)


@program({"gcc": "gcc"})
def plugins(run):
    """Plug-ins, also with symbols of their own first (RTLD_DEEPBIND, as PHP loads its own), found by their caller's RUNPATH"""
    source = run.work("plugins.c")
    for folder in ("outer", "inner"):
        os.mkdir(run.path(folder))
    run.run(["gcc", "-shared", "-fPIC", "-DPART=1", source, "-o", "inner/inner.so"])
    run.run(["gcc", "-shared", "-fPIC", "-DPART=2", source, "-o", "outer/outer.so", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../inner"])
    run.run(["gcc", source, "-o", "plugins", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/outer"])
    run.run(["./plugins"])


@program({"passwd": "passwd", "setpriv": "util-linux"})
def setuid(run):
    """A set-user-id program starts as ever: the loader leaves the preload out, for it and for nobody else"""
    if os.geteuid() == 0:
        os.chmod(run.folder, 0o777)
        os.chmod(run.dir, 0o777)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    else:
        become = []
    # passwd, run by somebody else than its owner, is not preloaded: it does not show among the witnessed processes.
    passwd = shutil.which("passwd", path=PATH)
    if not os.stat(passwd).st_mode & 0o4000:
        raise Problem(passwd + " is not set-user-id here")
    run.run(become + ["sh", "-c", "passwd --help; echo $?; id -u"], clean=lambda text: text)
