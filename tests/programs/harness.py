"""harness.py - runs a program twice, without and with the library, and compares what can be seen of it.

    reference run     LD_PRELOAD=witness.so                  in a fresh folder
    run under test    LD_PRELOAD=witness.so:libfreehold.so   in another fresh folder at the same path

A program is a function that is given a Run and drives it: `run(argv)` executes a command and notes its output and
exit status; `file`, `tree` and `note` note what it produced. All notes of both runs must be equal, word for word.
Besides:

  - each process that started says whose malloc it has (witness.c). In the run under test each must have the
    library's, and at least one must have started: a test cannot pass because nothing was loaded;
  - both runs must have started the same programs equally often, unless the program is known to vary;
  - a line that begins with "freehold:" anywhere in the output is the library complaining, and fails the test.
"""
import collections
import difflib
import glob
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(HERE, "work")
PATIENCE = 5  # a busy machine is that much slower than the limits below allow for
COMPLAINT = re.compile(rb"(?m)^freehold: .*$")


class Problem(Exception):
    """Why a test fails, in words for the reader of the test's output."""


class Run:
    """One run of a program in a fresh folder."""

    def __init__(self, folder, witness, library=None, settings="", deadline=None):
        self.folder = folder
        self.library = library
        self.deadline = deadline
        self.notes = []
        self.complaints = []
        self.spawned = []
        self.log = os.path.join(folder, "witness.log")
        self.dir = os.path.join(folder, "dir")
        self.home = os.path.join(folder, "home")
        for path in (self.dir, self.home, os.path.join(folder, "tmp")):
            os.makedirs(path)
        open(self.log, "w").close()
        os.chmod(self.log, 0o666)  # a process may become somebody else
        self.env = {
            "PATH": PATH, "HOME": self.home, "TMPDIR": os.path.join(folder, "tmp"),
            "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "USER": "tester", "LOGNAME": "tester",
            "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0", "SOURCE_DATE_EPOCH": "1000000000",
            "WITNESS_FILE": self.log,
            "LD_PRELOAD": ":".join(p for p in (witness, library) if p),
        }
        if library and settings:
            self.env["FREEHOLD"] = settings

    # ---- doing

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, content):
        """Makes a file for the program to work on; not noted."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        return path

    def work(self, name):
        """The path of a script that comes with the tests, copied into the run's folder."""
        return shutil.copy(os.path.join(WORK, name), self.dir)

    def left(self):
        return max(1.0, self.deadline - time.monotonic())

    def run(self, argv, status=0, input=b"", env=None, clean=None, note=True, errors=True, cwd=None, executable=None):
        """Runs a command to its end. Notes its exit status and output, after `clean` has taken out of the output
        what varies by nature. `status` is what is expected (None: anything); `errors=False` leaves stderr
        out of the comparison. Returns stdout."""
        label = " ".join(argv if len(argv) < 12 else argv[:12] + ["..."])
        kwargs = {"stdin": subprocess.PIPE} if not hasattr(input, "read") else {"stdin": input}
        process = subprocess.Popen(argv, cwd=cwd or self.dir, env={**self.env, **(env or {})}, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True, executable=executable, **kwargs)
        data = None if hasattr(input, "read") else input.encode() if isinstance(input, str) else input
        try:
            out, err = process.communicate(data, timeout=self.left())
        except subprocess.TimeoutExpired:
            end_session(process.pid)
            out, err = process.communicate()
            raise Problem("%s: time is up\n%s" % (label, tail(out + err)))
        self.look_for_complaints(out + b"\n" + err)
        if status is not None and process.returncode != status:
            raise Problem("%s: ended with %s, expected %s\n%s" % (
                label, ending(process.returncode), ending(status), tail(out) + tail(err)))
        if note:
            self.note(label + ": ends with", ending(process.returncode))
            self.note(label + ": prints", clean(out) if clean else out)
            if errors:
                self.note(label + ": says on stderr", clean(err) if clean else err)
        return out

    def spawn(self, argv, env=None, **kwargs):
        """Starts a server, to be ended by stop() or, at the latest, when the run is over."""
        stderr = open(os.path.join(self.folder, "stderr.%d" % len(os.listdir(self.folder))), "wb+")
        process = subprocess.Popen(argv, cwd=self.dir, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                                   stdout=stderr, stderr=stderr, start_new_session=True, **kwargs)
        process.stderr_file = stderr
        self.spawned.append(process)
        return process

    def stop(self, process, number=signal.SIGTERM, note=True):
        """Ends a server by a signal and notes how it ended."""
        process.send_signal(number)
        try:
            process.wait(timeout=min(20 * PATIENCE, self.left()))
        except subprocess.TimeoutExpired:
            raise Problem("%s does not end on signal %d" % (process.args[0], number))
        if note:
            self.note("%s: ends with" % process.args[0], ending(process.returncode))
        return process.returncode

    def wait_for(self, what, test):
        """Waits until test() is true."""
        end = time.monotonic() + min(20 * PATIENCE, self.left())
        while not test():
            if time.monotonic() > end:
                raise Problem("waited in vain for " + what)
            time.sleep(0.02)

    # ---- noting

    def note(self, label, content):
        if isinstance(content, bytes):
            content = content.decode("utf-8", "backslashreplace")
        self.notes.append((label, str(content)))

    def file(self, name, clean=None):
        """Notes a produced file: its text, or the digest of what is not text."""
        with open(self.path(name), "rb") as f:
            data = f.read()
        self.note("file " + name, describe(clean(data) if clean else data))

    def tree(self, name=".", leave_out=None):
        """Notes all files below a folder by name, mode and digest."""
        top = self.path(name)
        lines = []
        for folder, folders, files in os.walk(top):
            folders.sort()
            for file in sorted(files):
                path = os.path.join(folder, file)
                short = os.path.relpath(path, top)
                if leave_out and re.search(leave_out, short):
                    continue
                if os.path.islink(path):
                    lines.append("%s -> %s" % (short, os.readlink(path)))
                elif os.path.isfile(path):
                    with open(path, "rb") as f:
                        digest = hashlib.sha256(f.read()).hexdigest()[:16]
                    lines.append("%s %o %s" % (short, os.stat(path).st_mode & 0o777, digest))
        self.note("files in " + name, "\n".join(lines))

    def look_for_complaints(self, output):
        self.complaints += [m.decode("utf-8", "replace") for m in COMPLAINT.findall(output)]

    # ---- after it

    def finish(self):
        """Ends what is still running, and reads what it said. May be called twice."""
        while self.spawned:
            process = self.spawned.pop()
            if process.poll() is None:
                end_session(process.pid)
                process.wait()
            process.stderr_file.seek(0)
            self.look_for_complaints(process.stderr_file.read())
            process.stderr_file.close()

    def witnessed(self):
        """What the witnesses wrote: [(file that malloc is from, program)], [false equations]."""
        processes, books = [], []
        if os.path.exists(self.log):
            with open(self.log, errors="replace") as log:
                for line in log:
                    kind, what, program = (line.rstrip("\n").split("\t") + ["", ""])[:3]
                    if kind.startswith("start"):
                        processes.append((what, program))
                    else:
                        books.append("%s (%s, %s)" % (what, program, kind))
        return processes, books


def end_session(pid):
    """Ends a command that was started with start_new_session, and its children."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def ending(status):
    if status is None:
        return "any status"
    return "status %d" % status if status >= 0 else "signal " + signal.Signals(-status).name


def tail(output, lines=30):
    text = output.decode("utf-8", "backslashreplace") if isinstance(output, bytes) else output
    return "\n".join(text.splitlines()[-lines:]) + "\n"


def describe(data):
    try:
        text = data.decode("utf-8")
        if "\0" not in text and len(text) < 200000:
            return text
    except UnicodeDecodeError:
        pass
    return "%d bytes, sha256 %s" % (len(data), hashlib.sha256(data).hexdigest())


# ---------------------------------------------------------------- programs

class Program:
    def __init__(self, function, packages, settings, limit, same_processes, foreign):
        self.name = function.__name__.rstrip("_")
        self.function = function
        self.packages = packages
        self.settings = settings
        self.limit = limit
        self.same_processes = same_processes
        self.foreign = foreign

    def missing(self):
        return ["%s (Debian package %s)" % (what, package) for what, package in self.packages.items()
                if not (glob.glob(what) if what.startswith("/") else shutil.which(what, path=PATH))]


PROGRAMS = collections.OrderedDict()


def program(packages, counted=True, limit=60, same_processes=True, foreign=None):
    """Makes a function a test.

    packages        {command or pattern of files: Debian package it comes from}
    counted         also run with FREEHOLD=count=on, where each call is counted
    limit           seconds for each run on a quiet machine
    same_processes  both runs start the same programs equally often
    foreign         pattern of programs that rightly run on another malloc (their own, linked in or asked for)
    """
    def decorate(function):
        p = Program(function, packages, [""] + (["count=on"] if counted else []), limit, same_processes, foreign)
        PROGRAMS[p.name] = p
        return function
    return decorate


def one_run(p, base, witness, library, settings):
    folder = os.path.join(base, "run")
    began = clocks()
    run = Run(folder, witness, library, settings, time.monotonic() + p.limit * PATIENCE)
    try:
        p.function(run)
    except Problem as problem:
        run.finish()
        text = "".join("the library says: %s\n" % c for c in run.complaints[:20])
        raise Problem("%s: %s%s" % (run_name(library, settings), problem, "\n" + text if text else ""))
    finally:
        run.finish()
    run.spent = tuple(after - before for before, after in zip(began, clocks()))
    run.processes, run.books = run.witnessed()
    shutil.rmtree(folder, ignore_errors=True)
    return run


def clocks():
    """Time that has passed, and time that all ended children have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), children.ru_utime + children.ru_stime


def run_name(library, settings):
    if not library:
        return "without the library"
    return "with the library" + (", FREEHOLD=" + settings if settings else "")


def compare(p, reference, run, library):
    """The differences between two runs, as a list of texts; empty when there are none."""
    found = ["the library says: " + c for c in run.complaints[:20]] + ["the books are wrong: " + b for b in run.books[:20]]
    strangers = sorted({"%s has malloc from %s" % (program, malloc) for malloc, program in run.processes
                        if os.path.realpath(malloc) != os.path.realpath(library)
                        and not (p.foreign and re.search(p.foreign, program))})
    found += ["not preloaded: " + s for s in strangers]
    if not run.processes:
        found.append("no process has loaded anything")
    if p.same_processes:
        before, after = (collections.Counter(program for _, program in r.processes) for r in (reference, run))
        for name in sorted(before | after):
            if before[name] != after[name]:
                found.append("%s was started %d times, %d times without the library" % (name, after[name], before[name]))
    for (label, one), (label2, two) in zip(reference.notes, run.notes):
        if label != label2:
            found.append("the runs took different ways: %s, and %s" % (label, label2))
            break
        if one != two:
            lines = list(difflib.unified_diff(one.splitlines(), two.splitlines(), "without the library", "with it", "", "", 2, ""))
            found.append("%s differs:\n%s" % (label, tail("\n".join(lines[:60]), 60)))
    if len(reference.notes) != len(run.notes):
        found.append("%d notes without the library, %d with it" % (len(reference.notes), len(run.notes)))
    return found


def test(name, library, witness, only_settings=None):
    """Runs one program without the library and with it, in each setting. True when all is equal, None when it is not installed."""
    p = PROGRAMS[name]
    missing = p.missing()
    if missing:
        print("skipped: %s cannot be run, missing: %s" % (name, ", ".join(missing)))
        return None
    temporary = tempfile.gettempdir()
    base = tempfile.mkdtemp(prefix="freehold-%s." % name, dir="/tmp" if re.search("[ :]", temporary) else temporary)
    os.chmod(base, 0o755)
    good = True
    try:
        # Copies, so that nobody rebuilds them meanwhile and processes of other users can read them.
        library, witness = (shutil.copy(path, os.path.join(base, os.path.basename(path))) for path in (library, witness))
        reference = one_run(p, base, witness, None, "")
        spent = [reference.spent]
        for settings in p.settings if only_settings is None else only_settings:
            found = []
            try:
                run = one_run(p, base, witness, library, settings)
                found = compare(p, reference, run, library)
                spent.append(run.spent)
            except Problem as problem:
                found = [str(problem)]
            shutil.rmtree(os.path.join(base, "run"), ignore_errors=True)
            for text in found:
                print("%s, %s: %s" % (name, run_name(library, settings), text))
            good = good and not found
        print("%-14s %s  %d notes, %d processes, %s" % (name, "equal" if good else "DIFFERENT", len(reference.notes),
              len(reference.processes), " + ".join("%.1f s (CPU %.1f s)" % s for s in spent)), flush=True)
    except Problem as problem:
        print("%s: %s" % (name, problem))
        good = False
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return good
