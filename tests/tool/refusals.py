"""A program that cannot be run gets a message that says what is the matter and what to do, before anything ran, and the
exit status that a shell would give."""
import os
import shutil
import struct
import subprocess
import tempfile

from common import BUILD, CC, COMMAND, LIBRARY, SUBJECT, Run, Test, environment, main


class Refusals(Test):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, contents, mode=0o755):
        with open(self.path(name), "wb") as file:
            file.write(contents)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def compile(self, name, *options, compiler=CC):
        source = self.file("source.c", b"#include <stdlib.h>\nint main(void) { return malloc(3) == 0; }\n")
        done = subprocess.run([compiler, "-O0", "-fno-builtin", "-o", self.path(name), source, *options], check=False,
                              capture_output=True)
        return self.path(name) if done.returncode == 0 else None

    def refused(self, status, *messages, words, **more):
        run = Run(*words, **more)
        self.assertEqual(run.status, status, run)
        self.assertTrue(run.err.startswith("freehold: "), run)
        for message in messages:
            self.assertIn(message, run.err)
        self.assertIsNone(run.report, run)

    def test_missing(self):
        self.refused(127, "nosuch: not found in PATH", words=["nosuch"])
        self.refused(127, "there is no such file", words=[self.path("nosuch")])
        self.refused(127, "there is no such file", words=["/etc/passwd/nosuch"])
        self.refused(127, "empty", words=[""])
        self.refused(127, "too long", words=["x/" * 5000])

    def test_one_in_this_folder_is_pointed_out(self):
        self.file("prog", b"#!/bin/sh\n")
        self.refused(127, "./prog", words=["prog"], cwd=self.folder)

    def test_directory(self):
        self.refused(126, "is a directory", words=[self.folder])

    def test_device(self):
        self.refused(126, "not a regular file", words=["/dev/null"])

    def test_not_executable(self):
        name = self.file("prog", b"#!/bin/sh\n", 0o644)
        self.refused(126, "may not be executed", "chmod +x " + name, words=[name])
        self.refused(126, "may not be executed", words=["prog"], env=environment(PATH=self.folder))

    def test_path_is_searched_as_shells_do(self):
        """The first executable one is taken, also when one that is not comes before it."""
        os.mkdir(self.path("a"))
        os.mkdir(self.path("b"))
        self.file("a/prog", b"#!/bin/sh\n", 0o644)
        self.file("b/prog", b"#!/bin/sh\necho b\n")
        run = Run("prog", env=environment(PATH="%s:%s:%s" % (self.path("a"), self.path("b"), os.environ["PATH"])))
        self.assertEqual(run.out, b"b\n", run)
        run = Run("prog", env=environment(PATH=":" + os.environ["PATH"]), cwd=self.path("b"))
        self.assertEqual(run.out, b"b\n", run)

    def test_text_without_interpreter(self):
        name = self.file("prog", b"echo hi\n")
        self.refused(126, "neither an ELF program nor a script", "freehold run sh " + name, words=[name])
        self.refused(126, "empty", words=[self.file("empty", b"")])

    def test_scripts(self):
        self.refused(126, "/no/such", "no such file", words=[self.file("a", b"#!/no/such\n")])
        self.refused(126, "Windows line ends", words=[self.file("b", b"#!/bin/sh\r\necho\r\n")])
        self.refused(126, "interpreter", "is a directory", words=[self.file("c", b"#! /tmp \n")])
        run = Run(self.file("d", b"#! /bin/sh\nexit 5\n"))
        self.assertEqual(run.status, 5, run)

    def test_static(self):
        static = self.compile("static", "-static")
        self.assertIsNotNone(static)
        advice = "statically linked"
        self.refused(126, advice, "libfreehold.a", words=[static])
        self.refused(126, "interpreter", advice, words=[self.file("script", b"#!" + static.encode() + b"\n")])
        self.refused(126, "interpreter", advice, words=[self.file("env", b"#!/usr/bin/env static\n")],
                     env=environment(PATH=self.folder + ":" + os.environ["PATH"]))
        self.refused(126, advice, words=[self.compile("pie", "-static-pie")])

    def test_static_with_the_library_in_it(self):
        program = self.compile("own", "-static", BUILD + "/libfreehold.a", "-lpthread")
        self.assertIsNotNone(program)
        run = Run(program)
        self.assertEqual(run.status, 0, run)
        self.assertGreaterEqual(run.program["allocations"], 1)
        self.assert_sound(run)

    def test_setuid(self):
        name = self.path("setuid")
        shutil.copy(SUBJECT, name)
        if os.geteuid() == 0:
            os.chown(name, 65534, -1)
            os.chmod(name, 0o4755)
            self.refused(126, "set-user-ID", words=[name, "exits", "0"])
            os.chown(name, 0, 65534)
            os.chmod(name, 0o2755)
            self.refused(126, "set-group-ID", words=[name, "exits", "0"])
            os.chown(name, 0, 0)
            os.chmod(name, 0o6755)
            self.assertEqual(Run(name, "exits", "3").status, 3)  # no rights are gained
        else:
            self.skipTest("only root can make a file of another user's")

    def test_capabilities(self):
        if os.geteuid() != 0 or not shutil.which("setcap"):
            self.skipTest("needs root and setcap")
        name = self.path("capable")
        shutil.copy(SUBJECT, name)
        subprocess.run(["setcap", "cap_net_raw+ep", name], check=True)
        self.assertEqual(Run(name, "exits", "3").status, 3)  # root gains nothing
        try:
            done = subprocess.run([COMMAND, "run", name, "exits", "0"], user=65534, capture_output=True, check=False,
                                  env=environment(HOME="/"))
        except PermissionError:
            self.skipTest("another user cannot reach this build")
        if b"Permission denied" in done.stderr:
            self.skipTest("another user cannot reach this build")
        self.assertEqual(done.returncode, 126, done)
        self.assertIn(b"file capabilities", done.stderr)

    def test_sanitizer(self):
        program = self.compile("asan", "-fsanitize=address", *(["-shared-libasan"] if "clang" in CC else []))
        if program is None:
            self.skipTest("no sanitizer here")
        self.refused(126, "sanitizer", words=[program])

    def test_musl(self):
        program = shutil.which("musl-gcc") and self.compile("musl", compiler="musl-gcc")
        if not program:
            self.skipTest("no musl-gcc here")
        self.refused(126, "uses musl", "FREEHOLD_LIB", words=[program])

    def elf(self, name, *, bits=2, data=1, machine=62, kind=2, more=b""):
        order = "<" if data == 1 else ">"
        head = b"\x7fELF" + bytes([bits, data, 1]) + bytes(9)
        return self.file(name, head + struct.pack(order + "HHI", kind, machine, 1) + more)

    def test_other_machine(self):
        self.refused(126, "another machine (ARM", words=[self.elf("arm", machine=40)])
        self.refused(126, "another machine (32-bit x86)", words=[self.elf("x86", bits=1, machine=3)])
        self.refused(126, "another machine (s390)", words=[self.elf("s390", data=2, machine=22)])
        self.refused(126, "another machine (machine 4711)", words=[self.elf("new", machine=4711)])

    def test_damaged(self):
        with open(SUBJECT, "rb") as file:
            good = file.read()
        self.refused(126, "damaged", words=[self.file("short", b"\x7fELF\x02\x01\x01")])
        self.refused(126, words=[self.file("head", good[:40])])
        for length in list(range(64, 1200, 37)):
            name = self.file("cut%d" % length, good[:length])
            self.assertNotEqual(Run(name, "exits", "0").status, 0)

    def test_hostile(self):
        """Whatever stands in the headers, the command neither crashes nor hangs."""
        with open(SUBJECT, "rb") as file:
            good = bytearray(file.read()[:0x1000])
        for at in range(16, 0x400, 8):
            bad = bytearray(good)
            bad[at:at + 8] = b"\xff" * 8
            run = Run(self.file("bad", bytes(bad)), "exits", "0")
            self.assertIn(run.status, (126, 127, 1, 2, 97, -11, -7, -9, -4, -6, -8), run)

    def test_missing_loader(self):
        program = self.compile("odd", "-Wl,--dynamic-linker=/no/loader.so")
        self.refused(126, "/no/loader.so", words=[program])

    def test_missing_shared_library(self):
        """Only the loader can know; the command says that no numbers came."""
        lib = self.file("lib.c", b"int value(void) { return 0; }\n")
        subprocess.run([CC, "-shared", "-fPIC", "-o", self.path("libgone.so"), lib], check=True)
        source = self.file("user.c", b"int value(void);\nint main(void) { return value(); }\n")
        subprocess.run([CC, "-o", self.path("user"), source, self.path("libgone.so")], check=True)
        os.remove(self.path("libgone.so"))
        run = Run(self.path("user"), json_report=False)
        self.assertEqual(run.status, 127, run)
        self.assertIn("libgone.so", run.err)
        self.assertIn("the loader could not start it", run.err)

    def test_loader_itself_can_be_run(self):
        with open("/proc/self/maps", encoding="utf-8") as maps:
            loader = [line.split()[-1] for line in maps if "/ld-linux" in line]
        run = Run(os.path.realpath(loader[0]), SUBJECT, "exits", "5")
        self.assertEqual(run.status, 5, run)


class Options(Test):
    def wrong(self, message, *words, command="run"):
        done = subprocess.run([COMMAND, *([command] if command else []), *words], capture_output=True, check=False)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn(message, done.stderr.decode())
        self.assertEqual(done.stdout, b"")

    def test_wrong_options(self):
        self.wrong("which program?")
        self.wrong("which program?", "--json")
        self.wrong("there is no option --nosuch", "--nosuch", "ls")
        self.wrong("there is no option -x", "-x", "ls")
        self.wrong("--output wants a value", "--output")
        self.wrong("--json=yes takes no value", "--json=yes", "ls")
        self.wrong("wants a number", "--children", "many", "ls")
        self.wrong("wants a number", "--classes", "-1", "ls")
        self.wrong("KEY=VALUE", "--set", "decay", "ls")
        self.wrong("without a comma", "--set", "decay=1,limit=2", "ls")
        self.wrong('there is no setting "nosuch"', "--set", "nosuch=1", "ls")
        self.wrong("mode must be one of fast, checked, guard", "--set", "mode=strict", "ls")
        self.wrong("decay must be a duration", "--set", "decay=soon", "ls")
        self.wrong("--fast", "--set", "count=off", "ls")
        self.wrong("itself", "--set", "report=/tmp", "ls")

    def test_directory_that_takes_no_numbers(self):
        """Said where somebody names it by hand: `freehold run` has made its own, and the program shall not notice."""
        env = environment(LD_PRELOAD=LIBRARY, FREEHOLD="report=/nonexistent/of numbers")
        done = subprocess.run([SUBJECT, "exits", "5"], env=env, capture_output=True, check=False)
        self.assertEqual(done.returncode, 5, done)
        self.assertEqual(done.stderr.decode().splitlines(), ["freehold: FREEHOLD: report=/nonexistent/of numbers: no file "
                         "can be made there, so no numbers are kept"])

    def test_misspelt_setting_is_told_once(self):
        """Not by each process again."""
        run = Run("sh", "-c", "cat /dev/null; cat /dev/null", env=environment(FREEHOLD="moed=fast,decay=soon,region=2M"))
        self.assertEqual(run.status, 0, run)
        self.assertEqual(run.err.count('there is no setting "moed"'), 1, run)
        self.assertEqual(run.err.count("decay=soon is not a duration"), 1, run)

    def test_limit_is_the_programs_and_not_the_commands(self):
        """The command has this heap, too, and reads FREEHOLD: with little room it could not even say so."""
        for limit in ("1", "1K", "100K"):
            run = Run(SUBJECT, "exits", "5", env=environment(FREEHOLD="limit=" + limit))
            self.assertEqual((run.status, run.err), (5, ""), run)
            self.assert_counts(run, finished=True)

    def test_wrong_subcommand(self):
        self.wrong('there is no subcommand "ls"; to run a program: freehold run ls', "ls", command=None)
        self.wrong('there is no subcommand "ls"', "help", "ls", command=None)
        self.wrong("freehold check is not there yet", "check", "file.c", command=None)
        self.wrong("there is no option --nosuch", "--nosuch", command=None)

    def test_help(self):
        for words in ([], ["--help"], ["-h"], ["help"], ["run", "--help"], ["run", "-h"], ["help", "run"]):
            done = subprocess.run([COMMAND, *words], capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""), words)
            self.assertIn(b"usage: freehold", done.stdout)
        self.assertIn(b"limit", done.stdout)  # of run's own help
        for line in done.stdout.decode().splitlines():
            self.assertLessEqual(len(line), 112)

    def test_version(self):
        for words in (["--version"], ["run", "--version"]):
            done = subprocess.run([COMMAND, *words], capture_output=True, check=False)
            self.assertRegex(done.stdout.decode(), r"^freehold \d+\.\d+\.\d+\n$")

    def test_output_that_cannot_be_written(self):
        with tempfile.TemporaryDirectory() as folder:
            mark = folder + "/ran"
            done = subprocess.run([COMMAND, "run", "-o", folder + "/no/such", "touch", mark], capture_output=True,
                                  check=False)
            self.assertEqual(done.returncode, 125, done)
            self.assertFalse(os.path.exists(mark), "the program ran all the same")
        done = subprocess.run([COMMAND, "run", "-o", "/dev/full", SUBJECT, "exits", "3"], capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 3, done)
        self.assertIn(b"could not be written", done.stderr)


class Library(Test):
    """The library is found in a build tree, in an installation wherever it stands, and where FREEHOLD_LIB says."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def install(self, command, library):
        for source, at in ((COMMAND, command), (LIBRARY, library)):
            target = os.path.join(self.folder, at)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.realpath(source), target)
        return os.path.join(self.folder, command)

    def run_it(self, command, **changes):
        return subprocess.run([command, "run", SUBJECT, "counts"], capture_output=True, check=False,
                              env=environment(FREEHOLD_LIB=None, **changes))

    def test_places(self):
        tuple_of = os.uname().machine + "-linux-gnu"
        for library in ("bin/libfreehold.so", "lib/libfreehold.so", "lib/libfreehold.so.0",
                        "lib/%s/libfreehold.so.0" % tuple_of, "lib64/libfreehold.so"):
            command = self.install("bin/freehold", library)
            done = self.run_it(command)
            self.assertIn(b"1,013 allocations", done.stderr, library)
            shutil.rmtree(self.folder)

    def test_nowhere(self):
        command = self.install("bin/freehold", "elsewhere/libfreehold.so")
        done = self.run_it(command)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"libfreehold.so is neither in", done.stderr)
        self.assertIn(b"FREEHOLD_LIB=", done.stderr)

    def test_through_a_link(self):
        command = self.install("opt/bin/freehold", "opt/lib/libfreehold.so")
        link = os.path.join(self.folder, "freehold")
        os.symlink(command, link)
        self.assertIn(b"1,013 allocations", self.run_it(link).stderr)

    def test_path_with_blank_and_colon(self):
        for folder in ("with blank", "with:colon"):
            command = self.install(folder + "/bin/freehold", folder + "/lib/libfreehold.so")
            done = self.run_it(command)
            self.assertIn(b"1,013 allocations", done.stderr, done)

    def test_said_by_the_user(self):
        run = Run(SUBJECT, "counts", cwd=os.path.dirname(LIBRARY), env=environment(FREEHOLD_LIB="./libfreehold.so"))
        self.assertEqual(run.status, 0, run)
        self.assert_counts(run, allocations=1013)
        for wrong, message in (("/no/such", "No such file"), (SUBJECT, "not Freehold's library"),
                               ("/etc/passwd", "not a library")):
            run = Run(SUBJECT, "counts", env=environment(FREEHOLD_LIB=wrong))
            self.assertEqual(run.status, 125, run)
            self.assertIn(message, run.err)

    def test_temporary_directory_that_cannot_be_named(self):
        for name in ("a,b", "a b", "a:b"):
            os.mkdir(os.path.join(self.folder, name))
            run = Run(SUBJECT, "counts", env=environment(TMPDIR=os.path.join(self.folder, name)))
            self.assert_counts(run, allocations=1013)


main()
