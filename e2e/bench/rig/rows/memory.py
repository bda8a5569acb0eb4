"""Resident memory of a broker that has just started."""

import time

from rig import process
from rig.row import ONE_POLICY, Measured, Metric, Row


def idle(rig, side):
    """A broker that nobody has talked to but for the greeting that shows it is up."""
    with rig.fleet.fresh(side.kind) as broker:
        broker.start()
        before = process.run_seconds(broker.pid)
        seconds = rig.sized(10, 2)
        time.sleep(seconds)
        values = {
            "resident_mib": process.resident_bytes(broker.pid) / 2**20,
            "idle_cpu_ms_per_s": (process.run_seconds(broker.pid) - before) * 1000 / seconds,
        }
        broker.stop()
        return Measured(values)


ROWS = [
    Row(
        "memory-idle",
        "resident memory and CPU of a broker that nobody uses, 10 s after its start",
        (Metric("resident_mib", "resident memory", "MiB", limit=12), Metric("idle_cpu_ms_per_s", "CPU", "ms/s")),
        idle,
        {"partitions": 0, "connections": 0},
        ONE_POLICY,
    )
]
