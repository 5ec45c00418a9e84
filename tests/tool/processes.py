"""Children and programs begun by exec are followed; each file is accounted for exactly once."""
import json
import os
import signal
import subprocess
import tempfile
import time

from common import BUILD, CC, COMMAND, SUBJECT, Run, Test, environment, main


def others(run, **wanted):
    return [other for other in run.report["others"] if all(other[key] == value for key, value in wanted.items())]


class Fork(Test):
    def test_child_begins_with_its_parents_blocks(self):
        run = Run(SUBJECT, "forks")
        self.assertEqual(run.status, 0, run)
        self.assert_counts(run, allocations=12, frees=1, live_blocks=11)
        self.assertEqual(run.program["asked"], {"peak": 1 << 20, "end": 1050})
        child, = run.report["others"]
        self.assertEqual((child["begun_by"], child["ended"]), ("fork", {"how": "exit", "status": 4}))
        self.assertEqual((child["allocations"], child["frees"], child["live_blocks"]), (3, 1, 12))
        self.assertEqual(child["asked"], {"peak": 900 + 3000, "end": 900 + 3000})
        self.assertEqual(child["parent"], run.report["pid"])
        self.assert_sound(run)

    def test_child_that_does_not_call_exit(self):
        for how in ("_", "k"):
            child, = Run(SUBJECT, "forks", how).report["others"]
            self.assertEqual(child["ended"], {"how": "not seen"})
            self.assertEqual((child["allocations"], child["frees"], child["live_blocks"]), (3, 1, 12))

    def test_many_children(self):
        run = Run(SUBJECT, "forks_many", "500")
        self.assertEqual(run.status, 0, run)
        self.assertEqual(len(others(run, begun_by="fork", allocations=3, live_blocks=3)), 500)
        self.assertEqual(run.report["all"]["processes"], 501)
        self.assertEqual(run.report["all"]["allocations"], 1500)
        self.assert_sound(run)

    def test_more_children_than_are_kept(self):
        """Beyond 4096 images the smaller ones are only summed."""
        run = Run(SUBJECT, "forks_many", "5000")
        self.assertEqual(run.status, 0, run)
        self.assertEqual(run.report["all"]["processes"], 5001)
        self.assertEqual(run.report["all"]["allocations"], 15000)
        self.assertEqual(run.report["others_not_listed"]["processes"] + len(run.report["others"]), 5000)
        self.assertGreater(run.report["others_not_listed"]["processes"], 0)

    def test_files_are_taken_in_while_the_program_runs(self):
        script = 'for ((i = 0; i < 2200; i++)); do "$0" exits 0; done; "$0" waits 3'
        most = last = 0
        with tempfile.TemporaryDirectory() as folder:
            words = [COMMAND, "run", "--json", "--output", folder + "/report", "bash", "-c", script, SUBJECT]
            process = subprocess.Popen(words, env=environment(TMPDIR=folder), stdout=subprocess.DEVNULL)
            while process.poll() is None:
                for name in os.listdir(folder):
                    if name.startswith("freehold-") and os.path.isdir(os.path.join(folder, name)):
                        last = len(os.listdir(os.path.join(folder, name))) or last
                        most = max(most, last)
                time.sleep(0.1)
            self.assertEqual(process.returncode, 0)
            with open(folder + "/report", encoding="utf-8") as file:
                report = json.load(file)
        self.assertGreater(most, 100)
        self.assertLess(last, 512, "files were not taken in")
        # A process for each round, the last one, and bash. Each began as a fork of bash, which is not counted.
        self.assertEqual(report["all"]["processes"], 2202)
        self.assertLessEqual(len(report["others"]), 4096)


class Exec(Test):
    def test_numbers_are_of_the_last_program(self):
        run = Run(SUBJECT, "execs", "3")
        self.assertEqual(run.status, 0, run)
        self.assert_counts(run, allocations=2, live_blocks=2)
        self.assertEqual([(other["pid"], other["ended"], other["allocations"]) for other in run.report["others"]],
                         [(run.report["pid"], {"how": "exec"}, 2)] * 3)
        self.assertEqual(run.report["all"]["allocations"], 8)
        self.assertIsNone(run.report["note"])

    def test_shell_runs_programs(self):
        run = Run("sh", "-c", '"$0" forks_many 2; "$0" exits_at_once 3; exec "$0" counts', SUBJECT)
        self.assertEqual(run.status, 0, run)
        self.assert_counts(run, allocations=1013)
        programs = others(run, begun_by="exec")
        commands = [other["command"].removeprefix(SUBJECT).split()[0] for other in programs
                    if other["command"].startswith(SUBJECT)]
        self.assertEqual(commands, ["forks_many", "exits_at_once"], run)
        self.assert_sound(run)

    def test_exec_without_the_environment_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            link = os.path.join(folder, "quiet")
            os.symlink("/bin/true", link)
            run = Run(SUBJECT, "execs_with_empty_environment", link)
        self.assertEqual(run.status, 0, run)
        self.assert_counts(run, finished=False)
        self.assertIn('"quiet"', run.report["note"])
        self.assertIn("most likely it went on", run.report["note"])

    def test_env_i(self):
        run = Run("env", "-i", "/bin/ls", "/")
        self.assertEqual(run.status, 0, run)
        self.assertIn('"ls"', run.report["note"])

    def test_program_that_has_the_library_linked_in(self):
        """Its own copy and the preloaded one leave a file each; that is one program, not two."""
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "own.c"), os.path.join(folder, "own")
            with open(source, "w", encoding="utf-8") as file:
                file.write("#include <stdlib.h>\nint main(void) { for (int i = 0; i < 7; i++)"
                           " if (!malloc(40)) return 1; return 0; }\n")
            subprocess.run([CC, "-O0", "-fno-builtin", "-o", program, source, BUILD + "/libfreehold.a", "-lpthread"],
                           check=True)
            run = Run(program)
            as_child = Run("sh", "-c", '"$0"; :', program)
        self.assertEqual(run.status, 0, run)
        self.assertEqual(len(others(as_child, command=program)), 1, as_child)
        self.assertGreaterEqual(others(as_child, command=program)[0]["allocations"], 7)
        self.assertEqual(run.report["others"], [], run)
        self.assertGreaterEqual(run.program["allocations"], 7, run)
        self.assertTrue([c for c in run.program["classes"] if c["block_size"] == 48 and c["live_asked"] >= 280], run)


class Running(Test):
    def test_process_that_outlives_the_program(self):
        script = '"$0" waits 200 >"$1" 2>&1 & until grep -q ready "$1"; do sleep 0.1; done'
        with tempfile.TemporaryDirectory() as folder:
            run = Run("sh", "-c", script, SUBJECT, folder + "/said")
        waiting = [other for other in others(run, begun_by="exec") if " waits" in other["command"]]
        for other in waiting:
            os.kill(other["pid"], signal.SIGKILL)
        self.assertEqual([other["ended"] for other in waiting], [{"how": "running"}], run)


main()
