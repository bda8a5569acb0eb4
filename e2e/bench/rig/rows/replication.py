"""Three brokers, three replicas of everything: what a gigabyte costs all of them together, how long acks=all takes, what idle partitions
cost, and how long producers wait while one broker is restarted or killed.
"""

import time

from rig.arithmetic import HIGHER
from rig.brokers import APACHE
from rig.generator import Generator, window_of
from rig.load import figures, latencies
from rig.row import KAFKA, OURS_FSYNC, OURS_REPLICATED, Measured, Metric, Row
from rig.trio import Trio

SIDES = (OURS_FSYNC, OURS_REPLICATED, KAFKA)
TOPIC = "replicated"
IDLE_PARTITIONS = 1_000
AT_A_RATE = {"record_size": 1024, "batch_size": 16_384, "linger_ms": 0, "connections": 10, "throughput": 1_000}
COST = {"record_size": 1024, "batch_size": 65_536, "linger_ms": 20, "connections": 3, "throughput": 20_000}
KEYED = {"record_size": 100, "batch_size": 1_024, "linger_ms": 5, "connections": 200, "keyed": True, "throughput": 5_000}
# Every record is looked at: one that waits for a broker that is gone waits in the figure of the longest.
THROUGH_FAULTS = {"record_size": 100, "batch_size": 1_024, "linger_ms": 0, "connections": 3, "throughput": 300, "idempotent": True}
# What a JVM must have compiled before it is compared.
WARM_UP_SECONDS = {APACHE: 40}
SETTLED_SECONDS = 5


def run(rig, trio, topic, flags, consume=False, seconds=None):
    """One load on a topic: its figures, the CPU of all three brokers in them."""
    seconds = seconds or rig.measured_seconds
    length = {"warm_up_seconds": rig.run_in_seconds, "duration_seconds": rig.run_in_seconds + seconds}
    reader = Generator(rig, trio, "consume", {"topic": topic, **length}) if consume else None
    try:
        with trio.sampled() as spent, Generator(rig, trio, "produce", {"topic": topic, **length, **flags}) as writer:
            produced = writer.result()
            consumed = reader.result() if reader else None
            # The samples go on a little beyond the end of the window.
            time.sleep(0.05)
            cpu, resident = spent(*window_of(produced))
    finally:
        if reader and reader.process.poll() is None:
            reader.stop()
    return figures(produced, consumed, cpu, resident, None, flags["throughput"])


def warm_up(rig, trio, side):
    seconds = WARM_UP_SECONDS.get(side.kind, 3) if not rig.quick else 1
    trio.create_topic("warm-up", 3, side.configs)
    for flags in (COST, KEYED):
        with Generator(rig, trio, "produce", {"topic": "warm-up", "warm_up_seconds": 0, "duration_seconds": seconds / 2, **flags}) as writer:
            writer.result()


def replicated(rig, side):
    """Latency, cost, many producers, and idle partitions, on one trio, the quiet ones first."""
    with Trio(side.kind, rig.home) as trio:
        warm_up(rig, trio, side)
        trio.create_topic(TOPIC, 3, side.configs)
        trio.create_topic("keyed", 16, side.configs)
        rig.warm_memory(int(3 * 25e6 * (rig.measured_seconds + rig.run_in_seconds)))
        with rig.pool.feeding():
            latency = run(rig, trio, TOPIC, AT_A_RATE)
            keyed = run(rig, trio, "keyed", KEYED)
            cost = run(rig, trio, TOPIC, COST, consume=True)
        values = {
            **{key: latency.values.get(key) for key in ("p50_ms", "p99_ms", "p99_9_ms")},
            "cpu_s_per_gb": cost.values["cpu_s_per_gb"],
            "user_s_per_gb": cost.values["user_s_per_gb"],
            "cpu_us_per_request": keyed.values["cpu_us_per_request"],
            "keyed_p99_ms": keyed.values.get("p99_ms"),
            "resident_mib": cost.values["resident_mib"],
            "kept_percent": min(each.values["kept_percent"] for each in (latency, keyed, cost)),
            "idle_cpu_ms_per_s": idle(rig, trio, side),
        }
        fractions = [each.generator_fraction for each in (latency, keyed, cost)]
        return Measured(values, max(fractions), {"latency": latency.details, "keyed": keyed.details, "cost": cost.details})


def idle(rig, trio, side):
    """Thousandths of a processor that all three need for partitions that nobody uses."""
    trio.create_topic("idle", rig.sized(IDLE_PARTITIONS, 30), side.configs)
    time.sleep(rig.sized(SETTLED_SECONDS, 0))
    seconds, before = rig.sized(10, 1), trio.run_seconds()
    time.sleep(seconds)
    return (trio.run_seconds() - before) * 1000 / seconds


def through(rig, trio, topic, seconds, disturb):
    """A paced load of an idempotent producer while `disturb` goes on; how long the record waited that waited longest."""
    length = {"warm_up_seconds": 0, "duration_seconds": seconds}
    with Generator(rig, trio, "produce", {"topic": topic, **length, **THROUGH_FAULTS}) as writer:
        time.sleep(rig.run_in_seconds)
        disturb()
        return writer.result()


def fail_over(rig, side):
    """The leader of a partition is killed; then, with all of them back, each broker is restarted in turn."""
    with Trio(side.kind, rig.home) as trio:
        warm_up(rig, trio, side)
        trio.create_topic(TOPIC, 1, side.configs)
        killed = trio.leader_of(TOPIC)
        report = through(rig, trio, TOPIC, rig.sized(25, 15), killed.kill)
        values = {"killed_max_ms": latencies(report["latency_us"])["max_ms"], "killed_given_up": given_up(report)}
        killed.launch()
        killed.start_answering()
        trio.await_whole(TOPIC, 1)

        def roll():
            for node in trio.nodes.values():
                node.stop()
                node.launch()
                node.start_answering()
                trio.await_whole(TOPIC, 1)

        report = through(rig, trio, TOPIC, rig.sized(60, 45), roll)
        return Measured({**values, "roll_max_ms": latencies(report["latency_us"])["max_ms"], "roll_given_up": given_up(report)}, details={"produce": report})


def given_up(report):
    return report["failed_records"]


ROWS = [
    Row(
        "replicated-3",
        "three replicas, acks=all: latency, cost of all three brokers, many producers, idle partitions",
        (
            Metric("p50_ms", "p50 of produce", "ms"),
            Metric("p99_ms", "p99", "ms", aim=0.33),
            Metric("p99_9_ms", "p99.9", "ms", aim=0.2),
            Metric("cpu_s_per_gb", "CPU of all three", "s/GB", aim=0.40),
            Metric("user_s_per_gb", "  in user mode", "s/GB"),
            Metric("cpu_us_per_request", "200 keyed producers", "us/req"),
            Metric("keyed_p99_ms", "  their p99", "ms"),
            Metric("idle_cpu_ms_per_s", "1,000 idle partitions", "ms/s"),
            Metric("resident_mib", "memory of all three", "MiB"),
            Metric("kept_percent", "rate kept", "%", HIGHER),
        ),
        replicated,
        {"acks": "all", "replicas": 3, "latency": "1,000 records/s of 1 KiB", "cost": "20 MB/s in batches of 64 KiB, read at the tail", "keyed": "200 producers, 16 partitions, 5,000 records/s of 100 B"},
        SIDES,
    ),
    Row(
        "fail-over",
        "three replicas: how long a producer's record waits when its leader is killed, and while every broker is restarted",
        (
            Metric("killed_max_ms", "leader killed: longest wait", "ms", aim=0.2),
            Metric("killed_given_up", "  records given up", ""),
            Metric("roll_max_ms", "all restarted: longest wait", "ms"),
            Metric("roll_given_up", "  records given up", ""),
        ),
        fail_over,
        {"acks": "all", "replicas": 3, "load": "300 idempotent records/s over 3 connections"},
        SIDES,
        pairs=1,
    ),
]
