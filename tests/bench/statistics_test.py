#!/usr/bin/env python3
"""What bench/run computes from its samples: medians, spreads, ratios to the best peer, means; and that the tables
and the chart say the same."""
import os
import sys
import unittest
from pathlib import Path
from xml.etree import ElementTree

sys.dont_write_bytecode = True
top = Path(os.environ.get("FREEHOLD_SOURCE", Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(top / "bench"))
from runner import chart, measure, report, rows, stats  # noqa: E402


def data_of(table, **more):
    """Results as bench/run stores them, from {row: {allocator: [(cpu, rss), ...]}}."""
    names = list(next(iter(table.values())))
    every = [{"name": row, "kind": "work", "about": "", "checksum": "x", "failures": {},
              "samples": {n: [[c, 0.0, c, r] for c, r in got] for n, got in of.items()}} for row, of in table.items()]
    return {"rows": every, "allocators": {n: n + " 1.0" for n in names}, "subject": "freehold", "typed": None,
            "missing": [], "machine": "m", "system": "s", "compiler": "c", "date": "d", "rounds": 1, "scale": 1.0,
            "minutes": 1.0, "load": "0", **more}


class Medians(unittest.TestCase):
    def test_the_middle_of_an_odd_number(self):
        self.assertEqual(stats.median([5, 1, 3]), 3)

    def test_the_mean_of_the_middle_two_of_an_even_number(self):
        self.assertEqual(stats.median([4, 1, 2, 100]), 3)

    def test_of_nothing_is_an_error(self):
        self.assertRaises(ValueError, stats.median, [])
        self.assertRaises(ValueError, stats.geomean, [])

    def test_spread_is_half_the_range_over_the_median(self):
        self.assertAlmostEqual(stats.spread([9, 10, 12]), 0.15)
        self.assertEqual(stats.spread([7]), 0)

    def test_geometric_mean_of_double_and_half_is_one(self):
        self.assertAlmostEqual(stats.geomean([2, 0.5]), 1)
        self.assertAlmostEqual(stats.geomean([1, 10, 100]), 10)


class BestPeer(unittest.TestCase):
    def test_is_never_the_subject(self):
        self.assertEqual(stats.best_peer({"libc": 3, "other": 2, "freehold": 1}, "freehold"), ("other", 2))

    def test_passes_over_who_failed(self):
        self.assertEqual(stats.best_peer({"libc": 3, "other": None, "freehold": 1}, "freehold"), ("libc", 3))

    def test_without_peers_is_the_subject_itself(self):
        self.assertEqual(stats.ratios({"freehold": 4}, "freehold"), {"freehold": 1})

    def test_without_results_there_are_no_ratios(self):
        self.assertEqual(stats.ratios({"libc": None, "freehold": None}, "freehold"), {"libc": None, "freehold": None})

    def test_ratios_are_to_it_for_all(self):
        self.assertEqual(stats.ratios({"libc": 4, "other": 2, "freehold": 1}, "freehold"),
                         {"libc": 2, "other": 1, "freehold": 0.5})


class Means(unittest.TestCase):
    def test_leave_out_rows_that_somebody_lacks(self):
        mean, count = stats.means_over_rows([{"a": 1, "b": 2}, {"a": 4, "b": 8}, {"a": 100, "b": None}], ["a", "b"])
        self.assertEqual(count, 2)
        self.assertAlmostEqual(mean["a"], 2)
        self.assertAlmostEqual(mean["b"], 4)

    def test_of_no_rows_are_none(self):
        self.assertEqual(stats.means_over_rows([], ["a"]), ({"a": None}, 0))


class Interleaving(unittest.TestCase):
    def test_each_round_begins_with_another_and_has_all(self):
        self.assertEqual([measure.turn(["A", "B", "C"], n) for n in range(4)],
                         [["A", "B", "C"], ["B", "C", "A"], ["C", "A", "B"], ["A", "B", "C"]])


class Choice(unittest.TestCase):
    class Row:
        def __init__(self, name, kind):
            self.name, self.kind = name, kind

    every = [Row("pair-32", "work"), Row("list", "work"), Row("git", "program")]

    def names(self, patterns):
        return [r.name for r in rows.choose(self.every, patterns)]

    def test_by_pattern_kind_or_nothing(self):
        self.assertEqual(self.names("pair*,git"), ["pair-32", "git"])
        self.assertEqual(self.names("program"), ["git"])
        self.assertEqual(len(self.names("")), 3)

    def test_that_matches_nothing_ends_the_run(self):
        self.assertRaises(SystemExit, rows.choose, self.every, "nosuch")


class FastPeers(unittest.TestCase):
    cost = {"quick": 10, "nearly": 12.5, "slow": 12.6, "freehold": 1, "failed": None}

    def test_the_leanest_of_those_that_are_fast(self):
        rss = {"quick": 30, "nearly": 20, "slow": 10, "freehold": 5, "failed": 1}
        self.assertEqual(stats.leanest_fast(self.cost, rss, "freehold"), 20)

    def test_without_peers_there_is_none(self):
        self.assertIsNone(stats.leanest_fast({"freehold": 1}, {"freehold": 1}, "freehold"))


class Tables(unittest.TestCase):
    table = {"quick": {"libc": [(4, 10), (4, 10), (5, 10)], "freehold": [(2, 5), (2, 5), (2, 5)]},
             "heavy": {"libc": [(1, 10)], "freehold": [(2, 20)]}}

    def test_every_ratio_stands_in_the_row_with_its_spread(self):
        text = report.markdown(data_of(self.table))
        self.assertIn("| quick | libc 4.00 | **1.00** ±12% | **0.50** ±0% |", text)
        self.assertIn("| heavy | libc 1.00 | **1.00** | 2.00 |", text)

    def test_means_and_targets(self):
        data = data_of(self.table)
        self.assertAlmostEqual(report.means(data, "cpu")[0]["freehold"], 1)
        found = {words: value for words, value, _ in report.targets(data)}
        self.assertAlmostEqual(found["CPU time: worst row / its best peer"], 2)
        self.assertAlmostEqual(found["CPU time: worst row / libc"], 2)
        self.assertAlmostEqual(found["peak RSS: geometric mean / virtual best"], 1)

    def test_a_failure_is_in_the_row_and_in_the_list(self):
        data = data_of(self.table)
        data["rows"][0]["failures"] = {"freehold": "killed by SIGSEGV"}
        text = report.markdown(data)
        self.assertIn("**FAILED**", text)
        self.assertIn("- **quick** on **freehold**: killed by SIGSEGV", text)
        self.assertEqual(report.means(data, "cpu")[1], 1)

    def test_typed_targets(self):
        loops = {"pair": {"malloc: libc": 8.0, "malloc: freehold": 4.0, "freehold typed": 1.0,
                          "rust: libc": 9.0, "rust: mimalloc": 5.0, "rust: freehold": 3.0},
                 "bulk": {"malloc: libc": 6.0, "freehold typed": 2.0}}
        data = data_of(self.table, typed={"loops": loops, "unit": {"pair": "object", "bulk": "object"}, "missing": [],
                                          "order": list(loops["pair"]), "failures": {}})
        found = {words: value for words, value, _ in report.targets(data)}
        self.assertAlmostEqual(found["typed pair / the best peer's malloc and free"], 1 / 8)
        self.assertAlmostEqual(found["typed bulk / the best peer's malloc and free"], 1 / 3)
        self.assertAlmostEqual(found["typed pair / Rust's Box"], 1 / 9)
        self.assertAlmostEqual(found["typed pair / Rust's Box with the fastest peer below it"], 1 / 5)
        self.assertIn("| freehold typed | 1.00 | 2.00 |", report.markdown(data))

    def test_frame_targets(self):
        ns = {"bare": {"8": {"alloca": 2.0, "freehold": 2.2}, "67108864": {"alloca": 2.0, "freehold": 2.5}, "64": {"alloca": 1.0}},
              "written": {"8": {"alloca": 4.0, "freehold": 3.0}, "65536": {"alloca": 5.0, "freehold": 5.5},
                          "1048576": {"alloca": 5.0, "freehold": 50.0}}}
        table = {"ns": ns, "missing": [], "failures": {}}
        for data in (data_of(self.table, frames=table), data_of(self.table, allocators={}, frames=table)):
            found = {words: (value, limit) for words, value, limit in report.targets(data)}
            self.assertEqual(found["a frame, one byte written / alloca, the worst size"], (1.25, 1.2))
            self.assertEqual(found["a frame, all bytes written / alloca, the worst size up to 64 KiB"], (1.1, 1.2))


class Chart(unittest.TestCase):
    def test_is_xml_with_a_dot_for_each_result(self):
        far = {"far": {"libc": [(1, 1)], "freehold": [(100, 1)]}}
        for table in (Tables.table, far):
            picture = chart.svg(data_of(table))
            titles = [t.text for t in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}title")]
            self.assertEqual(len(titles), 1 + 2 * 2 * len(table))

    def test_a_failed_row_has_no_dot(self):
        data = data_of(Tables.table)
        data["rows"][0]["failures"] = {"freehold": "exit status 1"}
        self.assertNotIn("freehold, quick", chart.svg(data))

    def test_dots_do_not_cover_each_other(self):
        placed = chart.swarm([10.0, 10.0, 10.5, 60.0])
        self.assertEqual(len(set(placed)), 4)
        self.assertEqual(placed[3], (60.0, 0))


if __name__ == "__main__":
    unittest.main()
