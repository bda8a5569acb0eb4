"""One single-node server under test: ours, or Apache Kafka as the rival, with the same properties file.

Ports and directories differ per run. Ports are taken below the kernel's ephemeral range, so that a server that was killed
finds its ports free again. Refuses to leave a process behind: whoever starts a server uses it as a context manager.
"""

import base64
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from under_test import artifacts

# The listener names, the single-node quorum and quick groups; everything else is the server's default, except where a
# test must be able to tell a default of the broker from a constant (num.partitions).
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""

CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
# What Apache Kafka finalises in a new cluster and we do not serve: a directory in which one of them is finalised is for Apache Kafka alone.
UNSERVED_FEATURES = ["group.version", "share.version", "streams.version", "transaction.version"]
START_DEADLINE_SECONDS = 60
STOP_DEADLINE_SECONDS = 40


def fresh_directory_id():
    """A random id as Kafka writes it, and never one that a command line takes for a flag."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def free_port():
    """A loopback port that nothing listens on, outside the range that outgoing connections are given."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def launch_together(servers):
    """Starts formatted servers, none of which may answer before others run; returns once all of them answer."""
    for server in servers:
        server.launch()
    for server in servers:
        server.start_answering()


class Server:
    """`kind` is "barnabas" or "apache"; `overrides` are further properties, later ones win."""

    def __init__(self, kind, overrides=None, directory=None):
        self.kind = kind
        self.own_directory = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"{kind}-under-test-"))
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.port, self.controller_port, self.admin_port = free_port(), free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.process = None
        text = PROPERTIES.format(port=self.port, controller_port=self.controller_port, data=self.data)
        for name, value in (overrides or {}).items():
            text += f"{name}={value}\n"
        self.properties = self.directory / "server.properties"
        self.properties.write_text(text)

    def command(self):
        if self.kind == "apache":
            class_path = artifacts.judge_class_path()
            return ["java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", class_path, "kafka.Kafka", str(self.properties)]
        admin = f"barnabas.admin.listener=127.0.0.1:{self.admin_port}"
        return [str(artifacts.barnabas_binary()), "server", str(self.properties), "--override", admin, "--cluster-id", CLUSTER_ID]

    def format(self):
        if self.kind == "apache" and not (self.data / "meta.properties").exists():
            tool = ["java", "-cp", artifacts.judge_class_path(), "kafka.tools.StorageTool", "format"]
            artifacts.run([*tool, "-t", CLUSTER_ID, "-c", str(self.properties), "--standalone"])

    def start(self):
        """Starts the process and returns once it answers ApiVersions."""
        self.format()
        self.launch()
        return self.start_answering()

    def start_answering(self):
        """Returns once a process that was launched answers ApiVersions."""
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server exited {self.process.returncode} while starting:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the server did not answer within {START_DEADLINE_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.02)
        return self

    def launch(self):
        """Starts the process and returns at once."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory)

    def answers(self):
        """Whether a fresh connection gets a reply to ApiVersions v0."""
        body = struct.pack(">hhih", 18, 0, 7, -1)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(body)) + body)
                reply = connection.recv(8)
                return len(reply) == 8 and reply[4:] == b"\0\0\0\x07"
        except OSError:
            return False

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def resident_bytes(self):
        """Resident memory of the process now."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def kill(self):
        """kill -9, and waits until the process is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; a server that does not go in time is an error, and is killed."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the server was still there {STOP_DEADLINE_SECONDS} s after SIGTERM:\n{self.log_tail()}")

    def log_tail(self, lines=30):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, kind, *_):
        try:
            self.stop()
        finally:
            self.kill()
            if self.own_directory and kind is None and not os.environ.get("KEEP"):
                shutil.rmtree(self.directory, ignore_errors=True)
