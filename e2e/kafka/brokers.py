"""Three brokers and a controller of one kind on this machine, for the tools: what a script may do to a node, and the run's own addresses.

Every timeout is the server's default. Refuses to leave a process behind: Brokers is a context manager.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from under_test import artifacts
from under_test.server import CLUSTER_ID, Server, fresh_directory_id, launch_together

CONTROLLER, BROKERS = 4, (1, 2, 3)


class Node(Server):
    """One of them; formatted by all together, for its first voter is the controller."""

    def __init__(self, kind, node, home):
        directory = home / f"node{node}"
        directory.mkdir()
        super().__init__(kind, {"node.id": node}, directory)
        self.node = node

    def set(self, properties):
        with open(self.properties, "a") as file:
            file.writelines(f"{name}={value}\n" for name, value in properties.items())

    def format(self):
        pass

    def format_with(self, words):
        words = ["format", "-t", CLUSTER_ID, "-c", str(self.properties), *words]
        if self.kind == "apache":
            artifacts.run(["java", "-cp", artifacts.judge_class_path(), "kafka.tools.StorageTool", *words])
        else:
            artifacts.run([artifacts.barnabas_binary(), "storage", *words])


class Brokers:
    """`with Brokers(kind) as cluster`: every node answers."""

    def __init__(self, kind):
        self.directory = Path(tempfile.mkdtemp(prefix=f"{kind}-brokers-"))
        self.nodes = {node: Node(kind, node, self.directory) for node in (CONTROLLER, *BROKERS)}
        self.controller = self.nodes[CONTROLLER]
        self.data = self.directory / "no-one-directory"
        for node in self.nodes.values():
            node.set({"controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller.controller_port}"})
            if node is self.controller:
                # It has no other listener, and that one is what it answers at.
                address = f"CONTROLLER://127.0.0.1:{node.controller_port}"
                node.set({"process.roles": "controller", "listeners": address, "advertised.listeners": address})
                node.port = node.controller_port
            else:
                address = f"PLAINTEXT://127.0.0.1:{node.port}"
                node.set({"process.roles": "broker", "listeners": address, "advertised.listeners": address})

    @property
    def bootstrap(self):
        return ",".join(self.nodes[node].bootstrap for node in BROKERS)

    def names_of_ports(self):
        """What stands for each of this run's ports where two runs are compared."""
        return {node.port: f"PORT{node.node}" for node in self.nodes.values()}

    def act(self, word, node):
        """`stop`, `kill` or `start` of one of them; answers as a tool does."""
        node = self.nodes[int(node)]
        {"stop": node.stop, "kill": node.kill, "start": node.start}[word]()
        return "--- exit 0\n"

    def __enter__(self):
        try:
            voter = f"{CONTROLLER}@127.0.0.1:{self.controller.controller_port}:{fresh_directory_id()}"
            for node in self.nodes.values():
                node.format_with(["--initial-controllers", voter] if node is self.controller else [])
            launch_together(self.nodes.values())
            return self
        except BaseException:
            self.close()
            raise

    def stop(self):
        """All of them, the controller last."""
        for node in (*BROKERS, CONTROLLER):
            self.nodes[node].stop()

    def close(self):
        for node in self.nodes.values():
            node.kill()

    def __exit__(self, kind, *_):
        with contextlib.ExitStack() as left:
            left.callback(self.close)
            self.stop()
        if kind is None and not os.environ.get("KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)
