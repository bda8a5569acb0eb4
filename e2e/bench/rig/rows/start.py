"""How long a broker takes to serve: exec to the first acknowledged produce, and the same with 10,000 partitions, clean and killed."""

import time

from rig import process
from rig.load import on_topic
from rig.row import KAFKA, ONE_POLICY, OURS_FSYNC, OURS_REPLICATED, Measured, Metric, Row
from rig.rows.scale import GROWTH, spread
from under_test import wire

TOPIC = "started"
DEADLINE_SECONDS = 120
# Apache Kafka was a minute behind with 10,000 a second, each in a batch of its own.
RECORDS_PER_SECOND = 1_000
# As by default: looking at 10,000 logs each second would be a load of its own.
SELDOM_LOOKED_AT = {"log.retention.check.interval.ms": 300_000}


def first_acknowledged(broker, topic, partition=0):
    """Starts a broker and produces until it acknowledges; seconds since exec. Looks every millisecond."""
    began = time.monotonic()
    broker.launch()
    while time.monotonic() - began < DEADLINE_SECONDS:
        try:
            with wire.Connection(broker.port) as connection:
                while wire.produce(connection, topic, partition) != wire.NONE:
                    time.sleep(0.001)
                return time.monotonic() - began
        except OSError:
            if not broker.alive():
                raise RuntimeError(f"{broker.kind} exited {broker.process.returncode} while starting:\n{broker.log_tail()}")
            time.sleep(0.001)
    raise TimeoutError(f"{broker.kind} acknowledged nothing within {DEADLINE_SECONDS} s of its start")


def start(rig, side):
    """A formatted directory with one topic of one partition, stopped cleanly, then started again."""
    with rig.fleet.fresh(side.kind) as broker:
        broker.start()
        broker.create_topic(TOPIC)
        broker.stop()
        seconds = first_acknowledged(broker, TOPIC)
        cpu = process.run_seconds(broker.pid)
        broker.stop()
        return Measured({"start_ms": seconds * 1000, "cpu_ms": cpu * 1000})


def partitions_of(rig):
    return rig.sized(10_000, 200)


def many_partitions(rig, side):
    """Create, look at memory, stop cleanly and start, kill and start, delete: all on one directory, for making it is the long part."""
    count = partitions_of(rig)
    with rig.fleet.fresh(side.kind, overrides=SELDOM_LOOKED_AT) as broker:
        broker.start()
        values = {"created_s": seconds_of(lambda: create(broker, count, side.configs))}
        with wire.Connection(broker.port) as connection:
            for partition in range(0, count, max(1, count // 100)):
                wire.produce(connection, TOPIC, partition)
        values["resident_mib"] = process.resident_bytes(broker.pid) / 2**20
        loaded = loaded_values(rig, broker, count)
        broker.stop()
        values["clean_s"] = restarted(broker, count)
        broker.kill()
        values["killed_s"] = restarted(broker, count)
        began = time.monotonic()
        with wire.Connection(broker.port) as connection:
            wire.delete_topic(connection, TOPIC)
        wire.await_gone(broker.port, TOPIC, DEADLINE_SECONDS)
        values["deleted_s"] = time.monotonic() - began
        return Measured({**values, **loaded.values}, loaded.generator_fraction, loaded.details)


def create(broker, count, configs):
    """In two halves: one request may make no more than 10,000 records in the metadata log, of which the topic itself is one."""
    half = count // 2
    broker.create_topic(TOPIC, half, configs)
    with wire.Connection(broker.port) as connection:
        wire.add_partitions(connection, TOPIC, count)
    wire.await_leaders(broker.port, TOPIC, count, DEADLINE_SECONDS)


def loaded_values(rig, broker, count):
    """The load of partitions-N at a rate that both sustain, to see how cost grows. Without a record answered in the window there is no latency."""
    measured = on_topic(rig, broker, TOPIC, spread(count, throughput=RECORDS_PER_SECOND))
    told = {key: measured.values[key] for key in ("cpu_s_per_million", "p99_ms", "kept_percent") if key in measured.values}
    return Measured(told, measured.generator_fraction, measured.details)


def seconds_of(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def restarted(broker, count):
    """Seconds from exec until every partition has a leader and the last one acknowledges."""
    began = time.monotonic()
    broker.launch()
    while not broker.answers():
        if not broker.alive():
            raise RuntimeError(f"{broker.kind} exited {broker.process.returncode} while starting:\n{broker.log_tail()}")
        time.sleep(0.002)
    wire.await_leaders(broker.port, TOPIC, count, DEADLINE_SECONDS)
    with wire.Connection(broker.port) as connection:
        while wire.produce(connection, TOPIC, count - 1) != wire.NONE:
            time.sleep(0.002)
    return time.monotonic() - began


FIXED = {"acks": "all", "connections": 1, "page cache": "warm", "durability": "ours fsync, Kafka none"}
ROWS = [
    Row(
        "start",
        "exec to the first acknowledged produce, one partition, after a clean stop",
        (Metric("start_ms", "first acknowledged produce", "ms", limit=40), Metric("cpu_ms", "CPU until then", "ms")),
        start,
        {**FIXED, "partitions": 1},
        ONE_POLICY,
    ),
    Row(
        "partitions-10k",
        "10,000 partitions: create, memory, load, start after a clean stop and after kill -9, delete",
        (
            Metric("created_s", "created, all led", "s"),
            Metric("resident_mib", "resident memory", "MiB", limit=160),
            Metric("clean_s", "start after a clean stop", "s"),
            Metric("killed_s", "start after kill -9", "s", limit=1.0),
            Metric("deleted_s", "deleted", "s"),
            *GROWTH[:3],
        ),
        many_partitions,
        {"acks": "all", "durability": "ours as named, Kafka's page cache", "partitions": "10,000 in one topic", "load": f"{RECORDS_PER_SECOND:,} keyed records of 1 KiB a second over 10 connections", "page cache": "warm"},
        (OURS_FSYNC, OURS_REPLICATED, KAFKA),
        pairs=1,
    ),
]
