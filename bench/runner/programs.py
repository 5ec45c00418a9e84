"""Rows that are real programs from Debian's packages, on inputs generated on the spot.

A program's checksum is the hash of what it printed, so a wrong byte anywhere shows. A row whose program is not
installed is left out, and the terminal says so. redis and git need more than a command: they have classes of
their own at the end."""

import hashlib
import os
import random
import shutil
import socket
import subprocess
import time

from . import inputs
from .build import BENCH, outdated
from .measure import Failure


def script(name):
    return os.path.join(BENCH, "programs", name)


class ProgramRow:
    """A program that reads an input (made once, by `generate`, or none), and prints a deterministic text."""

    kind = "program"

    def __init__(self, folder, scale, name, about, package, programs, argv, generate=None, env=None):
        self.name, self.about, self.package = name, about, package
        self.programs, self.arguments, self.generate, self.env = programs, argv, generate, env
        self.scale = scale
        self.input = os.path.join(folder, "input", "%s-%g" % (name, scale))
        self.program = None

    def prepare(self):
        """None, or why this row cannot be measured. Makes the input when it is not there or out of date."""
        self.program = next((p for p in map(shutil.which, self.programs) if p), None)
        if not self.program:
            return "%s is not installed (Debian package %s)" % (self.programs[0], self.package)
        if self.generate and outdated(self.input, [inputs.__file__]):
            os.makedirs(os.path.dirname(self.input), exist_ok=True)
            with open(self.input + ".new", "w") as f:
                self.generate(f, random.Random(7), self.scale)
            os.replace(self.input + ".new", self.input)
        return None

    def argv(self):
        return [self.program] + [a.format(input=self.input, scale=self.scale) for a in self.arguments]

    def run(self, launcher, allocator):
        sample = launcher.run(allocator, self.argv(), env=self.env)
        if os.path.getsize(launcher.out) == 0:
            raise Failure("printed nothing")
        return sample, launcher.output_hash()


class GitRow(ProgramRow):
    """git repack of a repository with some thousand loose versions: delta search on two threads."""

    def __init__(self, folder, scale):
        super().__init__(folder, scale, "git", "git repack -adf of a generated repository", "git", ["git"], [])
        self.copy = os.path.join(folder, "run", "repository")
        self.env = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": folder}

    def git(self, repository, *words, stdin=None):
        done = subprocess.run([self.program, "-C", repository, *words], env={**os.environ, **self.env}, stdin=stdin,
                              capture_output=True, timeout=120)
        if done.returncode != 0:
            raise Failure("git %s: %s" % (words[0], done.stderr.decode(errors="replace")[-120:]))
        return done.stdout

    def prepare(self):
        self.program = shutil.which("git")
        if not self.program:
            return "git is not installed (Debian package git)"
        if not outdated(os.path.join(self.input, "made"), [inputs.__file__]):
            return None
        shutil.rmtree(self.input, ignore_errors=True)
        os.makedirs(self.input)
        self.git(self.input, "init", "-q", "--bare", ".")
        stream = self.input + ".stream"
        with open(stream, "w") as f:
            inputs.repository(f, random.Random(7), self.scale)
        with open(stream, "rb") as f:
            self.git(self.input, "fast-import", "--quiet", stdin=f)
        os.unlink(stream)
        with open(os.path.join(self.input, "made"), "w"):
            return None

    def run(self, launcher, allocator):
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.input, self.copy)
        sample = launcher.run(allocator, [self.program, "-C", self.copy, "-c", "pack.threads=2", "repack", "-adfq",
                                          "--window=30"], env=self.env)
        self.git(self.copy, "fsck", "--full")
        listed = self.git(self.copy, "cat-file", "--batch-check", "--batch-all-objects")
        return sample, hashlib.sha256(listed).hexdigest()[:16]


class RedisRow(ProgramRow):
    """redis-server fed through a socket: strings, lists and hashes set, read, changed and deleted. Only the server
    is measured, from its start to its end; the client is this script. Many commands travel at once, so that the
    server works rather than waits. (redis-benchmark is not used because its keys are not the same in each run.)"""

    def __init__(self, folder, scale):
        super().__init__(folder, scale, "redis", "redis-server: strings, lists, hashes set, changed, deleted",
                         "redis-tools", ["redis-server"], [], inputs.redis_commands)
        self.socket = os.path.abspath(os.path.join(folder, "run", "redis.socket"))  # the server changes its folder

    def prepare(self):
        """Debian's redis-server is a link to redis-check-rdb, which looks at the name by which it is called. The
        package redis-tools has the file, and unlike redis-server starts no service when it is installed."""
        real, link = shutil.which("redis-check-rdb"), os.path.join(os.path.dirname(self.socket), "redis-server")
        if not shutil.which("redis-server") and real:
            os.makedirs(os.path.dirname(link), exist_ok=True)
            if not os.path.lexists(link):
                os.symlink(real, link)
            self.programs = [os.path.abspath(link)]
        return super().prepare()

    def connect(self, process):
        for _ in range(500):
            client = socket.socket(socket.AF_UNIX)
            try:
                client.connect(self.socket)
                client.settimeout(60)
                return client
            except OSError:
                client.close()
            if process.poll() is not None:
                break
            time.sleep(0.01)
        raise Failure("the server did not start")

    def talk(self, client):
        """Sends the commands in pieces that end at a command, reads as many replies; the hash of all replies."""
        told = hashlib.sha256()
        with open(self.input) as f:
            pieces = f.read().split("\f")
        for piece in pieces:
            client.sendall(piece.encode() + b"ECHO end-of-piece\r\n")
            reply = b""
            while not reply.endswith(b"$12\r\nend-of-piece\r\n"):
                got = client.recv(1 << 20)
                if not got:
                    raise Failure("the server hung up")
                reply += got
            told.update(reply)
        return told.hexdigest()[:16]

    def run(self, launcher, allocator):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        process = launcher.start(allocator, [self.program, "--port", "0", "--unixsocket", self.socket, "--save", "",
                                             "--appendonly", "no", "--dir", os.path.dirname(self.socket)])
        try:
            with self.connect(process) as client:
                checksum = self.talk(client)
                client.sendall(b"SHUTDOWN NOSAVE\r\n")
        except (Failure, OSError) as failure:
            time.sleep(0.2)
            process.kill()  # and with it, by its death signal, the server
            process.wait()
            raise Failure("%s%s" % (failure, launcher.last_words())) from None
        return launcher.finish(process), checksum


def rows(folder, scale):
    def row(*words, **more):
        return ProgramRow(folder, scale, *words, **more)

    return [
        row("python", "python3: JSON, dicts and objects, every object from malloc", "python3",
            ["/usr/bin/python3", "python3"], ["-s", script("objects.py"), "{scale}"],
            env={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}),
        row("perl", "perl: hashes, strings, sort, regular expressions", "perl", ["perl"],
            [script("text.pl"), "{scale}"]),
        row("lua", "lua: tables, closures, string building", "lua5.4", ["lua5.4", "lua5.3", "lua"],
            [script("tables.lua"), "{scale}"]),
        row("node", "node: buffers, zlib, JSON beside V8's own heap", "nodejs", ["node", "nodejs"],
            [script("buffers.js"), "{scale}"]),
        row("sqlite", "sqlite3: tables, indices and joins in memory", "sqlite3", ["sqlite3"],
            ["-init", "/dev/null", ":memory:", ".read {input}"], inputs.sql),
        row("gcc", "gcc -O1 of a generated C file", "gcc", ["gcc"],
            ["-O1", "-w", "-x", "c", "-S", "-o", "-", "{input}"], inputs.c_source),
        row("g++", "g++ -O0 of a generated C++ file with templates", "g++", ["g++"],
            ["-O0", "-w", "-std=c++17", "-x", "c++", "-S", "-o", "-", "{input}"], inputs.cxx_source),
        row("xz", "xz -T2 of a generated text", "xz-utils", ["xz"], ["-T2", "-2", "-c", "{input}"], inputs.text),
        GitRow(folder, scale),
        RedisRow(folder, scale),
    ]
