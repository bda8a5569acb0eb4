"""Nodes under replicated partitions are killed, stopped and cut off, again and again, under idempotent load with acks=all.

Struck are the node that leads most partitions, the one that leads fewest, the active controller and the coordinator of a group. After each fault
everything acknowledged is there once, in the order of its producer and partition; groups go on, and no application saw an error. Told is the
time from the fault until every partition had acknowledged a record that was sent after it: to a probe that asks anew where to go (of a node that ends
in good order: the longest that any of its records waited until the node had gone), and to librdkafka and the Java client with their own defaults. librdkafka puts off its next connection to a broker, twice as long each time and up to 10 s, where the one
before was tried less than 10 s ago (reconnect.backoff.max.ms), and begins anew where it loses its only connection: what comes of one kill by itself
is seen after a rest of as long, in which leaders are balanced. The same script runs Apache Kafka (--kind apache, or both beside each other). Needs
root for the name spaces; SKIPPED without.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import faults
import figures
import partitions
import stage
from client import JAVA, LIBRDKAFKA, commands
from nodes import Cluster
from partitions import Probe
from under_load import GO_ON_SECONDS, OVERRIDES, UnderLoad, panics, replicas_differ

from under_test import wire
from under_test.kafka_tools import KafkaTools
from under_test.report import Report

NAMES = {"apache": "Apache Kafka", "barnabas": "Barnabas"}
PROBE = "probe"
SERVED_SECONDS = 120
HOLD_SECONDS = 1
# The exit code of a server that ended in good order: a JVM has none of its own for that.
ENDED = {"barnabas": 0, "apache": 128 + signal.SIGTERM}


def unplug(cluster, node):
    """Nobody reaches the node, clients no more than nodes."""
    cluster.network.unplug(node)
    return {node}, cluster.network.plug


def terminate(cluster, node):
    """The node is told once to end in good order (SIGTERM), and started again when it has. It serves until it is gone."""
    struck = cluster.nodes[node]
    struck.process.terminate()

    def end():
        if not struck.ended():
            raise RuntimeError(f"node {node} was still there long after SIGTERM, and was killed\n{struck.log_tail()}")
        if struck.process.returncode != ENDED[struck.kind]:
            raise RuntimeError(f"node {node} was told to end in good order and exited {struck.process.returncode}\n{struck.log_tail()}")
        struck.launch()
        struck.await_answer()

    return set(), end


# What may happen to a node, by name: how, and whether who holds a connection hears of it. Who does not waits as long as the client's own
# timeouts say (30 s and more), or until the fault ends: there the probe says how long the cluster took.
KINDS = {
    "kill": (faults.kill_leader, True),
    "pause": (faults.pause_leader, False),
    "isolate": (faults.isolate_leader, False),
    "unplug": (unplug, False),
    "stop": (terminate, True),
}


def led(cluster, topics):
    """How many partitions each node leads."""
    counts = {node.node: 0 for node in cluster.brokers}
    for partition in partitions.await_whole(cluster, topics):
        counts[partition.leader] += 1
    return counts


def of_role(role, cluster, load, controller):
    """The node that is struck."""
    if role == "controller":
        return controller
    if role == "coordinator":
        return partitions.coordinator(cluster, random.choice(load.clients).group)
    counts = led(cluster, load.topics)
    choose = max if role == "leader" else min
    # Among equals not the active controller: that is a role of its own.
    return choose(counts, key=lambda node: (counts[node], (node == controller) == (role != "leader"), random.random()))


ROLES = ["leader", "follower", "controller", "coordinator"]


@dataclass
class Sample:
    """One fault as one client has seen it, in seconds: from the fault until every partition had acknowledged a record that was sent after it, and
    the group had read it; and the longest that any such record waited, which is what shows of a node that serves until it hands over.
    """

    fault: str
    role: str
    who: str
    acked: float
    read: float | None = None
    in_time: bool = True  # while the fault lasted
    longest: float | None = None
    touched: bool = True  # the node had a replica of what this client writes to

    @property
    def judged(self):
        """What is held against the aim."""
        return max(self.acked, self.longest or 0) if self.fault == "stop" else self.acked


def strike(cluster, load, probe, kind, role):
    """One fault, from a cluster that is whole to one that is whole again: which node, what each client saw, seconds until whole."""
    everything = [*load.topics, Probe.TOPIC, partitions.OFFSETS_TOPIC]
    placed = partitions.await_whole(cluster, everything)
    node = of_role(role, cluster, load, cluster.await_caught_up().leader)
    touched = {partition.topic for partition in placed if node in partition.replicas}
    load.go_on()
    inflict, is_heard = KINDS[kind]
    marks, began = load.marks(), time.monotonic()
    struck, end = inflict(cluster, node)
    since = time.monotonic()
    try:
        if kind == "stop":
            probed = probe.await_gone(cluster.nodes[node].alive, SERVED_SECONDS)
        else:
            probed = probe.await_served(began, struck, SERVED_SECONDS)
        if is_heard:
            load.first_after(since, marks, GO_ON_SECONDS)
        time.sleep(HOLD_SECONDS)
        in_time = load.acknowledged_since(since, marks)
    finally:
        end()
    firsts, ended = load.first_after(since, marks, GO_ON_SECONDS), time.monotonic()
    partitions.await_whole(cluster, everything)
    whole = time.monotonic() - ended
    load.check()
    samples = [Sample(kind, role, PROBE, probed)]
    for client in load.clients:
        acked, read = (at - began for at in firsts[client.name])
        longest = load.longest_wait(client, since, marks)
        samples.append(Sample(kind, role, client.name, acked, read, client.name in in_time, longest, client.topic in touched))
    return node, samples, whole


def tell_strike(node, samples, whole):
    said = []
    for one in samples:
        late = " untouched" if not one.touched else "" if one.in_time else " after its end"
        said.append(f"{one.who} {one.acked:.2f}{late}" + (f" (group {one.read:.2f}, longest wait {one.longest:.2f})" if one.who != PROBE else ""))
    return f"node {node}: {', '.join(said)} s; whole {whole:.1f} s after"


class Rows:
    """The rows of one kind of server in a report: what is under way fails when something is raised."""

    def __init__(self, report, subject):
        self.report, self.subject = report, subject
        self.begin("begin")

    def begin(self, case):
        self.case, self.began = case, time.monotonic()

    def ok(self, told):
        self.report.add("ok", self.subject, self.case, time.monotonic() - self.began, told)

    def failed(self, why):
        self.report.add("FAIL", self.subject, self.case, time.monotonic() - self.began, why)


def plan(options):
    """The faults of a session in an order of chance, each kind once before any comes again: a session may end before its plan."""
    rounds = {"kill": options.rounds, "stop": options.stops, **dict.fromkeys(["pause", "isolate", "unplug"], options.shapes)}
    kinds = [options.only] if options.only else list(KINDS)
    queues = []
    for kind in kinds:
        roles = [role for _ in range(rounds[kind]) for role in random.sample(ROLES, len(ROLES))]
        queues.append([(kind, role) for role in roles])
    chosen = []
    while any(queues):
        once = [queue.pop() for queue in queues if queue]
        random.shuffle(once)
        chosen += once
    return chosen


def session(kind, options, tools, report):
    """All faults of one kind of server: what each client saw of each."""
    random.seed(options.seed)
    samples = []
    with tempfile.TemporaryDirectory(prefix=f"replication-{kind}-") as place, Cluster([kind] * options.nodes, place, tools, overrides=OVERRIDES) as cluster:
        rows = Rows(report, NAMES[kind])
        try:
            all_faults(cluster, options, rows, samples)
            rows.begin("replicas agree")
            for node in cluster.nodes.values():
                node.kill()
            differ = replicas_differ(cluster, [UnderLoad.topic_of(name) for name in (LIBRDKAFKA, JAVA)]) or "; ".join(panics(cluster))
            if differ:
                raise RuntimeError(differ)
            rows.ok("byte for byte, and no node panicked")
        except (RuntimeError, TimeoutError, OSError, wire.Refused) as error:
            rows.failed(f"{type(error).__name__}: {error}")
            stage.keep(cluster, options.keep)
    return samples


def all_faults(cluster, options, rows, samples):
    """From the first record to the last, each fault in between; fills `samples`."""
    rows.begin("under load")
    probe = Probe(cluster)
    with UnderLoad(cluster, options.rate, options.seed) as load:
        load.go_on()
        rows.ok(f"{options.nodes} nodes, {options.rate} records a second and partition")
        faults_left, began = plan(options), time.monotonic()
        ended = began
        while faults_left and not (options.within and time.monotonic() - began > options.within):
            fault, role = faults_left.pop(0)
            if fault == "kill" and options.rest:
                rest(cluster, ended + options.rest)
            rows.begin(f"{fault} {role}")
            node, seen, whole = strike(cluster, load, probe, fault, role)
            ended = time.monotonic()
            samples += seen
            rows.ok(tell_strike(node, seen, whole))
        if faults_left:
            print(f"     {len(faults_left)} faults of the plan were not reached within {options.within} s", flush=True)
        rows.begin("nothing lost")
        rows.ok(load.finish())
        partitions.await_whole(cluster, load.topics)


def rest(cluster, until):
    """Until then, as it would be after some minutes: partitions are led by their first replicas again, and clients connected to those."""
    with cluster.brokers[0].connect("broker") as connection:
        wire.elect_preferred_leaders(connection)
    time.sleep(max(0, until - time.monotonic()))


def summary(values):
    if not values:
        return "none"
    return f"n {len(values):3}  p50 {figures.quantile(values, 0.5):6.2f}  p99 {figures.quantile(values, 0.99):6.2f}  most {max(values):6.2f} s"


def touched_by(fault, samples):
    """Those of faults of this kind, where the client had anything to do with the node."""
    return [sample for sample in samples if sample.fault == fault and sample.touched]


def tell(found):
    """The figures and histograms: each kind of server beside the other."""
    for fault in KINDS:
        columns = {kind: touched_by(fault, samples) for kind, samples in found.items()}
        if not any(columns.values()):
            continue
        print(f"\n{fault}: seconds until every partition had acknowledged a record that was sent after it")
        for kind, samples in columns.items():
            for who in (PROBE, LIBRDKAFKA, JAVA):
                of = [sample for sample in samples if sample.who == who]
                late = sum(not sample.in_time for sample in of)
                print(f"  {NAMES[kind]:13} {who:12} {summary([sample.acked for sample in of])}{f'  ({late} only after the fault had ended)' if late else ''}")
                if who != PROBE:
                    print(f"  {'':13} {'its group':12} {summary([sample.read for sample in of])}")
                    print(f"  {'':13} {'longest wait':12} {summary([sample.longest for sample in of])}")
        for who in (PROBE, LIBRDKAFKA, JAVA):
            shown = {f"{NAMES[kind]}, {who}": [sample.judged for sample in samples if sample.who == who] for kind, samples in columns.items()}
            print("\n".join(figures.histogram(shown)))


def in_brief(found):
    """What the last line says: how many faults there were, and what the probe saw of each kind of them."""
    def seen(samples):
        by_fault = {fault: [sample.judged for sample in touched_by(fault, samples) if sample.who == PROBE] for fault in KINDS}
        p99s = [f"{fault} p99 {figures.quantile(values, 0.99):.2f} s of {len(values)}" for fault, values in by_fault.items() if values]
        return ", ".join([f"{sum(sample.who == PROBE for sample in samples)} faults", *p99s])

    return "; ".join(f"{NAMES[kind]} {seen(samples)}" for kind, samples in found.items())


def judge(found, aims, report):
    """Holds the 99th percentile of each fault against its aim: for all who hear of it, for the probe where nobody does."""
    for name, aim in aims.items():
        samples = touched_by(name, found.get("barnabas", []))
        for who in (PROBE, LIBRDKAFKA, JAVA) if KINDS[name][1] else (PROBE,):
            values = [sample.judged for sample in samples if sample.who == who]
            if values:
                reached = figures.quantile(values, 0.99)
                report.add("ok" if reached <= aim else "FAIL", "aim", f"{name} {who}", 0.0, f"p99 {reached:.2f} s of {len(values)}, aim {aim:g} s")


def aims(text):
    """kill=0.8,pause=2 as a dictionary."""
    pairs = [part.split("=") for part in text.split(",") if part]
    if any(len(pair) != 2 or pair[0] not in KINDS for pair in pairs):
        raise argparse.ArgumentTypeError(f"{text}: expected such as kill=0.8,pause=2,stop=3")
    return {name: float(seconds) for name, seconds in pairs}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=["barnabas", "apache", "both"], default="barnabas")
    parser.add_argument("--nodes", type=int, choices=[3, 5], default=3)
    parser.add_argument("--rounds", type=int, default=1, help="how often a node of each role is killed")
    parser.add_argument("--stops", type=int, default=1, help="how often a node of each role is ended in good order")
    parser.add_argument("--shapes", type=int, default=1, help="how often a node of each role is paused, isolated from nodes, unplugged from all")
    parser.add_argument("--rest", type=float, default=0, metavar="SECONDS", help="how long nothing may have failed before a node is killed")
    parser.add_argument("--only", choices=list(KINDS), help="this fault alone")
    parser.add_argument("--within", type=int, metavar="SECONDS", help="begin no fault after so long; what was not reached is told")
    parser.add_argument("--rate", type=int, default=200, help="records a second to each of the four partitions")
    parser.add_argument("--aims", type=aims, default={}, help="seconds that the 99th percentile may take: kill=0.8,pause=2,stop=3 [default: none is judged]")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", help="where to write the times")
    parser.add_argument("--keep", help="where to keep the directories of a session that fails")
    return parser.parse_args()


def main():
    options = arguments()
    kinds = ["apache", "barnabas"] if options.kind == "both" else [options.kind]
    commands()
    stage.enter("fail-over", kinds, options.seed)
    options.seed = int(os.environ[stage.SEED])
    report, found = Report("replicated partitions whose nodes fail"), {}
    with contextlib.ExitStack() as ending:
        tools = None
        if "apache" in kinds:
            tools = ending.enter_context(KafkaTools(ending.enter_context(tempfile.NamedTemporaryFile(prefix="replication-tools-")).name))
        for kind in kinds:
            found[kind] = session(kind, options, tools, report)
    tell(found)
    judge(found, options.aims, report)
    if options.json:
        Path(options.json).write_text(json.dumps({"seed": options.seed, "nodes": options.nodes, "samples": {kind: list(map(asdict, samples)) for kind, samples in found.items()}}, indent=1))
    code = report.finish()
    print("PASS" if code == 0 else "FAIL", f"fail-over of {options.nodes}: {in_brief(found)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
