"""How cost grows with partitions and connections."""

from rig.arithmetic import HIGHER
from rig.load import Load
from rig.row import BOTH_POLICIES, Metric, Row
from rig.rows.throughput import described

GROWTH = (
    Metric("cpu_s_per_million", "broker CPU per 10^6 records", "s"),
    Metric("p99_ms", "p99 of produce", "ms"),
    Metric("kept_percent", "rate kept", "%", HIGHER),
    Metric("resident_mib", "resident memory", "MiB"),
)


def spread(partitions, throughput=10_000):
    """The same rate whatever the number of partitions: what grows is the number of batches."""
    flags = {"record_size": 1024, "batch_size": 32_768, "linger_ms": 20, "connections": 10, "keyed": True, "throughput": throughput}
    return Load(flags, partitions=partitions, writes_bytes_per_second=1200 * throughput)


CONNECTED = Load(
    {"record_size": 100, "batch_size": 0, "linger_ms": 0, "connections": 1_000, "in_flight": 1, "throughput": 2_000},
    writes_bytes_per_second=2e6,
)

ROWS = [
    *(Row(f"partitions-{count}", f"10 MB/s over {count:,} partitions", GROWTH, spread(count), described(spread(count)), BOTH_POLICIES) for count in (1, 100, 1_000)),
    Row(
        "connections-1000",
        "1,000 connections, 2,000 requests a second",
        (Metric("cpu_us_per_request", "broker CPU", "us/req"), Metric("p99_ms", "p99 of produce", "ms"), Metric("resident_mib", "resident memory", "MiB"), GROWTH[2]),
        CONNECTED,
        described(CONNECTED),
    ),
]
