"""The arithmetic behind the tables, and that the rows fit together. Starts no broker."""

import unittest

from rig import arithmetic, generator, load, process, rows, table
from rig.arithmetic import HIGHER, LOWER
from rig.brokers import FLOOR_FLAGS, floor_flags, is_floor
from rig.row import BOTH_POLICIES, ONE_POLICY, Measured, Metric, Row, lines_of
from rig.rows import cross_check, variants

LATENCY = Metric("p99", "p99", "ms", aim=0.33)
RATE = Metric("rate", "rate", "MB/s", HIGHER, aim=2.0)


def row(*metrics, sides=ONE_POLICY):
    return Row("example", "an example", metrics, None, sides=sides)


def measured(fraction=0.1, **values):
    return Measured(values, fraction)


class Arithmetic(unittest.TestCase):
    def test_a_median_of_an_even_number_lies_between_the_two_in_the_middle(self):
        self.assertEqual(arithmetic.median([4, 1, 3]), 3)
        self.assertEqual(arithmetic.median([4, 1, 3, 2]), 2.5)
        self.assertIsNone(arithmetic.median([]))
        self.assertEqual(arithmetic.median([None, 2]), 2)

    def test_the_worst_is_what_speaks_most_against_us(self):
        self.assertEqual(arithmetic.worst([1, 3, 2], LOWER), 3)
        self.assertEqual(arithmetic.worst([1, 3, 2], HIGHER), 1)

    def test_there_is_no_ratio_to_nothing(self):
        self.assertEqual(arithmetic.ratio(1, 4), 0.25)
        self.assertIsNone(arithmetic.ratio(1, 0))
        self.assertIsNone(arithmetic.ratio(None, 1))

    def test_an_aim_bounds_from_the_side_that_is_good(self):
        self.assertTrue(arithmetic.reached(0.3, 0.33, LOWER))
        self.assertFalse(arithmetic.reached(0.3, 0.33, HIGHER))
        self.assertIsNone(arithmetic.reached(0.3, None, LOWER))

    def test_a_percentile_is_a_value_that_was_measured(self):
        self.assertEqual(arithmetic.percentile(range(1, 101), 0.99), 99)
        self.assertEqual(arithmetic.percentile([7], 0.999), 7)
        self.assertIsNone(arithmetic.percentile([], 0.5))


class Lines(unittest.TestCase):
    def test_ratios_are_of_pairs_and_the_worst_pair_is_told(self):
        runs = {"ours": [measured(p99=1.0), measured(p99=3.0)], "kafka": [measured(p99=10.0), measured(p99=6.0)]}
        (line,) = lines_of(row(LATENCY), runs)
        self.assertAlmostEqual(line.ratio, 0.3)
        self.assertAlmostEqual(line.ratio_worst, 0.5)
        self.assertEqual((line.ours, line.ours_worst, line.kafka, line.verdict), (2.0, 3.0, 8.0, "reached"))

    def test_a_busy_generator_gives_no_ratio(self):
        for busy in ("ours", "kafka"):
            runs = {"ours": [measured(rate=500)], "kafka": [measured(rate=100)]}
            runs[busy][0].generator_fraction = 0.71
            (line,) = lines_of(row(RATE), runs)
            self.assertIsNone(line.ratio)
            self.assertEqual((line.ours, line.verdict), (500, "client-bound"))

    def test_each_policy_is_shown_beside_its_own_floor(self):
        names = [side.name for side in BOTH_POLICIES]
        runs = {name: [measured(p99=value)] for name, value in zip(names, (6.0, 4.0, 8.0, 3.0, 1.0))}
        lines = lines_of(row(LATENCY, sides=BOTH_POLICIES), runs)
        self.assertEqual([(line.side, line.floor, line.over_floor) for line in lines], [("ours fsync", 3.0, 2.0), ("ours replicated", 1.0, 4.0)])

    def test_a_miss_is_said(self):
        runs = {"ours": [measured(rate=150)], "kafka": [measured(rate=100)]}
        (line,) = lines_of(row(RATE), runs)
        self.assertEqual(line.verdict, "MISSED")
        self.assertIn("MISSED", table.line_text(line, row(RATE)))

    def test_a_limit_is_on_our_own_figure(self):
        runs = {"ours": [measured(rss=13)], "kafka": [measured(rss=300)]}
        (line,) = lines_of(row(Metric("rss", "rss", "MiB", limit=12)), runs)
        self.assertEqual(line.verdict, "MISSED")


class Process(unittest.TestCase):
    STAT = "17 (a (strange) name) S 1 17 17 0 -1 4194560 100 200 3 4 {} {} 8 9 20 0 30 0 5 6 7"

    def test_the_cpu_of_a_process_is_found_behind_any_name(self):
        ticks = process.TICKS_PER_SECOND
        cpu = process.parse_stat(self.STAT.format(3 * ticks, 5 * ticks))
        self.assertEqual((cpu.user, cpu.system, cpu.total), (3.0, 5.0, 8.0))

    def test_a_size_is_in_bytes(self):
        self.assertEqual(process.parse_status_bytes("VmPeak:\t 9 kB\nVmRSS:\t 12 kB\n", "VmRSS"), 12 * 1024)
        with self.assertRaises(ValueError):
            process.parse_status_bytes("VmPeak: 9 kB", "VmRSS")

    def test_the_cost_of_a_window_is_that_between_the_samples_nearest_to_its_ends(self):
        samples = [(float(at), process.Cpu(at / 10, at / 5), 1000 - at) for at in range(10)]
        cpu, resident = process.between(samples, 2.1, 6.9)
        self.assertAlmostEqual(cpu.user, 0.5)
        self.assertAlmostEqual(cpu.system, 1.0)
        self.assertEqual(resident, 998)


class CrossCheck(unittest.TestCase):
    def test_the_last_summary_is_the_one_without_the_warm_up(self):
        line = "{} records sent, {} records/sec (4.88 MB/sec), 3.9 ms avg latency, 201.00 ms max latency, {} ms 50th, 8 ms 95th, {} ms 99th, 30 ms 99.9th."
        text = "\n".join([line.format(30000, 4990.5, 4, 90), line.format(25000, "5000.1", 3, 24)])
        self.assertEqual(cross_check.parse_performance(text), (5000.1, {"p50_ms": 3.0, "p99_ms": 24.0}))
        with self.assertRaises(RuntimeError):
            cross_check.parse_performance("nothing")


class Words(unittest.TestCase):
    def test_flags_become_words_and_those_without_a_value_stand_alone(self):
        flags = {"batch_size": 0, "keyed": True, "cpu": None, "idempotent": False}
        self.assertEqual(generator.words_of(flags), ["--batch-size", "0", "--keyed"])


class Rows(unittest.TestCase):
    def test_every_row_has_a_name_of_its_own_and_compares_with_a_side_it_has(self):
        names = [row.name for row in rows.ALL]
        self.assertEqual(len(names), len(set(names)))
        for row in [*rows.ALL, *variants.rows(variants.WAYS)]:
            sides = {side.name for side in getattr(row, "sides", ())}
            for side in getattr(row, "sides", ()):
                self.assertIn(side.against, sides | {None}, row.name)

    def test_variants_are_floors_with_flags_of_their_own_and_differ_from_plain_in_one(self):
        found = variants.rows(variants.WAYS)
        self.assertEqual(len({row.name for row in found}), len(found))
        self.assertLessEqual(set(variants.WAYS), set(FLOOR_FLAGS))
        for row in found:
            *ways, plain = row.sides
            for side in ways:
                self.assertTrue(is_floor(side.kind))
                self.assertEqual(sorted(floor_flags(side.kind)), sorted([*floor_flags(plain.kind), *FLOOR_FLAGS[side.name]]), row.name)
        self.assertEqual([side.name for row in variants.rows(["copy"]) for side in row.sides], ["copy", "plain"] * 2)

    def test_costs_of_variants_stand_where_the_generator_was_the_limit(self):
        saturated = next(row for row in variants.rows(["direct"]) if row.name == "variant-saturate-16k")
        runs = {"direct": [measured(0.9, cpu_s_per_gb=0.1, mb_per_second=500)], "plain": [measured(0.9, cpu_s_per_gb=0.2, mb_per_second=500)]}
        ratios = {line.metric.key: line.ratio for line in lines_of(saturated, runs)}
        self.assertEqual((ratios["cpu_s_per_gb"], ratios["mb_per_second"]), (0.5, None))

    def test_a_run_knows_its_cost(self):
        produced = {"bytes": 2e9, "requests": 1000, "records": 4_000_000, "measured_seconds": 4.0, "core_fraction": 0.2, "latency_us": None}
        values = load.figures(produced, None, process.Cpu(1.0, 3.0), 64 << 20, {}, 1_000_000).values
        self.assertEqual((values["cpu_s_per_gb"], values["user_s_per_gb"], values["cpu_us_per_request"]), (2.0, 0.5, 4000.0))
        self.assertEqual((values["mb_per_second"], values["kept_percent"], values["resident_mib"]), (500.0, 100.0, 64.0))

    def test_no_latency_is_not_a_latency_of_zero(self):
        self.assertEqual(load.latencies({"count": 0, "p50": 0, "p99": 0, "p99_9": 0, "max": 0}), {})
        told = load.latencies({"count": 1, "p50": 500, "p99": 1000, "p99_9": 1500, "max": 2000})
        self.assertEqual(told, {"p50_ms": 0.5, "p99_ms": 1.0, "p99_9_ms": 1.5, "max_ms": 2.0})

    def test_a_consumer_that_does_not_follow_fails_the_row(self):
        produced = {"bytes": 100e6, "requests": 10, "records": 100, "measured_seconds": 1.0, "core_fraction": 0.2}
        consumed = {**produced, "bytes": 1e6}
        with self.assertRaisesRegex(RuntimeError, "did not follow"):
            load.figures(produced, consumed, process.Cpu(1.0, 1.0), 1, {})


class Numbers(unittest.TestCase):
    def test_numbers_have_three_digits_that_matter(self):
        cases = {0.0312: "0.031", 0.5: "0.50", 12.34: "12.3", 48123.0: "48,123", None: "-", 0: "0"}
        self.assertEqual({value: table.number(value) for value in cases}, cases)


if __name__ == "__main__":
    unittest.main()
