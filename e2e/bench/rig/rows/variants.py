"""Ways that a broker could write and send, built into the floor, each divided by the plain one: for decisions, not for comparison with
Kafka. Apart from the other rows: `bench --variants`.

A floor checks nothing and has one thread, so that what a way costs or gains is not hidden by the rest; what a broker would have to add to
use it is not in the figures.
"""

from dataclasses import replace

from rig.arithmetic import HIGHER
from rig.brokers import FLOOR
from rig.row import Metric, Row, Side
from rig.rows.latency import FIXED_RATE
from rig.rows.throughput import COST_16K, COST_256K, KEPT, SMALL_FIXED, SMALL_SATURATED, described, saturated

APPENDING, SENDING = ("gathered", "writer", "direct", "trimmed"), ("corked", "copy")
WAYS = (*APPENDING, *SENDING)
P50, P99, P99_9 = Metric("p50_ms", "p50 of produce", "ms"), Metric("p99_ms", "p99", "ms"), Metric("p99_9_ms", "p99.9", "ms")
PER_GB = (Metric("cpu_s_per_gb", "CPU", "s/GB"), Metric("user_s_per_gb", "  in user mode", "s/GB"), Metric("system_s_per_gb", "  in the kernel", "s/GB"))
PER_REQUEST = (Metric("cpu_us_per_request", "CPU", "us/req"), Metric("user_us_per_request", "  in user mode", "us/req"))
PRODUCED = Metric("mb_per_second", "produced", "MB/s", HIGHER)
REQUESTS = Metric("requests_per_second", "requests", "1/s", HIGHER)
COST = (*PER_GB, KEPT, P50, P99)
SMALL = (*PER_REQUEST, REQUESTS, P50, P99)
SATURATED = (PRODUCED, *PER_GB, P99)
LATENCY = (P50, P99, P99_9, KEPT, PER_REQUEST[0])


def variant(name, title, metrics, load, sync, ways):
    """One row: the ways that were asked for, then the plain one, all with a sync before each answer or all without."""
    suffix = "-sync" if sync else ""
    sides = (*(Side(way, f"{FLOOR}-{way}{suffix}", against="plain") for way in ways), Side("plain", f"{FLOOR}{suffix}"))
    durability = "synced before it is answered" if sync else "in the page cache (direct: in memory of its own) when it is answered"
    return Row(
        f"variant-{name}{suffix}",
        title + (", synced" if sync else ""),
        metrics,
        load,
        described(load, durability=durability),
        sides,
        headings=("variant", "plain"),
        costs_stand=True,
    )


def rows(ways):
    """The rows for these ways. Ways to send are in the rows where somebody reads, unsynced: what is sent is in memory either way."""
    appending = [way for way in ways if way in APPENDING]
    latency = replace(FIXED_RATE, seconds=5)
    of_16k, of_1m = (replace(saturated(batch_bytes), seconds=2) for batch_bytes in (16_384, 1_000_000))
    listed = [
        ("cost-256k", "CPU per GB, 256 KB batches, 100 MB/s produced and read at the tail", COST, COST_256K, (False, True)),
        ("cost-16k", "CPU per GB, 16 KB batches, 50 MB/s produced and read at the tail", COST, COST_16K, (False, True)),
        ("small-fixed", "200 connections, records of 100 B, 5,000 requests a second", SMALL, SMALL_FIXED, (False, True)),
        ("small-saturated", "200 connections, records of 100 B, closed loop, one core", SMALL, SMALL_SATURATED, (False,)),
        ("saturate-16k", "closed loop, 16 KB batches, one core", SATURATED, of_16k, (False, True)),
        ("saturate-1m", "closed loop, 1 MB batches, one core", SATURATED, of_1m, (False,)),
        ("produce-latency", "5,000 records a second", LATENCY, latency, (False, True)),
    ]
    found = [
        variant(name, title, metrics, load, sync, ways if load.consume and not sync else appending)
        for name, title, metrics, load, syncs in listed
        for sync in syncs
    ]
    return [row for row in found if len(row.sides) > 1]
