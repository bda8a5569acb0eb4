"""Three nodes on a machine that has no time for them: all processors busy, the disk full of others' syncs, each node stopped for half a second.

No broker may be fenced for it, no partition and no quorum may get another leader, and both clients go on without losing anything. Counted in
the metadata log, by Apache Kafka's own dump tool. Needs root for the name spaces; SKIPPED without.
"""

import contextlib
import os
import random
import subprocess
import sys
import time

import metadata_log
import partitions
import proof
import stage
from figures import quantile
from nodes import Cluster
from under_load import GO_ON_SECONDS, OVERRIDES, UnderLoad, panics

STALL_SECONDS = 0.5
BUSY = "while True: pass"
# Writes a mebibyte and syncs it, again and again, in a file that stays small.
WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
block = os.urandom(1 << 20)
while True:
    for at in range(64):
        os.pwrite(file, block, at << 20)
        os.fsync(file)
"""
WRITERS = 4


@contextlib.contextmanager
def processes(commands_):
    """These processes, until the block ends."""
    running = []
    try:
        for command in commands_:
            running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        yield
        ended = [process.args for process in running if process.poll() is not None]
        if ended:
            raise RuntimeError(f"ended by itself: {ended}")
    finally:
        for process in running:
            process.kill()
            process.wait()


def busy_processors(cluster, seconds):
    """Twice as many processes that only count as there are processors."""
    with processes([[sys.executable, "-c", BUSY]] * (2 * os.cpu_count())):
        time.sleep(seconds)
    return f"{2 * os.cpu_count()} busy processes on {os.cpu_count()} processors"


def busy_disk(cluster, seconds):
    """Writers that sync all the time, on the disk on which the nodes' logs are."""
    files = [cluster.directory / f"writer-{number}" for number in range(WRITERS)]
    with processes([[sys.executable, "-c", WRITER, str(file)] for file in files]):
        time.sleep(seconds)
    for file in files:
        file.unlink()
    return f"{WRITERS} writers that sync each mebibyte"


def stalls(cluster, seconds):
    """Each node by turns stands still for half a second."""
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        node = cluster.brokers[count % len(cluster.brokers)]
        node.pause()
        try:
            time.sleep(STALL_SECONDS)
        finally:
            node.resume()
        count += 1
        time.sleep(random.uniform(0, 1))
    return f"{count} times {1000 * STALL_SECONDS:.0f} ms"


PHASES = [busy_processors, busy_disk, stalls]


def phase(cluster, load, tools, disturb, seconds):
    """One kind of disturbance; what was wrong of it, and what is to be told."""
    before = cluster.await_caught_up()
    offset, marks = before.voters[before.leader], load.marks()
    done = disturb(cluster, seconds)
    load.first_after(time.monotonic(), load.marks(), GO_ON_SECONDS)
    after = cluster.await_caught_up()
    happened = metadata_log.since(tools, cluster.nodes[after.leader], offset)
    wrong = []
    if happened.fenced:
        wrong.append(f"{len(happened.fenced)} fencings, of brokers {sorted(set(happened.fenced))}")
    if happened.led_anew:
        wrong.append(f"{len(happened.led_anew)} partitions got another leader")
    if (after.leader, after.epoch) != (before.leader, before.epoch):
        wrong.append(f"the quorum elected: leader {before.leader} in epoch {before.epoch}, then {after.leader} in {after.epoch}")
    waits = [acked - sent for (_, lane), (mark, _) in zip(load.lanes(), marks) for sent, acked in lane.times[mark:]]
    waited = f"{len(waits)} records acknowledged, p50 {1000 * quantile(waits, 0.5):.0f}, p99 {1000 * quantile(waits, 0.99):.0f}, most {1000 * max(waits):.0f} ms"
    told = f"{done}: {len(happened.fenced)} fencings, {len(happened.led_anew)} leader changes, {happened.isr_changes} of the ISR; {waited}"
    return "; ".join(wrong), told


def run(kind, options, running):
    tools, report = running.tools, running.report
    with Cluster([kind] * 3, f"{running.place}/{kind}", tools, overrides=OVERRIDES) as cluster, UnderLoad(cluster, options.rate, options.seed) as load:
        load.go_on()
        partitions.await_whole(cluster, [*load.topics, partitions.OFFSETS_TOPIC])
        for disturb in PHASES:
            at, name = time.monotonic(), disturb.__name__.replace("_", " ")
            print(f"     {name} for {options.minutes * 60 / len(PHASES):.0f} s", flush=True)
            wrong, told = phase(cluster, load, tools, disturb, options.minutes * 60 / len(PHASES))
            report.add("FAIL" if wrong else "ok", kind, name, time.monotonic() - at, f"{wrong}: {told}" if wrong else told)
            if wrong:
                stage.keep(cluster, options.keep)
        at = time.monotonic()
        report.add("ok", kind, "nothing lost", time.monotonic() - at, load.finish())
        said = panics(cluster)
        report.add("FAIL" if said else "ok", kind, "no panic", 0.0, "; ".join(said))


def main():
    parser = proof.parser(__doc__, 50, "a phase")
    parser.add_argument("--kind", choices=["barnabas", "apache"], default="barnabas")
    parser.add_argument("--minutes", type=float, default=2, help="how long in all, a third for each disturbance [default: 2]")
    options = parser.parse_args()
    with proof.Proof("false-alarms", options, "nodes without processor or disk", [options.kind]) as running:
        with running.told(options.kind):
            run(options.kind, options, running)
    return running.verdict(f"{options.minutes:g} minutes")


if __name__ == "__main__":
    sys.exit(main())
