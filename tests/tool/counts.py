"""The numbers in a report are exactly what the program did."""
import os
import subprocess
import tempfile

from common import CC, SUBJECT, Run, Test, class_size, main


class Counts(Test):
    def test_known_program(self):
        run = Run(SUBJECT, "counts")
        self.assertEqual(run.status, 0, run)
        # 10 of the 15 resizes moved the block: each is also an allocation and a free.
        self.assert_counts(run, allocations=1000 + 10 + 1 + 1 + 1, frees=400 + 10 + 1, resizes=15,
                           live_blocks=600 + 1 + 1)
        live = 585 * 100 + 10 * 5000 + 5 * 110 + 350 + 1000
        self.assertEqual(run.program["asked"]["end"], live)
        self.assertEqual(run.program["asked"]["peak"], live + (1 << 20))
        self.assert_sound(run)

    def test_known_classes(self):
        run = Run(SUBJECT, "counts")
        classes = {c["block_size"]: c for c in run.program["classes"]}
        self.assertEqual(set(classes), {112, class_size(5000), class_size(350), class_size(1024), None})
        self.assertEqual(classes[112], {
            "block_size": 112, "allocations": 1000, "frees": 410, "live_blocks": 590,
            "live_asked": 585 * 100 + 5 * 110, "peak_blocks": 1000})
        self.assertEqual(classes[5120]["live_asked"], 50000)
        self.assertEqual(classes[None], {"block_size": None, "allocations": 1, "frees": 1, "live_blocks": 0,
                                         "live_asked": 0, "peak_blocks": 1})

    def test_rounding_is_exact(self):
        run = Run(SUBJECT, "counts")
        live = [(585, 100, 112), (5, 110, 112), (10, 5000, 5120), (1, 350, 384), (1, 1000, 1024)]
        self.assertEqual(run.program["at_exit"]["rounding"], sum(n * (block - size) for n, size, block in live), run)

    def test_threads(self):
        run = Run(SUBJECT, "threads")
        size48 = [c for c in run.program["classes"] if c["block_size"] == 48][0]
        # The C library may take a block of this size for itself when it makes threads.
        self.assertLessEqual(80000, size48["allocations"], run)
        self.assertLessEqual(size48["allocations"], 80016, run)
        self.assertLessEqual(size48["frees"], size48["allocations"])
        self.assertLessEqual(80000, size48["frees"])
        self.assertLessEqual(100, size48["peak_blocks"])
        self.assertLessEqual(size48["peak_blocks"], 816)
        self.assert_sound(run)

    def test_program_without_allocations(self):
        run = Run(SUBJECT, "exits", "0")
        self.assert_counts(run, allocations=0, frees=0, live_blocks=0)
        self.assert_sound(run)

    def test_real_programs_are_sound(self):
        for words in (["ls", "-l", "/"], ["/usr/bin/env"], ["sh", "-c", "echo x | tr x y"],
                      ["python3", "-c", "import json"]):
            run = Run(*words)
            self.assertEqual(run.status, 0, run)
            self.assert_sound(run)

    def test_fast_mode_knows_less_and_says_so(self):
        run = Run(SUBJECT, "counts", options=["--fast"])
        self.assertFalse(run.report["counted"])
        self.assert_counts(run, allocations=None, frees=None, resizes=None, live_blocks=None, classes=[])
        self.assertEqual(run.program["asked"], {"peak": None, "end": None})
        self.assertGreater(run.program["held"]["peak"], 1 << 20)
        self.assertGreaterEqual(run.program["at_exit"]["live"], 585 * 112 + 10 * 5120)
        self.assert_sound(run)
        text = Run(SUBJECT, "counts", options=["--fast"], json_report=False).err
        self.assertIn("not counted", text)

    def test_resident_size_is_the_programs(self):
        """64 MiB written and kept: the resident size must be above that, at the peak and at the end."""
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "big.c"), os.path.join(folder, "big")
            with open(source, "w") as file:
                file.write("#include <stdlib.h>\n#include <string.h>\nint main(void) { char *p = malloc(64 << 20);"
                           " memset(p, 1, 64 << 20); return p[12345] - 1; }\n")
            subprocess.run([CC, "-O0", "-o", program, source], check=True)
            run = Run(program)
        self.assertEqual(run.status, 0, run)
        self.assertGreater(run.program["resident"]["peak"], 64 << 20, run)
        self.assertGreater(run.program["resident"]["end"], 64 << 20, run)
        self.assertEqual(run.program["asked"], {"peak": 64 << 20, "end": 64 << 20}, run)


main()
