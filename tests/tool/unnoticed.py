"""A program does not notice that it is watched: input, output, arguments, environment, files, signals, exit status are
what they are without `freehold run`, also in a program that makes it hard."""
import os
import resource
import signal
import subprocess
import tempfile

from common import COMMAND, LIBRARY, SUBJECT, Run, Test, environment, main


class Status(Test):
    def test_exit_status(self):
        for status in (0, 1, 2, 77, 126, 127, 255):
            self.assertEqual(Run(SUBJECT, "exits", str(status)).status, status)

    def test_exit_at_once_is_counted(self):
        run = Run(SUBJECT, "exits_at_once", "9")
        self.assertEqual(run.status, 9, run)
        self.assert_counts(run, allocations=5, live_blocks=5, finished=False, at_exit=None)
        self.assertEqual(run.program["asked"]["end"], 5 * 24)
        self.assert_sound(run)

    def test_signal_that_kills(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE, signal.SIGUSR1):
            run = Run(SUBJECT, "dies", str(int(number)))
            self.assertEqual(run.status, -number, run)
            self.assertEqual(run.report["ended"]["how"], "signal")
            self.assertEqual(run.report["ended"]["name"], number.name)
            self.assert_counts(run, allocations=5, live_blocks=5, finished=False)
            self.assert_sound(run)

    def test_shell_sees_128_and_the_signal(self):
        done = subprocess.run(["sh", "-c", '"$0" run "$1" dies 15; echo "status $?"', COMMAND, SUBJECT],
                              capture_output=True, check=False, timeout=300)
        self.assertIn(b"status 143", done.stdout)

    def test_exit_in_a_handler_that_interrupts_malloc(self):
        for milliseconds in range(20, 40):
            self.assertEqual(Run(SUBJECT, "exits_in_handler", str(milliseconds), timeout=300).status, 3)


class Streams(Test):
    def test_input_and_output(self):
        data = os.urandom(1 << 20)
        run = Run("cat", input=data)
        self.assertEqual(run.out, data)

    def test_error_output_comes_first_and_whole(self):
        run = Run("sh", "-c", "echo something wrong >&2", json_report=False)
        self.assertTrue(run.err.startswith("something wrong\n"), run)

    def test_closed_input(self):
        done = subprocess.run(["sh", "-c", 'exec "$0" run sh -c "read x; echo status $?" <&-', COMMAND],
                              capture_output=True, check=False, timeout=300)
        self.assertEqual(done.returncode, 0, done)

    def test_closed_streams_stay_closed(self):
        script = 'exec "$0" run --output "$2" "$1" says_open_files'
        counts = []
        with tempfile.TemporaryDirectory() as folder:
            for before in ("", "exec <&-; ", "exec 2>&-; ", "exec <&- 2>&-; "):
                done = subprocess.run(["sh", "-c", before + script, COMMAND, SUBJECT, folder + "/report"],
                                      stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300)
                counts.append(int(done.stdout))
        self.assertEqual(counts, [3, 2, 2, 1])

    def test_no_open_files_are_added(self):
        self.assertEqual(Run(SUBJECT, "says_open_files").out, b"3\n")

    def test_output_that_nobody_reads(self):
        """A program that dies of SIGPIPE does so here too, and the report still comes."""
        script = '"$0" run --output "$1" yes | head -1; cat "$1"'
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["sh", "-c", script, COMMAND, folder + "/report"], capture_output=True, check=False,
                                  timeout=300)
        self.assertIn(b"killed by SIGPIPE", done.stdout, done)


class Surroundings(Test):
    def test_arguments(self):
        words = ["a b", "", "*", "--json", "\n", "é", "--"]
        run = Run("printf", "<%s>", *words)
        self.assertEqual(run.out.decode(), "".join("<%s>" % word for word in words))
        self.assertEqual(run.report["arguments"], ["printf", "<%s>", *words])

    def test_two_dashes_end_the_options(self):
        self.assertEqual(Run("--", "printf", "%s", "--json").out, b"--json")

    def test_preloaded_libraries_stay(self):
        run = Run(SUBJECT, "says_variable", "LD_PRELOAD", env=environment(LD_PRELOAD="libdl.so.2"))
        ours, theirs = run.out.decode().strip().split(":")
        if " " in os.path.realpath(LIBRARY):  # it was reached by a link, which is gone
            self.assertEqual(os.path.basename(ours), "libfreehold.so")
        else:
            self.assertEqual(os.path.realpath(ours), os.path.realpath(LIBRARY))
        self.assertEqual(theirs, "libdl.so.2")

    def test_settings_stay(self):
        run = Run(SUBJECT, "says_variable", "FREEHOLD", options=["--set", "region=1M"],
                  env=environment(FREEHOLD="decay=1s"))
        words = run.out.decode().strip().split(",")
        self.assertEqual(words[:4], ["report_quiet=on", "decay=1s", "region=1M", "count=on"], run)
        self.assertTrue(words[4].startswith("report="), run)

    def test_limit_is_a_setting(self):
        run = Run("python3", "-c", "try: bytes(1 << 30)\nexcept MemoryError: print('refused')",
                  options=["--set", "limit=256M"])
        self.assertEqual(run.out, b"refused\n", run)

    def test_temporary_directory_is_left_empty(self):
        with tempfile.TemporaryDirectory() as folder:
            run = Run("sh", "-c", "ls | cat", env=environment(TMPDIR=folder))
            self.assertEqual(run.status, 0)
            self.assertEqual(os.listdir(folder), [])

    def test_runs_within_itself(self):
        run = Run(COMMAND, "run", SUBJECT, "counts")
        self.assertEqual(run.status, 0, run)
        self.assertIn("1,013 allocations", run.err)
        self.assert_sound(run)


class Signals(Test):
    def start(self, *words, **more):
        return subprocess.Popen([COMMAND, "run", SUBJECT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                **more)

    def test_signals_are_passed_on_once(self):
        running = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
                       signal.SIGWINCH):
            process = self.start("counts_signals", str(int(number)), stdin=subprocess.DEVNULL)
            self.assertEqual(process.stdout.readline(), b"ready\n")
            process.send_signal(number)
            running.append((number, process))
        for number, process in running:
            out, err = process.communicate(timeout=300)
            self.assertEqual((out, process.returncode), (b"signals: 1\n", 7), (number, err))
            self.assertIn(b"exit 7", err)

    def test_signal_that_the_program_does_not_handle(self):
        process = self.start("waits", "100")
        process.stdout.readline()
        process.terminate()
        _, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, -signal.SIGTERM)
        self.assertIn(b"killed by SIGTERM", err)

    def test_ignored_signals_stay_ignored(self):
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        for number in (signal.SIGHUP, signal.SIGCHLD):
            process = self.start("says_whether_ignored", str(int(number)), preexec_fn=ignore)
            out, err = process.communicate(timeout=300)
            self.assertEqual(out, b"ignored not blocked\n")
            self.assertIn(b"exit 0", err)

    def test_signals_come_unblocked(self):
        for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTSTP):
            self.assertEqual(Run(SUBJECT, "says_whether_ignored", str(int(number))).out, b"not ignored not blocked\n")


class HardLife(Test):
    def test_program_that_closes_everything(self):
        run = Run(SUBJECT, "closes_all")
        self.assert_counts(run, allocations=6, live_blocks=6, finished=True)
        self.assert_sound(run)

    def test_program_that_changes_directory(self):
        run = Run("sh", "-c", "cd /; ls >/dev/null")
        programs = [other["command"] for other in run.report["others"] if other["begun_by"] == "exec"]
        self.assertEqual(programs, ["ls"], run)

    def test_program_that_changes_root(self):
        if os.geteuid() != 0:
            self.skipTest("only root may change the root")
        with tempfile.TemporaryDirectory() as folder:
            run = Run(SUBJECT, "changes_root", folder)
        self.assertEqual(run.status, 0, run)
        self.assert_counts(run, allocations=4, finished=True)
        self.assertEqual(run.report["others"], [])

    def test_program_that_becomes_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root may become another user")
        run = Run(SUBJECT, "changes_user", "65534")
        self.assertEqual(run.status, 0, run)
        self.assertEqual([other["allocations"] for other in run.report["others"]], [3], run)

    def test_program_that_limits_its_files(self):
        for kind in ("size", "number"):
            run = Run(SUBJECT, "limits_files", kind)
            self.assertEqual(run.status, 0, run)
            self.assert_counts(run, allocations=2, finished=True)

    def test_command_under_a_file_size_limit(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

        done = subprocess.run([COMMAND, "run", SUBJECT, "exits", "5"], capture_output=True, check=False,
                              preexec_fn=limit)
        self.assertEqual(done.returncode, 5, done)
        self.assertIn(b"No numbers came from the program", done.stderr.replace(b"\n  ", b" "))

    def test_program_that_forbids_itself_system_calls(self):
        for which in ("open", "prctl"):
            with self.subTest(which):
                self.run_that_forbids(which)

    def run_that_forbids(self, which):
        alone = subprocess.run([SUBJECT, "forbids", which], check=False)
        if alone.returncode == 77:
            self.skipTest("no seccomp here")
        run = Run(SUBJECT, "forbids", which)
        self.assertEqual(run.status, 0, run)
        self.assert_counts(run, allocations=8, finished=True)
        self.assertIsNone(run.program["resident"]["end"])

    def test_program_that_removes_the_directory(self):
        script = 'd=${FREEHOLD##*report=}; rm -r "$d"; ls / >/dev/null; exit 4'
        run = Run("sh", "-c", script)
        self.assertEqual(run.status, 4, run)
        self.assertFalse(run.err.startswith("freehold:"), run)
        self.assertIsNone(run.program)
        self.assertIn("No numbers came from the program", run.report["note"])

    def test_program_that_changes_its_standard_directory_is_gone(self):
        with tempfile.TemporaryDirectory() as folder:
            inner = os.path.join(folder, "inner")
            os.mkdir(inner)
            run = Run("sh", "-c", "rmdir ../inner; ls; exit 6", cwd=inner)
        self.assertEqual(run.status, 6, run)


main()
