"""One timed run: a topic of its own, touched memory, one or two generators, and what the broker spent meanwhile."""

import contextlib
import itertools
from dataclasses import dataclass

from rig import machine
from rig.brokers import is_floor
from rig.generator import Generator, window_of
from rig.process import Sampler
from rig.row import Measured

GB = 1e9
NUMBERS = itertools.count(1)
# Where a broker is held to one core, the load has the other.
BROKER_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True)
class Load:
    """`produce` and `consume` are flags of the generator; `seconds` replaces the usual length where a run writes very much. A topic that
    `keeps_mib` lets older records go while the run goes on, so that the page cache takes the same memory again and again."""

    produce: dict
    consume: bool = False
    partitions: int = 1
    pinned: bool = False
    writes_bytes_per_second: float = 100e6
    seconds: float | None = None
    keeps_mib: int | None = None

    def __call__(self, rig, side):
        return measure(rig, side, self)


@contextlib.contextmanager
def broker_for(rig, side, partitions, keeps_mib=None):
    """The warm broker of this side; a floor is started for each run, for it keeps all that it is given."""
    if is_floor(side.kind):
        with rig.fleet.fresh(side.kind, floor_partitions=partitions, floor_keeps_mib=keeps_mib) as broker:
            yield broker.start()
    else:
        yield rig.fleet.get(side.kind)


@contextlib.contextmanager
def topic_on(broker, partitions, configs):
    name = f"row-{next(NUMBERS)}"
    broker.create_topic(name, partitions, configs)
    try:
        yield name
    finally:
        if broker.alive():
            broker.delete_topic(name)


def measure(rig, side, load):
    keeps_bytes = load.keeps_mib << 20 if load.keeps_mib else 0
    keeping = {"segment.bytes": keeps_bytes, "retention.bytes": keeps_bytes, "file.delete.delay.ms": 0} if keeps_bytes else {}
    with broker_for(rig, side, load.partitions, load.keeps_mib) as broker, topic_on(broker, load.partitions, {**keeping, **side.configs}) as topic:
        return on_topic(rig, broker, topic, load)


def on_topic(rig, broker, topic, load):
    """The load on a topic that is there."""
    seconds = load.seconds if load.seconds and not rig.quick else rig.measured_seconds
    machine.settle(rig.sized(0.5, 0))
    memory = rig.warm_memory(int(load.writes_bytes_per_second * (seconds + rig.run_in_seconds)))
    length = {"warm_up_seconds": rig.run_in_seconds, "duration_seconds": rig.run_in_seconds + seconds}
    core = LOAD_CORE if load.pinned else None
    with contextlib.ExitStack() as stack:
        if load.pinned:
            stack.enter_context(broker.pinned({BROKER_CORE}))
        stack.enter_context(rig.pool.feeding())
        sampler = stack.enter_context(Sampler(broker.pid))
        consumer = None
        if load.consume:
            consumer = stack.enter_context(Generator(rig, broker, "consume", {"topic": topic, "cpu": core, **length}))
        producer = stack.enter_context(Generator(rig, broker, "produce", {"topic": topic, "cpu": core, **length, **load.produce}))
        produced = producer.result()
        consumed = consumer.result() if consumer else None
    cpu, resident = sampler.between(*window_of(produced))
    return figures(produced, consumed, cpu, resident, memory, load.produce.get("throughput"))


def figures(produced, consumed, cpu, resident, memory, intended_per_second=None):
    """All that a run of this kind can tell; rows choose."""
    gigabytes, requests = produced["bytes"] / GB, produced["requests"]
    records, seconds = produced["records"], produced["measured_seconds"]
    values = {
        "mb_per_second": produced["bytes"] / 1e6 / seconds,
        "records_per_second": records / seconds,
        "requests_per_second": requests / seconds,
        "cpu_s_per_gb": per(cpu.total, gigabytes),
        "user_s_per_gb": per(cpu.user, gigabytes),
        "system_s_per_gb": per(cpu.system, gigabytes),
        "cpu_us_per_request": per(cpu.total * 1e6, requests),
        "user_us_per_request": per(cpu.user * 1e6, requests),
        "cpu_s_per_million": per(cpu.total * 1e6, records),
        "resident_mib": resident / 2**20,
        **latencies(produced.get("latency_us")),
    }
    if intended_per_second and intended_per_second > 0:
        values["kept_percent"] = 100 * records / seconds / intended_per_second
    fractions = [report["core_fraction"] for report in (produced, consumed) if report]
    if consumed:
        values["consumed_mb_per_second"] = consumed["bytes"] / 1e6 / consumed["measured_seconds"]
        # What is read carries the heads of its batches too; far less than what was written means that the tail was not followed.
        if values["consumed_mb_per_second"] < 0.5 * values["mb_per_second"]:
            raise RuntimeError(f"the consumer did not follow: {values['consumed_mb_per_second']:.1f} of {values['mb_per_second']:.1f} MB/s")
    return Measured(values, max(fractions), {"produce": slim(produced), "consume": slim(consumed), "memory": memory})


def per(cost, units):
    return cost / units if units else None


def latencies(latency_us):
    if not latency_us or latency_us.get("count") == 0:
        return {}  # no record that was due in the window was answered in it
    return {f"{name}_ms": latency_us[name] / 1000 for name in ("p50", "p99", "p99_9", "max")}


def slim(report):
    """A report without what is the same in every run."""
    return {key: value for key, value in report.items() if key not in ("parameters", "version")} if report else None
