"""A quorum of real processes, each node in a name space of its own: ours, Apache Kafka's, or some of each, from the same properties.

Every timeout of the quorum and of sessions is the server's default. Refuses to leave a process behind: a Cluster is a context manager.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import admin
import network
from under_test import artifacts, wire
from under_test.server import CLUSTER_ID, UNSERVED_FEATURES, fresh_directory_id
from under_test.wire import Refused

BROKER_PORT, CONTROLLER_PORT = 9092, 9093
START_DEADLINE_SECONDS = 120
STOP_DEADLINE_SECONDS = 40
ASK_TIMEOUT_SECONDS = 2

PROPERTIES = """\
process.roles={roles}
node.id={node}
listeners={listeners}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Node:
    def __init__(self, kind, node, roles, cluster):
        self.kind, self.node, self.roles, self.cluster = kind, node, roles, cluster
        self.host = network.address(node)
        self.directory = cluster.directory / f"node{node}"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data, self.log = self.directory / "data", self.directory / "server.log"
        self.properties = self.directory / "server.properties"
        self.process = None

    @property
    def is_broker(self):
        return "broker" in self.roles

    @property
    def is_controller(self):
        return "controller" in self.roles

    def write_properties(self, voters, overrides):
        """`voters`: node id to its endpoint, as configuration (static) or as servers to ask (dynamic)."""
        listeners = []
        if self.is_broker:
            listeners.append(f"PLAINTEXT://{self.host}:{BROKER_PORT}")
        if self.is_controller:
            listeners.append(f"CONTROLLER://{self.host}:{CONTROLLER_PORT}")
        text = PROPERTIES.format(roles=self.roles, node=self.node, listeners=",".join(listeners), data=self.data)
        text += voters
        for name, value in overrides.items():
            text += f"{name}={value}\n"
        self.properties.write_text(text)

    def command(self):
        if self.kind == "apache":
            java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", f"-Dquorum.node={self.node}"]
            return [*java, "-cp", artifacts.judge_class_path(), "kafka.Kafka", str(self.properties)]
        return [str(artifacts.barnabas_binary()), "server", str(self.properties)]

    def format(self, *how):
        """Formats the directory with the tool of the node's kind; `how` says what the quorum begins with."""
        words = ["format", "-t", CLUSTER_ID, "-c", str(self.properties), *how]
        if self.kind == "apache":
            if "barnabas" in self.cluster.kinds:
                # Both kinds have to serve what is finalised.
                words += [word for feature in UNSERVED_FEATURES for word in ("--feature", f"{feature}=0")]
            said = self.cluster.tools.call("format", ["storage", *words])
            if not said.endswith("--- exit 0\n"):
                raise RuntimeError(f"kafka-storage {' '.join(words)}:\n{said}")
        else:
            artifacts.run([artifacts.barnabas_binary(), "storage", *words])

    def directory_id(self):
        for line in (self.data / "meta.properties").read_text().splitlines():
            if line.startswith("directory.id="):
                return line.partition("=")[2].strip()
        raise RuntimeError(f"node {self.node}: meta.properties names no directory.id")

    def launch(self):
        """Starts the process and returns at once."""
        with open(self.log, "ab") as log:
            command = self.cluster.network.enter(self.node, self.command())
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory)

    def connect(self, listener, timeout_seconds=ASK_TIMEOUT_SECONDS):
        port = BROKER_PORT if listener == "broker" else CONTROLLER_PORT
        return wire.Connection(port, timeout_seconds, self.host)

    def answers(self):
        """Whether a fresh connection gets a reply to ApiVersions v0."""
        body = struct.pack(">hhih", 18, 0, 7, -1)
        try:
            port = BROKER_PORT if self.is_broker else CONTROLLER_PORT
            with socket.create_connection((self.host, port), timeout=ASK_TIMEOUT_SECONDS) as connection:
                connection.sendall(struct.pack(">i", len(body)) + body)
                return connection.recv(8)[4:] == b"\0\0\0\x07"
        except OSError:
            return False

    def await_answer(self):
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"node {self.node} exited {self.process.returncode} while starting:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"node {self.node} did not answer within {START_DEADLINE_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.05)

    def await_said(self, words):
        """Returns once the log has these words."""
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while words not in self.log.read_text(errors="replace"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"node {self.node} did not say '{words}' within {START_DEADLINE_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.05)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """SIGTERM; whether it went in time."""
        if not self.alive():
            return True
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self):
        """Whether the process, which was told to end, did so in time. Afterwards it is gone, one way or the other."""
        try:
            self.process.wait(STOP_DEADLINE_SECONDS)
            return True
        except subprocess.TimeoutExpired:
            self.kill()
            return False

    def lose_disk(self):
        """The node is gone with everything that it ever wrote."""
        self.kill()
        shutil.rmtree(self.data)

    def cpu_seconds(self):
        """What the process has used of processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def log_tail(self, lines=30):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


class Cluster:
    """`kinds`: one kind for each node. `controllers` is None where every node is both; else that many of them are controllers alone and
    the others brokers alone. `formed` is "static" (controller.quorum.voters) or "initial" (voters in the log, --initial-controllers).
    """

    def __init__(self, kinds, directory, tools, controllers=None, formed="initial", overrides=None):
        self.kinds, self.directory, self.tools, self.formed = kinds, Path(directory), tools, formed
        self.overrides = overrides or {}
        self.network = network.Network(range(1, len(kinds) + 1))
        self.nodes = {}
        for node, kind in enumerate(kinds, 1):
            roles = "broker,controller"
            if controllers is not None:
                roles = "controller" if node <= controllers else "broker"
            self.nodes[node] = Node(kind, node, roles, self)
        for node in self.nodes.values():
            node.write_properties(self.voters_text(), self.overrides)

    @property
    def controllers(self):
        return [node for node in self.nodes.values() if node.is_controller]

    @property
    def brokers(self):
        return [node for node in self.nodes.values() if node.is_broker]

    def voters_text(self):
        if self.formed == "static":
            voters = ",".join(f"{node.node}@{node.host}:{CONTROLLER_PORT}" for node in self.controllers)
            return f"controller.quorum.voters={voters}\n"
        servers = ",".join(f"{node.host}:{CONTROLLER_PORT}" for node in self.controllers)
        return f"controller.quorum.bootstrap.servers={servers}\n"

    def format(self):
        how = []
        if self.formed == "initial":
            voters = [f"{node.node}@{node.host}:{CONTROLLER_PORT}:{fresh_directory_id()}" for node in self.controllers]
            how = ["--initial-controllers", ",".join(voters)]
        self.first_voters = how
        for node in self.nodes.values():
            node.format(*(how if node.is_controller else []))

    def start(self):
        """Formats, starts all nodes and returns once one of them leads and every broker may be used."""
        self.format()
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.await_answer()
        self.await_leader()
        self.await_brokers()
        return self

    def ask_leader(self):
        """DescribeQuorum from the controller that leads with the newest epoch, or nothing where none does."""
        found = None
        for node in self.controllers:
            try:
                with node.connect("controller", timeout_seconds=0.5) as connection:
                    said = admin.describe_quorum(connection)
            except (OSError, Refused):
                continue
            if said.leader == node.node and (found is None or said.epoch > found.epoch):
                found = said
        return found

    def await_leader(self, deadline_seconds=START_DEADLINE_SECONDS):
        deadline = time.monotonic() + deadline_seconds
        while True:
            found = self.ask_leader()
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"no controller led within {deadline_seconds} s\n{self.log_tails()}")
            time.sleep(0.05)

    def await_brokers(self, deadline_seconds=START_DEADLINE_SECONDS):
        """Returns once every broker knows of every broker."""
        deadline, wanted = time.monotonic() + deadline_seconds, {node.node for node in self.brokers}
        for node in self.brokers:
            while True:
                try:
                    with node.connect("broker") as connection:
                        known = admin.broker_ids(connection)
                except (OSError, Refused):
                    known = set()
                if wanted <= known:
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError(f"node {node.node} knew brokers {sorted(known)} of {sorted(wanted)} after {deadline_seconds} s\n{self.log_tails()}")
                time.sleep(0.05)

    def await_caught_up(self, deadline_seconds=START_DEADLINE_SECONDS):
        """Returns once every node has fetched, from the leader, all that was in its log when this was called."""
        deadline, wanted = time.monotonic() + deadline_seconds, None
        while True:
            said = self.ask_leader()
            if said is not None:
                ends = {**said.observers, **said.voters}
                wanted = wanted or ends.get(said.leader)
                behind = [node for node in self.nodes if ends.get(node, -1) < wanted]
                if not behind:
                    return said
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {deadline_seconds} s behind offset {wanted}: {'no leader' if said is None else behind}\n{self.log_tails()}")
            time.sleep(0.05)

    def log_tails(self):
        return "\n".join(f"--- node {node.node} ({node.kind}):\n{node.log_tail(12)}" for node in self.nodes.values())

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.end()
            raise

    def end(self):
        for node in self.nodes.values():
            node.kill()
        self.network.close()

    def __exit__(self, *_):
        self.end()
