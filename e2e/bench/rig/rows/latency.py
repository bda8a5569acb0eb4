"""How long an answer takes: at a fixed rate, durable, from end to end, and while something else goes on.

Rates are kept whatever the broker does, and latency counts from when a record was due, so that a stall is not hidden.
"""

import contextlib
import os
import threading
import time

from rig import arithmetic, machine
from rig.arithmetic import HIGHER
from rig.brokers import BARNABAS
from rig.generator import Generator
from rig.load import Load, broker_for, latencies, per, slim, topic_on
from rig.row import BOTH_POLICIES, KAFKA, KAFKA_FLUSHING, OURS_FSYNC, OURS_REPLICATED, SYNC_FLOOR, Measured, Metric, Row, Side
from rig.rows.throughput import POLICIES, described
from under_test import wire

GIB = 2**30
PRODUCE = (
    Metric("p50_ms", "p50 of produce", "ms"),
    Metric("p99_ms", "p99", "ms", aim=0.33),
    Metric("p99_9_ms", "p99.9", "ms", aim=0.2),
    Metric("kept_percent", "rate kept", "%", HIGHER),
)
TAILS = (*PRODUCE[:2], Metric("p99_9_ms", "p99.9", "ms"), Metric("max_ms", "longest", "ms"))
FIXED_RATE = Load({"record_size": 1024, "batch_size": 16_384, "linger_ms": 0, "connections": 10, "throughput": 5_000}, writes_bytes_per_second=6e6)
DURABLE_1 = Load({"record_size": 1024, "batch_size": 0, "linger_ms": 0, "connections": 1, "throughput": 200}, writes_bytes_per_second=1e6)
DURABLE_16 = Load({"record_size": 1024, "batch_size": 0, "connections": 16, "in_flight": 1}, writes_bytes_per_second=50e6)
OURS_DURABLE = Side("ours fsync", BARNABAS, {"barnabas.durability": "fsync"}, "kafka flush=1", "floor sync")
DURABLE = (OURS_DURABLE, KAFKA_FLUSHING, SYNC_FLOOR)
DURABLE_METRICS = (
    Metric("requests_per_second", "acknowledged", "1/s", HIGHER, aim=3.0),
    Metric("p50_ms", "p50 of produce", "ms"),
    Metric("p99_ms", "p99", "ms", aim=0.33),
    Metric("p99_9_ms", "p99.9", "ms"),
)
# The load whose latency is looked at while something else goes on.
WATCHED = {"record_size": 1024, "batch_size": 16_384, "linger_ms": 0, "connections": 4, "throughput": 1_000}
NO_FLOOR = (OURS_FSYNC, OURS_REPLICATED, KAFKA)


def end_to_end(rig, side):
    """A record is produced, and consumed as soon as it is acknowledged; the time from when it was due to when it was read."""
    with broker_for(rig, side, 1) as broker, topic_on(broker, 1, side.configs) as topic:
        rig.warm_memory(64 << 20)
        with rig.pool.feeding(), Generator(rig, broker, "latency", {"topic": topic, "record_size": 1024, "linger_ms": 0, "throughput": 500}) as generator:
            report = generator.result()
        return Measured(latencies(report["latency_us"]), report["core_fraction"], {"latency": slim(report)})


@contextlib.contextmanager
def watched(rig, side, writes_bytes, configs=None):
    """A broker with a topic for the watched load, and memory for what else will be written."""
    with broker_for(rig, side, 1) as broker, topic_on(broker, 1, {**(configs or {}), **side.configs}) as topic:
        rig.warm_memory(writes_bytes)
        with rig.pool.feeding():
            yield broker, topic


def watch(rig, broker, topic, also=None):
    """Runs the watched load and answers its figures; `also` gives more once it is over."""
    with Generator(rig, broker, "produce", {"topic": topic, **WATCHED}) as generator:
        report = generator.result()
    values = {**latencies(report["latency_us"]), "kept_percent": 100 * report["records_per_second"] / WATCHED["throughput"], **(also() if also else {})}
    return Measured(values, report["core_fraction"], {"produce": slim(report)})


COLD_TOPIC = "cold"


def cold_bytes(rig):
    return rig.sized(10 * GIB, 128 << 20)


def cold_topic(rig, broker):
    """A topic with 10 GiB on the disk and nothing of it in memory; written once for each broker and read anew each time."""
    if not broker.files_of(COLD_TOPIC):
        rig.say(f"writing {cold_bytes(rig) / GIB:.1f} GiB to {broker.kind}")
        broker.create_topic(COLD_TOPIC, 1, {"barnabas.durability": "replicated"})
        flags = {"topic": COLD_TOPIC, "record_size": 1024, "batch_size": 1_000_000, "connections": 4, "warm_up_seconds": 0}
        with Generator(rig, broker, "produce", {**flags, "num_records": cold_bytes(rig) // 1024, "duration_seconds": 120}) as generator:
            generator.result()
    machine.evict(broker.data)


def cold_read(rig, side):
    """The watched load while another connection reads 10 GiB from their beginning, from the disk."""
    cold_topic(rig, rig.fleet.get(side.kind))
    with watched(rig, side, cold_bytes(rig)) as (broker, topic):
        length = {"topic": COLD_TOPIC, "warm_up_seconds": 0, "num_records": cold_bytes(rig) // 1024, "duration_seconds": 60}
        with Generator(rig, broker, "consume", length) as reader:
            def read():
                report = reader.result()
                return {"cold_mb_per_second": report["bytes"] / 1e6 / report["measured_seconds"]}

            return watch(rig, broker, topic, read)


def forget_cold_topic(rig):
    for broker in rig.fleet.standing.values():
        broker.resume()
        if broker.files_of(COLD_TOPIC):
            broker.delete_topic(COLD_TOPIC)


def while_retention_deletes(rig, side):
    """The watched load, while a second topic is written at 50 MB/s and keeps only 16 MB."""
    small = {"segment.bytes": 8 << 20, "retention.bytes": 16 << 20}
    with watched(rig, side, 50_000_000 * int(rig.measured_seconds + rig.run_in_seconds + 1)) as (broker, topic), topic_on(broker, 1, {**small, **side.configs}) as other:
        flags = {"topic": other, "record_size": 1024, "batch_size": 65_536, "linger_ms": 5, "throughput": 50_000}
        with Generator(rig, broker, "produce", flags) as writer:
            def deleted():
                written = writer.result()["bytes"]
                kept = sum(path.stat().st_size for folder in broker.files_of(other) for path in folder.glob("*.log"))
                return {"deleted_mb": max(0, written - kept) / 1e6}

            return watch(rig, broker, topic, deleted)


def while_flooded(rig, side):
    """The watched load while another client sends as fast as it can to another topic."""
    flags = {"record_size": 1024, "batch_size": 16_384, "connections": 4, "in_flight": 5}
    with watched(rig, side, int(1e9 * (rig.measured_seconds + rig.run_in_seconds))) as (broker, topic), topic_on(broker, 1, side.configs) as other:
        with Generator(rig, broker, "produce", {"topic": other, **flags}) as flood:
            return watch(rig, broker, topic, lambda: {"flood_mb_per_second": flood.result()["bytes"] / 1e6 / (rig.measured_seconds)})


class DiskWriter:
    """Keeps the disk busy: writes and syncs as fast as it can, beside the broker's data."""

    PIECE = b"\0" * (4 << 20)
    FILE_BYTES = 256 << 20

    def __init__(self, directory):
        self.path = directory / "disk-writer"
        self.written = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.write, daemon=True)

    def write(self):
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        try:
            while not self.stopping.is_set():
                os.pwrite(handle, self.PIECE, self.written % self.FILE_BYTES)
                os.fdatasync(handle)
                self.written += len(self.PIECE)
        finally:
            os.close(handle)
            self.path.unlink()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def heartbeats(rig, side):
    """Heartbeats of a consumer group, 50 a second, while the disk is written and synced without pause and the broker is written to."""
    with watched(rig, side, 100 << 20) as (broker, topic), wire.Connection(broker.port) as connection:
        group = wire.GroupOfOne(connection, f"heartbeats-of-{topic}")
        flags = {"topic": topic, **WATCHED}
        took_ms = []
        with DiskWriter(broker.directory) as disk, Generator(rig, broker, "produce", flags) as writer:
            began = due = time.monotonic()
            while writer.process.poll() is None:
                code = group.heartbeat()
                if code != wire.NONE:
                    raise wire.Refused(f"a heartbeat was answered with error {code}")
                took_ms.append((time.monotonic() - due) * 1000)
                due = max(due + 0.02, time.monotonic() - 1)
                time.sleep(max(0, due - time.monotonic()))
            writer.result()
            disk_mb_per_second = disk.written / 1e6 / (time.monotonic() - began)
    names = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1}
    values = {name: arithmetic.percentile(took_ms, fraction) for name, fraction in names.items()}
    return Measured({**values, "disk_mb_per_second": per(disk_mb_per_second, 1)})


def beside(what):
    return {**described(Load(WATCHED)), "meanwhile": what}


ALONE = [
    Row("produce-latency", "produce latency at a fixed rate", PRODUCE, FIXED_RATE, described(FIXED_RATE)),
    Row(
        "durable-1",
        "durable acks, one connection, 200 a second, against Kafka with flush.messages=1",
        DURABLE_METRICS[1:],
        DURABLE_1,
        described(DURABLE_1, durability="both sync before they acknowledge"),
        DURABLE,
    ),
    Row(
        "durable-16",
        "durable acks, 16 connections in a closed loop, against Kafka with flush.messages=1",
        DURABLE_METRICS,
        DURABLE_16,
        described(DURABLE_16, durability="both sync before they acknowledge"),
        DURABLE,
    ),
    Row(
        "durable-16-unsynced",
        "the same, ours durable, against Kafka that does not sync",
        (Metric("p99_ms", "p99 of produce", "ms", aim=1.0), Metric("p50_ms", "p50", "ms"), Metric("requests_per_second", "acknowledged", "1/s", HIGHER)),
        DURABLE_16,
        described(DURABLE_16, durability="ours syncs before it acknowledges, Kafka does not"),
        (OURS_FSYNC, KAFKA, SYNC_FLOOR),
    ),
    Row(
        "end-to-end",
        "from when a record was due to when a consumer has it",
        (Metric("p50_ms", "p50 end to end", "ms", aim=0.8), Metric("p99_ms", "p99", "ms", aim=0.6), Metric("p99_9_ms", "p99.9", "ms")),
        end_to_end,
        {"acks": "all", **POLICIES, "record": "1024 B", "batch": "1 record", "linger": "0 ms", "codec": "none", "connections": "1 + 1", "rate": "500 records/s", "partitions": 1, "page cache": "warm"},
        BOTH_POLICIES,
    ),
]
BESIDE_LOAD = [
    Row(
        "cold-read",
        "produce latency while another connection reads 10 GiB from the disk",
        (*TAILS, Metric("cold_mb_per_second", "read from the disk", "MB/s", HIGHER)),
        cold_read,
        {**beside("one consumer reads 10 GiB from the beginning"), "page cache": "cold for what is read"},
        NO_FLOOR,
        finish=forget_cold_topic,
        disk_gib=26,
    ),
    Row(
        "retention",
        "produce latency while retention deletes",
        (*TAILS, Metric("deleted_mb", "deleted meanwhile", "MB", HIGHER)),
        while_retention_deletes,
        beside("50 MB/s to a topic with segment.bytes=8 MiB and retention.bytes=16 MiB, looked at each second"),
        NO_FLOOR,
    ),
    Row(
        "flood",
        "produce latency of one client while another floods",
        (*TAILS, Metric("flood_mb_per_second", "the flood", "MB/s", HIGHER)),
        while_flooded,
        beside("4 connections in a closed loop, 16 KB batches"),
        NO_FLOOR,
    ),
    Row(
        "heartbeat",
        "group heartbeats while the disk is saturated",
        (Metric("p50_ms", "p50 of Heartbeat", "ms"), Metric("p99_ms", "p99", "ms"), Metric("max_ms", "longest", "ms"), Metric("disk_mb_per_second", "written beside it", "MB/s", HIGHER)),
        heartbeats,
        beside("4 MiB written and synced again and again beside the broker's data"),
        NO_FLOOR,
    ),
]
