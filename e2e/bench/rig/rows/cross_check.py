"""Whether our generator tells the truth: the same load by it, by Kafka's ProducerPerformance and by librdkafka, against one broker.

The broker is Apache Kafka, so that no mistake that broker and generator share can hide. "ours" is our generator here, "kafka" the other.
"""

import json
import re
import subprocess

from rig.arithmetic import HIGHER
from rig.brokers import APACHE
from rig.generator import GRACE_SECONDS, Generator, words_of
from rig.load import latencies, topic_on
from rig.row import Measured, Metric, Row, Side
from under_test import artifacts

# Single records a batch would ask of Python and the JVM what this is not about.
FLAGS = {"record_size": 1024, "batch_size": 16_384, "linger_ms": 5}
RECORDS_PER_SECOND = 5_000
METRICS = (
    Metric("records_per_second", "records", "1/s", HIGHER),
    Metric("p50_ms", "p50 of produce", "ms"),
    Metric("p99_ms", "p99", "ms"),
    Metric("core_percent", "generator's CPU", "%"),
)
# 7999 records sent, 1599.8 records/sec (1.56 MB/sec), 3.91 ms avg latency, 201.00 ms max latency, 3 ms 50th, 8 ms 95th, 24 ms 99th, …
PERFORMANCE_LINE = re.compile(r"(\d+) records sent, ([\d.]+) records/sec .* (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th")


def length(rig):
    return {"warm_up_seconds": rig.run_in_seconds, "duration_seconds": rig.run_in_seconds + rig.measured_seconds}


def by_ours(rig, broker, topic):
    with Generator(rig, broker, "produce", {"topic": topic, "throughput": RECORDS_PER_SECOND, **FLAGS}) as generator:
        report = generator.result()
    return report["records"] / report["measured_seconds"], latencies(report["latency_us"]), report["core_fraction"]


def parse_performance(text):
    """The last summary of ProducerPerformance: with warm-up records there are two, and the last is without them."""
    found = PERFORMANCE_LINE.findall(text)
    if not found:
        raise RuntimeError(f"ProducerPerformance printed no summary: {text[-600:]}")
    _, rate, p50, p99 = found[-1]
    return float(rate), {"p50_ms": float(p50), "p99_ms": float(p99)}


def by_producer_performance(rig, broker, topic):
    """It tells whole milliseconds, and counts latency from when it sent."""
    warm, seconds = length(rig).values()
    properties = [f"bootstrap.servers={broker.bootstrap}", "acks=all", f"linger.ms={FLAGS['linger_ms']}", f"batch.size={FLAGS['batch_size']}", "enable.idempotence=false"]
    command = ["java", "-cp", artifacts.judge_class_path(), "org.apache.kafka.tools.ProducerPerformance", "--topic", topic]
    command += ["--num-records", int(RECORDS_PER_SECOND * seconds), "--warmup-records", int(RECORDS_PER_SECOND * warm)]
    command += ["--record-size", FLAGS["record_size"], "--throughput", RECORDS_PER_SECOND, "--command-property", *properties]
    rate, told = parse_performance(completed(command, seconds))
    return rate, told, 0.0


def by_librdkafka(rig, broker, topic):
    python = artifacts.python_with("newest") / "bin" / "python"
    program = artifacts.REPOSITORY / "e2e" / "bench" / "rig" / "librdkafka_producer.py"
    flags = {"bootstrap_server": broker.bootstrap, "topic": topic, "throughput": RECORDS_PER_SECOND, **FLAGS, **length(rig)}
    report = json.loads(completed([python, program, *words_of(flags)], length(rig)["duration_seconds"]).splitlines()[-1])
    if report["failed"]:
        raise RuntimeError(f"librdkafka could not deliver: {report['failed'][0]}")
    told = {f"{name}_ms": value / 1000 for name, value in report["latency_us"].items()}
    return report["records"] / report["measured_seconds"], told, report["core_fraction"]


def completed(command, seconds):
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + GRACE_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} exited {done.returncode}: {(done.stderr or done.stdout)[-600:]}")
    return done.stdout


TOOLS = {"barnabas perf": by_ours, "ProducerPerformance": by_producer_performance, "librdkafka": by_librdkafka}


def measure(rig, side):
    broker = rig.fleet.get(APACHE)
    with topic_on(broker, 1, {}) as topic:
        rig.warm_memory(128 << 20)
        with rig.pool.feeding():
            rate, told, fraction = TOOLS[side.name](rig, broker, topic)
    # Another tool's appetite says nothing of ours: no row of this kind is client-bound.
    return Measured({"records_per_second": rate, "core_percent": 100 * fraction or None, **told})


def row(name, tool):
    sides = (Side("barnabas perf", APACHE, {}, tool), Side(tool, APACHE))
    fixed = {"acks": "all", "record": "1024 B", "batch": "16384 B", "linger": "5 ms", "codec": "none", "connections": 1, "partitions": 1, "rate": f"{RECORDS_PER_SECOND:,} records/s", "page cache": "warm"}
    return Row(name, f"our generator (ours) beside {tool} (kafka), both against Apache Kafka", METRICS, measure, fixed, sides)


ROWS = [row("check-performance", "ProducerPerformance"), row("check-librdkafka", "librdkafka")]
