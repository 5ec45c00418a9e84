"""The two forms of the report: what they say, and that they are well-formed whatever the program was called."""
import json
import os
import re
import subprocess
import tempfile

from common import COMMAND, SUBJECT, Run, Test, environment, main


def text_of(*words, options=(), **more):
    run = Run(*words, options=options, json_report=False, **more)
    return run.err


def unbroken(text):
    """The text with the line breaks of its paragraphs taken out."""
    return " ".join(text.split())


class Text(Test):
    def test_numbers_of_a_known_program(self):
        text = unbroken(text_of(SUBJECT, "counts"))
        self.assertIn("exit 0", text)
        self.assertIn("1,013 allocations, 411 frees, 15 resizes.", text)
        self.assertIn("At the end 602 blocks with 107.8 KiB were not freed; the system took them back.", text)
        self.assertIn("At its peak the program had asked for 1.1 MiB and the heap held", text)
        self.assertRegex(text, r"Of the [0-9.]+ [KM]iB that the heap held at exit, 107.8 KiB \d+ % live: in blocks"
                               r" that the program had not freed [0-9.]+ [KM]?i?B <?\d+ % rounding: ")
        self.assertRegex(text, r"[0-9.]+ KiB <?\d+ % books: ")

    def test_parts_sum_up_to_what_was_held(self):
        units = {"B": 1, "KiB": 2 ** 10, "MiB": 2 ** 20}
        for words in ((SUBJECT, "counts"), (SUBJECT, "threads"), ("ls", "/"), (SUBJECT, "dies", "9")):
            for options in ([], ["--fast"]):
                text = text_of(*words, options=options)
                held = re.search(r"Of the ([0-9.]+) (\w+) that the heap held at", text)
                parts = re.findall(r"(?m)^ +([0-9.]+) (\w+) +<?\d+ %   \w", text)
                if held is None:
                    self.assertEqual((words[1], options, parts), ("dies", ["--fast"], []))
                    continue
                total = float(held[1]) * units[held[2]]
                self.assertAlmostEqual(sum(float(n) * units[unit] for n, unit in parts), total, delta=total / 20)

    def test_a_peak_of_little_is_not_called_a_multiple(self):
        text = unbroken(text_of("true", *(["x" * 50000] * 2)) + text_of(SUBJECT, "dies", "9"))
        self.assertNotIn("times as much", text)
        self.assertIn("for each size class that is used", text)

    def test_classes_of_a_known_program(self):
        lines = [line.split() for line in text_of(SUBJECT, "counts").splitlines()]
        small, = [words for words in lines if words[:2] == ["112", "B"]]
        self.assertEqual(small[2], "1,000")
        self.assertEqual(small[-4:], ["590", "57.7", "KiB", "1,000"])

    def test_nothing_allocated(self):
        self.assertIn("did not use this heap", unbroken(text_of(SUBJECT, "exits", "0")))

    def test_guarded_blocks_are_not_said_to_be_none(self):
        text = unbroken(text_of(SUBJECT, "counts", options=["--set", "mode=guard"]))
        self.assertNotIn("did not use this heap", text)
        self.assertIn("With mode=guard blocks stand on pages of their own, which are not counted.", text)
        for setting, words in (("mode=checked", "With mode=checked the first blocks and large ones stand on"),
                               ("guard_sample=50", "With guard_sample some blocks stand on")):
            self.assertIn(words, unbroken(text_of(SUBJECT, "counts", options=["--set", setting])))

    def test_ends(self):
        self.assertIn("killed by SIGKILL (Killed),", text_of(SUBJECT, "dies", "9"))
        self.assertIn("exit 3,", text_of(SUBJECT, "exits_at_once", "3"))
        self.assertIn("at the end", text_of(SUBJECT, "exits_at_once", "3"))
        self.assertIn("at exit", text_of(SUBJECT, "exits", "3"))

    def test_other_processes(self):
        text = text_of(SUBJECT, "forks_many", "20")
        self.assertIn("20 other processes, with 60 allocations and 0 frees", text)
        self.assertEqual(text.count("  exit 0  "), 8)
        self.assertIn("12  more", text)
        self.assertEqual(text_of(SUBJECT, "forks_many", "20", options=["--children", "100"]).count("  exit 0  "), 20)
        self.assertNotIn("other processes", text_of(SUBJECT, "forks_many", "20", options=["--children=0"]))

    def test_number_of_classes(self):
        text = text_of("ls", "/", options=["--classes", "3"])
        self.assertRegex(text, r"\d+ others")
        self.assertNotIn("size class  ", text_of("ls", "/", options=["--classes", "0"]))

    def test_output_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report")
            for option in (["--output", path], ["--output=" + path], ["-o", path], ["-o" + path]):
                run = Run(SUBJECT, "counts", options=option, json_report=False)
                self.assertEqual((run.out, run.err), (b"", ""))
                with open(path, encoding="utf-8") as file:
                    self.assertIn("1,013 allocations", file.read())

    def test_no_control_characters_of_others(self):
        run = Run("sh", "-c", 'sh -c ": $1"; :', "sh", "\x1b[31mred\x07\x9b\r", json_report=False,
                  env=environment(LC_ALL="C.UTF-8"))
        self.assertNotRegex(run.err, "[\x00-\x09\x0b-\x1f\x7f\x9b]")
        self.assertIn("?[31mred?", run.err)

    def test_command_lines_that_are_not_utf8(self):
        for locale in ("C", "C.UTF-8"):
            run = Run("printf", b"\xff\xfe\xe2\x82", json_report=False, env=environment(LC_ALL=locale))
            self.assertEqual(run.out, b"\xff\xfe\xe2\x82")
            self.assertIn("printf ????", run.err)


class Json(Test):
    MEMBERS = {"schema", "version", "arguments", "pid", "seconds", "ended", "counted", "note", "program", "others",
               "others_not_listed", "all"}
    PROGRAM = {"command", "finished", "allocations", "frees", "resizes", "live_blocks", "asked", "held",
               "held_at_asked_peak", "resident", "at_exit", "classes"}
    OTHER = {"pid", "parent", "command", "begun_by", "ended", "allocations", "frees", "resizes", "live_blocks", "asked",
             "held_peak", "resident_peak"}

    def test_schema(self):
        for words in ((SUBJECT, "counts"), (SUBJECT, "dies", "9"), (SUBJECT, "forks"), ("sh", "-c", "ls; exec ls")):
            for options in ([], ["--fast"]):
                run = Run(*words, options=options)
                self.assertEqual(set(run.report), self.MEMBERS)
                self.assertLessEqual(self.PROGRAM, set(run.program))
                for other in run.report["others"]:
                    self.assertEqual(set(other), self.OTHER)
                self.assert_sound(run)

    def test_every_member_is_documented(self):
        def members(value):
            if isinstance(value, dict):
                return set(value).union(*map(members, value.values()))
            return set().union(*map(members, value)) if isinstance(value, list) else set()

        with open(os.path.join(os.environ["FREEHOLD_SOURCE"], "docs/RUN.md"), encoding="utf-8") as file:
            text = file.read()
        for words in ((SUBJECT, "counts"), (SUBJECT, "threads"), (SUBJECT, "dies", "9"), ("sh", "-c", "ls; exec ls")):
            for member in members(Run(*words).report):
                self.assertIn('"%s"' % member, text)

    def test_any_arguments(self):
        words = ['"', "\\", "\t\n\x01\x7f", "é€😀",
                 b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe2\x82"]
        run = Run("true", *words)
        self.assertEqual(run.report["arguments"][1:5], words[:4])
        self.assertEqual(run.report["arguments"][5:], ["\ufffd" * n for n in (1, 3, 4, 2, 2)])
        self.assertIsNotNone(run.program["command"])

    def test_to_the_error_output(self):
        done = subprocess.run([COMMAND, "run", "--json", SUBJECT, "counts"], capture_output=True, check=False)
        self.assertEqual(json.loads(done.stderr)["program"]["allocations"], 1013)

    def test_sum_over_all(self):
        run = Run("bash", "-c", "ls; ls; ls; :")
        listed = run.report["others"] + [run.program]
        self.assertEqual(run.report["all"]["allocations"], sum(one["allocations"] for one in listed))
        self.assertEqual(run.report["all"]["frees"], sum(one["frees"] for one in listed))
        self.assertEqual(run.report["all"]["largest_asked_peak"], max(one["asked"]["peak"] for one in listed))
        self.assertEqual(run.report["all"]["processes"], 4)

    def test_strange_files_among_the_numbers(self):
        """Another process may write anything there: it is left out, or shown as it is, and harms nothing."""
        script = ("import os, sys\n"
                  "d = os.environ['FREEHOLD'].split('report=')[1]\n"
                  "own = '%s/%d.0.fh' % (d, os.getpid())\n"
                  "good = open(own, 'rb').read()\n"
                  "def put(name, data): open(os.path.join(d, name), 'wb').write(data)\n"
                  "put('1.0.fh', b'')\n"
                  "put('2.0.fh', good[:-1])\n"
                  "put('3.0.fh', good + b'x')\n"
                  "put('4.0.fh', b'x' + good[1:])\n"
                  "put('5.0.fh', good[:16] + b'\\xff' * (len(good) - 16))\n"
                  "put('other', b'?')\n"
                  "os.mkfifo(d + '/6.0.fh')\n"
                  "os.symlink(own, d + '/7.0.fh')\n"
                  "os.symlink('/nowhere', d + '/8.0.fh')\n")
        for json_report in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                run = Run("/usr/bin/python3", "-c", script, json_report=json_report, env=environment(TMPDIR=folder))
                self.assertEqual(run.status, 0, run)
                self.assertEqual(os.listdir(folder), [])
            if json_report:
                self.assertEqual([other["pid"] for other in run.report["others"]], [2 ** 64 - 1])
                self.assert_sound(run)
            else:
                self.assertIn("1 other process", run.err)


main()
