"""Who leads which partition, who is in sync, who coordinates a group: as the nodes say it. Changes nothing but what it is asked to create."""

import threading
import time
from dataclasses import dataclass

from under_test import wire
from under_test.wire import Refused, array, string

WHOLE_SECONDS = 120
OFFSETS_TOPIC = "__consumer_offsets"
DURABLE = {"min.insync.replicas": 2}
REPLICAS = 3
ASK_SECONDS = 1
PRODUCE_SECONDS = 30
PAUSE_SECONDS = 0.01


@dataclass(frozen=True)
class Partition:
    topic: str
    index: int
    leader: int
    epoch: int
    replicas: frozenset
    isr: frozenset

    @property
    def is_whole(self):
        return self.leader >= 0 and self.isr == self.replicas


def described(connection, topics):
    """The partitions of these topics as one node knows them (Metadata v7); a topic that it does not know has none."""
    never_create = b"\0"
    reply = connection.call(wire.METADATA, 7, array([string(topic) for topic in topics]) + never_create)
    reply.i32()
    reply.array(lambda: (reply.i32(), reply.string(), reply.i32(), reply.string()))
    reply.string(), reply.i32()
    found = []

    def one_topic():
        reply.i16()
        topic = reply.string()
        reply.number("b")

        def partition():
            reply.i16()
            index, leader, epoch = reply.i32(), reply.i32(), reply.i32()
            replicas, isr, _ = (frozenset(reply.array(reply.i32)) for _ in range(3))
            found.append(Partition(topic, index, leader, epoch, replicas, isr))

        reply.array(partition)

    reply.array(one_topic)
    return found


def create(cluster, topic, partitions, configs=None):
    """A topic with three replicas of which two must be in sync; again while the brokers that it needs are not yet all in."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while True:
        try:
            with cluster.brokers[0].connect("broker", 30) as connection:
                return wire.create_topic(connection, topic, partitions, {**DURABLE, **(configs or {})}, REPLICAS)
        except (Refused, OSError) as error:
            if time.monotonic() > deadline or "already exists" in str(error):
                raise RuntimeError(f"topic {topic}: {error}") from error
            time.sleep(0.2)


def await_whole(cluster, topics, seconds=WHOLE_SECONDS):
    """The partitions of these topics once every broker says that each has a leader and all its replicas in sync."""
    deadline = time.monotonic() + seconds
    for node in cluster.brokers:
        while True:
            try:
                with node.connect("broker") as connection:
                    found = described(connection, topics)
            except (OSError, Refused):
                found = []
            broken = [partition for partition in found if not partition.is_whole]
            if not broken and {partition.topic for partition in found} == set(topics):
                break
            if time.monotonic() > deadline:
                said = ", ".join(f"{one.topic}-{one.index} leader {one.leader} in sync {sorted(one.isr)} of {sorted(one.replicas)}" for one in broken[:5])
                raise TimeoutError(f"broker {node.node} after {seconds} s: {len(broken)} of {len(found)} partitions are not whole: {said}\n{cluster.log_tails()}")
            time.sleep(0.05)
    return found


def coordinator(cluster, group, seconds=WHOLE_SECONDS):
    """The node that coordinates the group."""
    deadline, said = time.monotonic() + seconds, "nobody answered"
    while time.monotonic() < deadline:
        for node in cluster.brokers:
            try:
                with node.connect("broker") as connection:
                    reply = connection.call(wire.FIND_COORDINATOR, 1, string(group) + b"\0")
            except OSError as error:
                said = str(error)
                continue
            reply.i32()
            code = reply.i16()
            reply.string()
            if code == wire.NONE:
                return reply.i32()
            said = f"error {code}"
        time.sleep(0.1)
    raise TimeoutError(f"no coordinator of {group} after {seconds} s: {said}")


class Probe:
    """A topic with partitions on every node, and a client that asks anew where to go: what the cluster itself takes to serve again, however
    long other clients keep to what they knew."""

    TOPIC = "probe"

    def __init__(self, cluster):
        self.cluster, self.count = cluster, len(cluster.brokers)
        create(cluster, self.TOPIC, self.count)

    def await_served(self, began, struck, seconds):
        """Seconds from `began` until a record sent now was acknowledged by every partition."""
        deadline = time.monotonic() + seconds
        return self.longest(lambda partition: self.produce(partition, struck, deadline) - began)

    def await_gone(self, is_there, seconds):
        """Sends one record after the other to every partition until a node that is ending has gone, and one more: the longest that any waited, in seconds."""
        deadline = time.monotonic() + seconds

        def waits(partition):
            longest, is_last = 0, False
            while not is_last:
                is_last, sent = not is_there(), time.monotonic()
                longest = max(longest, self.produce(partition, set(), deadline) - sent)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the node was still there after {seconds} s\n{self.cluster.log_tails()}")
            return longest

        return self.longest(waits)

    def longest(self, seconds_of):
        """The most of what `seconds_of` says of any partition; it is asked of all at once."""
        told = {}

        def one(partition):
            try:
                told[partition] = seconds_of(partition)
            except TimeoutError as late:
                told[partition] = late

        threads = [threading.Thread(target=one, args=[partition], daemon=True) for partition in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for late in told.values():
            if isinstance(late, TimeoutError):
                raise late
        return max(told.values())

    def produce(self, partition, struck, deadline):
        """When one record was acknowledged."""
        last, asked = "nobody leads", 0
        living = [node for node in self.cluster.brokers if node.node not in struck]
        while time.monotonic() < deadline:
            asked += 1
            try:
                with living[asked % len(living)].connect("broker", ASK_SECONDS) as connection:
                    leader = next(one.leader for one in described(connection, [self.TOPIC]) if one.index == partition)
                if leader >= 0 and leader not in struck:
                    with self.cluster.nodes[leader].connect("broker", PRODUCE_SECONDS) as connection:
                        code = wire.produce(connection, self.TOPIC, partition)
                    if code == wire.NONE:
                        return time.monotonic()
                    last = f"error {code} from node {leader}"
                else:
                    last = f"led by node {leader}"
            except (OSError, StopIteration) as error:
                last = f"{type(error).__name__}: {error}"
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(f"{self.TOPIC}-{partition} took no record in time: {last}\n{self.cluster.log_tails()}")
