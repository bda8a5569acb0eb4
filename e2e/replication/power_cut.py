"""The power of all three nodes is cut at once, again and again, under idempotent load on topics that are durable.

Each node has a disk of its own (e2e/power/disk.py). After each cut the nodes are started on what the disks hold: every partition has a leader and
all its replicas again without any command, no replica that was not in sync was elected, and everything acknowledged is there once, in order.
That such cuts do take what was not synced is shown by the control of e2e/power. Needs root, loop devices and XFS; SKIPPED without.
"""

import contextlib
import os
import random
import sys
import time
from pathlib import Path

import metadata_log
import needs
import network
import partitions
import proof
import stage
from client import JAVA, LIBRDKAFKA
from disk import Disk, NotAllowed, cut_together
from figures import summary
from nodes import Cluster
from under_load import GO_ON_SECONDS, OVERRIDES, UnderLoad, panics, replicas_differ

NAME = "power-cut-cluster"
NODES = 3
FILE_SYSTEMS = ["ext4", "xfs", "ext4"]
LONGEST_WAIT_SECONDS = 0.6
# A node says one of these where a person has to choose, or records are gone.
REPAIRS = ["records that were synced are missing", "does not open", "is damaged", "panicked"]


def on_disks(cluster, disks):
    """The nodes' logs lie on these disks."""
    for node, disk in zip(cluster.nodes.values(), disks):
        node.data = disk.place / "data"
        node.write_properties(cluster.voters_text(), cluster.overrides)
    return cluster


def one_cut(cluster, disks, load, everything):
    """From a cluster that is whole to one that is whole again: records acknowledged before the cut, seconds until served and until whole."""
    partitions.await_whole(cluster, everything)
    load.go_on()
    time.sleep(random.uniform(0, LONGEST_WAIT_SECONDS))
    marks = load.marks()
    cut_together([(disk, node.process) for node, disk in zip(cluster.nodes.values(), disks)])
    since, before = time.monotonic(), sum(sum(client.goals()) for client in load.clients)
    for node in cluster.nodes.values():
        node.launch()
    for node in cluster.nodes.values():
        node.await_answer()
    served = max(acked for acked, _ in load.first_after(since, marks, GO_ON_SECONDS).values()) - since
    partitions.await_whole(cluster, everything)
    whole = time.monotonic() - since
    load.check()
    said = [line[:300] for node in cluster.nodes.values() for line in node.log.read_text(errors="replace").splitlines()]
    asked = [line for line in said if any(words in line for words in REPAIRS)]
    if asked:
        raise RuntimeError(asked[0])
    return before, served, whole


def judge_elections(cluster, tools, report):
    """No replica that was not in sync was given a partition: the metadata log from its begin, on whoever leads."""
    at = time.monotonic()
    happened = metadata_log.since(tools, cluster.nodes[cluster.await_caught_up().leader], 0)
    said = f"{len(happened.led_anew)} elections in {happened.records} records"
    unclean = f"{len(happened.unclean)} partitions were given to a replica that was not in sync: {happened.unclean[:3]}"
    report.add("FAIL" if happened.unclean else "ok", "cluster", "no unclean election", time.monotonic() - at, unclean if happened.unclean else said)


def all_cuts(cluster, disks, options, report, served, whole):
    """From the first record to the last, each cut in between; fills `served` and `whole`."""
    with UnderLoad(cluster, options.rate, options.seed) as load:
        load.go_on()
        for number in range(1, options.cuts + 1):
            at = time.monotonic()
            before, *seconds = one_cut(cluster, disks, load, [*load.topics, partitions.OFFSETS_TOPIC])
            served.append(seconds[0])
            whole.append(seconds[1])
            told = f"{before} acknowledged before; served after {seconds[0]:.1f} s, whole after {seconds[1]:.1f} s"
            report.add("ok", "cluster", f"cut-{number}", time.monotonic() - at, told)
        at = time.monotonic()
        report.add("ok", "cluster", "nothing lost", time.monotonic() - at, load.finish())
        partitions.await_whole(cluster, load.topics)


def run(options, running):
    random.seed(options.seed)
    served, whole, work, report = [], [], Path(running.place), running.report
    with contextlib.ExitStack() as opened:
        disks = [opened.enter_context(Disk(kind, work / f"disk{number}")) for number, kind in enumerate(FILE_SYSTEMS, 1)]
        cluster = on_disks(Cluster(["barnabas"] * NODES, work / "nodes", running.tools, overrides=OVERRIDES), disks)
        with running.told("cluster", lambda: keep(cluster, options.keep)):
            with cluster:
                all_cuts(cluster, disks, options, report, served, whole)
                judge_elections(cluster, running.tools, report)
                for node in cluster.nodes.values():
                    node.kill()
                differ = replicas_differ(cluster, [UnderLoad.topic_of(name) for name in (LIBRDKAFKA, JAVA)]) or "; ".join(panics(cluster))
                report.add("FAIL" if differ else "ok", "cluster", "replicas agree", 0.0, differ or "byte for byte")
    print(f"from the cut to served: {summary(served)}\nfrom the cut to whole:  {summary(whole)}")


def keep(cluster, place):
    """The nodes' directories, and what is on their disks."""
    stage.keep(cluster, place)
    if place:
        for node in cluster.nodes.values():
            os.system(f"cp -a --sparse=always {node.data} {place}/data{node.node}")


def main():
    parser = proof.parser(__doc__, 200, "a run")
    parser.add_argument("--cuts", type=int, default=3, help="how many [default: 3]")
    options = parser.parse_args()
    if not os.environ.get(network.MARK):
        needs.install(NAME)
    with proof.Proof(NAME, options, "power cuts of a whole cluster", ["barnabas"]) as running:
        try:
            run(options, running)
        except NotAllowed as error:
            needs.skip(NAME, error)
    return running.verdict(f"{options.cuts} cuts of {NODES} nodes")


if __name__ == "__main__":
    sys.exit(main())
