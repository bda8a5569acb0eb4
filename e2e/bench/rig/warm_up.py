"""Before anything is measured a broker is used until its code is compiled and its memory touched. Excluded from every figure, and shown."""

import time

from rig.brokers import APACHE
from rig.generator import Generator
from rig.load import topic_on

# What a JVM must have compiled before it is compared: large and small requests, many connections, each codec, and reading.
LOADS = [
    (20, {"record_size": 1024, "throughput": 40_000, "batch_size": 16_384}),
    (20, {"record_size": 100, "throughput": 5_000, "batch_size": 0, "linger_ms": 0, "connections": 200}),
    (5, {"record_size": 1024, "throughput": 20_000, "batch_size": 65_536, "compression_type": "gzip", "entropy": 0.3}),
    (5, {"record_size": 1024, "throughput": 20_000, "batch_size": 65_536, "compression_type": "snappy", "entropy": 0.3}),
    (5, {"record_size": 1024, "throughput": 20_000, "batch_size": 65_536, "compression_type": "lz4", "entropy": 0.3}),
    (5, {"record_size": 1024, "throughput": 20_000, "batch_size": 65_536, "compression_type": "zstd", "entropy": 0.3}),
]


def warm_up(rig, broker):
    """Answers the seconds it took: at least 60 for a JVM, a tenth of that for a program that needs none but for its memory."""
    scale = rig.sized(1.0 if broker.kind == APACHE else 0.1, 0.05 if broker.kind == APACHE else 0.02)
    began = time.monotonic()
    with topic_on(broker, 1, {}) as topic:
        for seconds, flags in LOADS:
            length = {"topic": topic, "warm_up_seconds": 0, "duration_seconds": seconds * scale}
            with Generator(rig, broker, "consume", length) as reader, Generator(rig, broker, "produce", {**length, **flags}) as writer:
                writer.result()
                reader.result()
    took = time.monotonic() - began
    rig.say(f"{broker.kind} was warmed up for {took:.0f} s, which no figure counts")
    return round(took, 1)
