"""Three brokers of one kind on one machine, each controller too: what they cost together, their topics, and the end of one of them.

They are not paused while others are measured, because nodes that stop together elect anew when they go on: a trio is started for
each measurement and is gone after it.
"""

import contextlib
import shutil
import time

from rig import process
from rig.brokers import APACHE, TOPIC_DEADLINE_SECONDS, Broker, barnabas_binary
from rig.process import Sampler
from under_test import artifacts, wire
from under_test.server import CLUSTER_ID, fresh_directory_id, launch_together

NODES = (1, 2, 3)
# Kafka's defaults where there are three brokers, which it only lacks for the sake of a single one.
REPLICATED = {"offsets.topic.replication.factor": 3, "transaction.state.log.replication.factor": 3, "transaction.state.log.min.isr": 2}


class TrioNode(Broker):
    """One of them. Formatted by the trio, for its first voters are all three."""

    def format(self):
        pass

    def format_with(self, voters):
        words = ["format", "-t", CLUSTER_ID, "-c", str(self.properties), "--initial-controllers", voters]
        if self.kind == APACHE:
            tool = ["java", "-cp", artifacts.judge_class_path(), "kafka.tools.StorageTool"]
        else:
            tool = [str(barnabas_binary()), "storage"]
        artifacts.run([*tool, *words])


class Trio:
    """`with Trio(kind, home) as trio`: three brokers that serve and know each other."""

    def __init__(self, kind, home):
        self.kind = kind
        self.nodes = {node: TrioNode(kind, home, {**REPLICATED, "node.id": node}) for node in NODES}
        self.directory = self.nodes[1].directory
        voters = ",".join(f"127.0.0.1:{node.controller_port}" for node in self.nodes.values())
        for node in self.nodes.values():
            with open(node.properties, "a") as properties:
                properties.write(f"controller.quorum.bootstrap.servers={voters}\n")

    @property
    def bootstrap(self):
        return ",".join(node.bootstrap for node in self.nodes.values())

    @property
    def pids(self):
        return [node.pid for node in self.nodes.values()]

    def __enter__(self):
        try:
            voters = ",".join(f"{number}@127.0.0.1:{node.controller_port}:{fresh_directory_id()}" for number, node in self.nodes.items())
            for node in self.nodes.values():
                node.format_with(voters)
            launch_together(self.nodes.values())
            return self
        except BaseException:
            self.close()
            raise

    def create_topic(self, name, partitions, configs):
        """With three replicas; asked again while brokers are missing that are just coming. Returns once all replicas are in sync."""
        known = {key: value for key, value in configs.items() if self.kind != APACHE or not key.startswith("barnabas.")}
        deadline = time.monotonic() + TOPIC_DEADLINE_SECONDS
        while True:
            try:
                with wire.Connection(self.nodes[1].port) as connection:
                    wire.create_topic(connection, name, partitions, known, len(NODES))
                break
            except wire.Refused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.await_whole(name, partitions)

    def await_whole(self, name, partitions):
        """Returns once every node knows every partition's leader, and that all its replicas are in sync."""
        for node in self.nodes.values():
            wire.await_leaders(node.port, name, partitions, TOPIC_DEADLINE_SECONDS, len(NODES))

    def leader_of(self, name, partition=0):
        with wire.Connection(self.nodes[1].port) as connection:
            return self.nodes[wire.leaders(connection, name)[partition]]

    def resident_bytes(self):
        return sum(process.resident_bytes(pid) for pid in self.pids)

    def run_seconds(self):
        return sum(process.run_seconds(pid) for pid in self.pids)

    @contextlib.contextmanager
    def sampled(self):
        """What all three spend in a window, once it is known: `between(begin, end)` answers CPU and the highest resident bytes."""
        with contextlib.ExitStack() as stack:
            samplers = [stack.enter_context(Sampler(pid)) for pid in self.pids]
            yield lambda begin, end: added([sampler.between(begin, end) for sampler in samplers])

    def close(self):
        for node in self.nodes.values():
            node.kill()
            shutil.rmtree(node.directory, ignore_errors=True)

    def __exit__(self, *_):
        self.close()


def added(spent):
    """The CPU of all, and the sum of what each held at most."""
    cpu = spent[0][0]
    for each, _ in spent[1:]:
        cpu = process.Cpu(cpu.user + each.user, cpu.system + each.system)
    return cpu, sum(resident for _, resident in spent)
