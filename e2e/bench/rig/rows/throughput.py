"""What a unit of work costs, and how much of it one core can do. The broker's CPU is in the window that the generator measured."""

from rig.arithmetic import HIGHER
from rig.load import Load
from rig.row import Metric, Row

KEPT = Metric("kept_percent", "rate kept", "%", HIGHER)
COST = (
    Metric("cpu_s_per_gb", "broker CPU", "s/GB", aim=0.45),
    Metric("user_s_per_gb", "  in user mode", "s/GB", aim=0.15),
    Metric("system_s_per_gb", "  in the kernel", "s/GB"),
    Metric("mb_per_second", "produced", "MB/s", HIGHER),
    KEPT,
    Metric("consumed_mb_per_second", "consumed", "MB/s", HIGHER),
    Metric("resident_mib", "resident memory, loaded", "MiB", limit=64),
)
POLICIES = {"durability": "ours as named, Kafka's page cache"}


def request_cost(aim):
    return (
        Metric("cpu_us_per_request", "broker CPU", "us/req", aim=aim),
        Metric("user_us_per_request", "  in user mode", "us/req", aim=0.15),
        Metric("requests_per_second", "requests", "1/s", HIGHER),
        Metric("records_per_second", "records", "1/s", HIGHER),
        Metric("p99_ms", "p99 of produce", "ms"),
        Metric("resident_mib", "resident memory, loaded", "MiB", limit=64),
    )


def described(load, **more):
    """What is fixed for every side of a row, from the flags themselves."""
    flags = load.produce
    codec = flags.get("compression_type", "none")
    payload = "incompressible" if flags.get("entropy", 1) == 1 else f"entropy {flags['entropy']}"
    return {
        "acks": flags.get("acks", "all"),
        **POLICIES,
        "record": f"{flags['record_size']} B",
        "batch": f"{flags['batch_size']} B" if flags["batch_size"] else "1 record",
        "linger": f"{flags['linger_ms']} ms" if "linger_ms" in flags else "until full",
        "codec": codec,
        "connections": flags.get("connections", 1),
        "in flight": flags.get("in_flight", 5),
        "partitions": load.partitions,
        "rate": f"{flags['throughput']:,} records/s" if "throughput" in flags else "closed loop",
        "payload": payload,
        "page cache": "warm",
        **({"retention": f"newest {load.keeps_mib} MiB"} if load.keeps_mib else {}),
        **({"cores": "broker on one, load on the other"} if load.pinned else {}),
        **more,
    }


# What the topics of rows that write much keep. A broker that has run for a while lets go as much as it takes in.
KEEPS_MIB = 64
COST_256K = Load({"record_size": 1024, "batch_size": 262_144, "linger_ms": 20, "throughput": 100_000}, consume=True, keeps_mib=KEEPS_MIB, writes_bytes_per_second=105e6)
COST_16K = Load({"record_size": 1024, "batch_size": 16_384, "linger_ms": 5, "throughput": 50_000}, consume=True, keeps_mib=KEEPS_MIB, writes_bytes_per_second=55e6)
SMALL = {"record_size": 100, "batch_size": 0, "linger_ms": 0, "connections": 200, "in_flight": 1}
SMALL_FIXED = Load({**SMALL, "throughput": 5_000}, writes_bytes_per_second=5e6)
SMALL_SATURATED = Load({k: v for k, v in SMALL.items() if k != "linger_ms"}, pinned=True, keeps_mib=KEEPS_MIB, writes_bytes_per_second=50e6)
KEYED = Load(
    {"record_size": 100, "batch_size": 1_024, "linger_ms": 5, "connections": 200, "keyed": True, "throughput": 50_000},
    partitions=16,
    writes_bytes_per_second=20e6,
)
ACKS_0 = Load({"acks": 0, "record_size": 100, "batch_size": 1_024, "linger_ms": 5, "connections": 10, "throughput": 100_000}, writes_bytes_per_second=20e6)


def codec(name):
    """30 MB/s of records that compress, in batches as a busy producer makes them."""
    return Load(
        {"record_size": 1024, "batch_size": 65_536, "linger_ms": 20, "throughput": 30_000, "compression_type": name, "entropy": 0.3},
        writes_bytes_per_second=35e6,
        keeps_mib=KEEPS_MIB,
    )


def saturated(batch_bytes):
    """As fast as the broker's one core takes it; short, for it writes up to 1 GB/s."""
    flags = {"record_size": 1024, "batch_size": batch_bytes, "connections": 4, "in_flight": 5}
    return Load(flags, pinned=True, writes_bytes_per_second=1.2e9, seconds=3, keeps_mib=KEEPS_MIB)


def saturate_metrics(aim):
    return (
        Metric("mb_per_second", "produced", "MB/s", HIGHER, aim=aim),
        Metric("records_per_second", "records", "1/s", HIGHER),
        Metric("cpu_s_per_gb", "broker CPU", "s/GB"),
        Metric("user_s_per_gb", "  in user mode", "s/GB"),
        Metric("p99_ms", "p99 of produce", "ms"),
    )


COMPRESSED = (Metric("cpu_s_per_gb", "broker CPU, per GB unpacked", "s/GB", aim=0.5), *COST[1:2], *COST[3:5])
RECORDS = (Metric("cpu_s_per_million", "broker CPU per 10^6 records", "s", aim=0.45), *request_cost(None)[2:4], KEPT)
SMALL_REQUESTS = "200 producers, one record of 100 B a request"

AT_A_RATE = [
    Row("cost-256k", "CPU per GB, 256 KB batches, 100 MB/s produced and read at the tail", COST, COST_256K, described(COST_256K)),
    Row("cost-16k", "CPU per GB, 16 KB batches, 50 MB/s produced and read at the tail", COST, COST_16K, described(COST_16K)),
    Row("small-fixed", f"CPU per request, {SMALL_REQUESTS}, 5,000 a second", request_cost(0.3), SMALL_FIXED, described(SMALL_FIXED)),
    Row("small-saturated", f"CPU per request, {SMALL_REQUESTS}, closed loop", request_cost(0.5), SMALL_SATURATED, described(SMALL_SATURATED)),
    Row("keyed", "200 keyed producers with small batches over 16 partitions", (*request_cost(None)[:4], KEPT), KEYED, described(KEYED)),
    Row("acks-0", "acks=0, many small records", RECORDS, ACKS_0, described(ACKS_0)),
    *(Row(f"codec-{name}", f"produce compressed with {name}", COMPRESSED, codec(name), described(codec(name))) for name in ("gzip", "snappy", "lz4", "zstd")),
]
SATURATED = [
    Row("saturate-16k", "one core of broker, 16 KB batches", saturate_metrics(2.0), saturated(16_384), described(saturated(16_384))),
    Row("saturate-1m", "one core of broker, 1 MB batches", saturate_metrics(1.3), saturated(1_000_000), described(saturated(1_000_000))),
]
