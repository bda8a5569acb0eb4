"""A cluster with replicated topics, both clients under load, and who checks them: what every proof of this directory begins with.

Topics have three replicas of which two must be in sync; every timeout, of servers and of clients, is a default. Refuses to go on after a record that
was acknowledged is not where it was acknowledged, in the order of sending, once.
"""

import contextlib
import time

import kill
import partitions
from client import JAVA, LIBRDKAFKA, Client, commands
from witness import Witness

from under_test.eventually import eventually

PARTITIONS = 2  # of each client's topic
OVERRIDES = {
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": 3,
    "offsets.load.buffer.size": 1000,  # so that coordinators load by many reads, as they do with many groups
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "share.coordinator.state.topic.replication.factor": 3,
    "share.coordinator.state.topic.min.isr": 2,
}
BEGIN_SECONDS = 60
GO_ON_SECONDS = 150


class UnderLoad:
    """The clients of one cluster and what is known of their records; a context manager."""

    def __init__(self, cluster, rate, seed):
        self.cluster = cluster
        programs = commands()
        for name in (LIBRDKAFKA, JAVA):
            partitions.create(cluster, self.topic_of(name), PARTITIONS)
        self.running = contextlib.ExitStack()
        self.clients = [
            self.running.enter_context(Client(name, programs[name], cluster, self.topic_of(name), PARTITIONS, rate, seed + at))
            for at, name in enumerate((LIBRDKAFKA, JAVA))
        ]
        self.bootstrap = ",".join(f"{node.host}:9092" for node in cluster.brokers)
        self.witness = Witness(self.bootstrap, self.clients[0].topic)
        self.verifiers = [kill.Verifier(self.bootstrap, client.lanes, client.topic) for client in self.clients]

    @staticmethod
    def topic_of(name):
        return f"load-of-{name}"

    @property
    def topics(self):
        return [client.topic for client in self.clients]

    def lanes(self):
        return [(client, lane) for client in self.clients for lane in client.lanes]

    def go_on(self, seconds=BEGIN_SECONDS):
        """Returns once each partition of each client has acknowledgements, and records read by the group, of records sent from now on; and an offset
        is committed."""
        self.first_after(time.monotonic(), self.marks(), seconds)
        self.witness.commit()

    def marks(self):
        return [(len(lane.times), len(lane.reads)) for _, lane in self.lanes()]

    def first_after(self, since, marks, seconds):
        """For each client: when every partition of it had acknowledged, and its group had read, a record that was sent at `since` or later."""
        deadline, waiting, found = time.monotonic() + seconds, list(zip(self.lanes(), marks)), {}
        while True:
            still = []
            for (client, lane), (acked_mark, read_mark) in waiting:
                acked = lane.first_acknowledged(since, acked_mark)
                read = acked and lane.first_read(acked[0], read_mark)
                if read:
                    found.setdefault(client.name, []).append((acked[1], read))
                else:
                    still.append(((client, lane), (acked_mark, read_mark)))
            waiting = still
            self.raise_wrong()
            if not waiting:
                return {name: tuple(max(times) for times in zip(*pairs)) for name, pairs in found.items()}
            if time.monotonic() > deadline:
                late = ", ".join(f"{client.name} partition {lane.partition}" for (client, lane), _ in waiting)
                raise TimeoutError(f"nothing sent since was acknowledged and read within {seconds:.0f} s: {late}\n{self.cluster.log_tails()}")
            time.sleep(0.01)

    def longest_wait(self, client, since, marks):
        """How long a record of this client that was sent at `since` or later waited at most for its acknowledgement."""
        lanes = [(lane, mark) for (of, lane), (mark, _) in zip(self.lanes(), marks) if of is client]
        return max(acked - sent for lane, mark in lanes for sent, acked in lane.times[mark:] if sent >= since)

    def acknowledged_since(self, since, marks):
        """The names of clients of which every partition acknowledged a record that was sent at `since` or later."""
        late = {client.name for (client, lane), (mark, _) in zip(self.lanes(), marks) if lane.first_acknowledged(since, mark) is None}
        return [client.name for client in self.clients if client.name not in late]

    def raise_wrong(self):
        wrong = "; ".join(filter(None, (client.wrong() for client in self.clients)))
        if wrong:
            raise RuntimeError(wrong)

    def check(self):
        """Reads all that was acknowledged so far: how many records; raises with what is wrong, with the committed offset, too."""
        goals = [client.goals() for client in self.clients]
        for client, verifier, some in zip(self.clients, self.verifiers, goals):
            wrong = verifier.check(some)
            if wrong:
                raise RuntimeError(f"LOST OR DISORDERED: {client.topic}: {wrong}")
        wrong = self.witness.check()
        if wrong:
            raise RuntimeError(f"LOST: {wrong}")
        return sum(map(sum, goals))

    def finish(self):
        """Ends producing; everything sent is there once, in order, and nothing beyond it. A sentence."""
        for client in self.clients:
            wrong = client.finish()
            if wrong:
                raise RuntimeError(wrong)
        total = self.check()
        for client, verifier in zip(self.clients, self.verifiers):
            for lane in client.lanes:
                place = kill.TopicPartition(client.topic, lane.partition)
                end = verifier.consumer.get_watermark_offsets(place, kill.DEADLINE_SECONDS)[1]
                if end != lane.sent:
                    raise RuntimeError(f"{client.topic}-{lane.partition} ends at {end}, {lane.sent} records were sent: something is there twice or missing")
        for client in self.clients:
            self.check_committed(client)
        repeated = sum(lane.repeated for _, lane in self.lanes())
        return f"{total} records acknowledged: 0 lost, 0 twice, in order; groups read and committed all of them, {repeated} again after a new assignment"

    def check_committed(self, client):
        """The client ends, which commits what its group has read: that is what the coordinator says."""
        if not client.end():
            raise RuntimeError(f"{client.name} did not end in time")
        self.raise_wrong()
        wanted = {lane.partition: lane.sent for lane in client.lanes}
        consumer = kill.Consumer({"bootstrap.servers": self.bootstrap, "group.id": client.group, "log_level": 0})
        try:
            places = [kill.TopicPartition(client.topic, partition) for partition in wanted]
            found = {place.partition: place.offset for place in eventually(lambda: consumer.committed(places, kill.DEADLINE_SECONDS))}
        finally:
            consumer.close()
        if found != wanted:
            raise RuntimeError(f"{client.group} read up to {wanted} and committed that, and the coordinator says {found}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for verifier in self.verifiers:
            verifier.consumer.close()
        self.witness.close()
        self.running.__exit__(*error)


def replicas_differ(cluster, topics):
    """How the logs of replicas differ byte for byte, in a sentence; nothing if they do not. For nodes that have ended after everything was in sync."""
    contents = {}
    for node in cluster.brokers:
        for topic in topics:
            for directory in sorted(node.data.glob(f"{topic}-*")):
                whole = b"".join(segment.read_bytes().rstrip(b"\0") for segment in sorted(directory.glob("*.log")))
                contents.setdefault(directory.name, {})[node.node] = whole
    for name, of in contents.items():
        (first, wanted), *others = of.items()
        for other, found in others:
            if found != wanted:
                at = next((at for at, (a, b) in enumerate(zip(wanted, found)) if a != b), min(len(wanted), len(found)))
                return f"{name}: nodes {first} and {other} hold {len(wanted)} and {len(found)} bytes, which part at byte {at}"
    short = [name for name, of in contents.items() if len(of) != partitions.REPLICAS]
    return f"not on {partitions.REPLICAS} nodes: {short[:3]}" if short or not contents else ""


def panics(cluster):
    return [line[:200] for node in cluster.nodes.values() for line in node.log.read_text(errors="replace").splitlines() if "panicked" in line]
