"""Voters come and go, by Apache Kafka's own kafka-metadata-quorum against whoever leads. Repeats what the quorum says to repeat, for a while."""

import time

from nodes import CONTROLLER_PORT, START_DEADLINE_SECONDS


def ask(cluster, *words):
    """kafka-metadata-quorum against the leader: what it printed. A leader that is not ready for a change is asked again."""
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    while True:
        # Not any controller: one that has just begun with an empty disk knows no release yet, and Kafka's client gives up there.
        leader = cluster.nodes[cluster.await_leader().leader]
        said = cluster.tools.call("metadata-quorum", ["metadata-quorum", "--bootstrap-controller", f"{leader.host}:{CONTROLLER_PORT}", *words])
        if said.endswith("--- exit 0\n"):
            return said
        # Kafka takes one change at a time, and none before the leader has committed in its epoch: its clients are to try again.
        if time.monotonic() > deadline or not any(sign in said for sign in ("Timeout", "timed out", "RequestTimedOut", "NotController", "NotLeader")):
            lines = [line for line in said.splitlines() if not line.startswith("\tat ")]
            raise RuntimeError("\n".join([f"kafka-metadata-quorum {' '.join(map(str, words))}:", *lines[-12:]]))
        time.sleep(0.2)


def remove(cluster, node, directory_id):
    ask(cluster, "remove-controller", "--controller-id", node.node, "--controller-directory-id", directory_id)


def add(cluster, node):
    """A node that runs, as an observer, becomes a voter: the tool reads who it is from its properties and its directory."""
    ask(cluster, "--command-config", node.properties, "add-controller")


def await_set(cluster, voters=(), observers=(), gone=()):
    """Returns what the leader says once these are voters, those observers, and the `gone` no voters."""
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    while True:
        said = cluster.ask_leader()
        if said is not None and set(voters) <= set(said.voters) and set(observers) <= set(said.observers) and not set(gone) & set(said.voters):
            return said
        if time.monotonic() > deadline:
            is_so = "no leader" if said is None else f"voters {sorted(said.voters)}, observers {sorted(said.observers)}"
            raise TimeoutError(f"wanted voters {voters}, observers {observers}, no voters {gone}: {is_so}\n{cluster.log_tails()}")
        time.sleep(0.05)


def replace_disk(cluster, node):
    """A voter's disk is lost: an empty one is formatted without voters, the node observes, the old voter leaves, the new one comes."""
    lost = node.directory_id()
    node.lose_disk()
    cluster.await_leader()
    join(cluster, node, lost)


def join(cluster, node, lost):
    """A node without a disk comes in the place of the voter that lost it."""
    node.format("--no-initial-controllers")
    node.launch()
    await_set(cluster, observers=[node.node])
    remove(cluster, node, lost)
    await_set(cluster, observers=[node.node], gone=[node.node])
    add(cluster, node)
    await_set(cluster, voters=[node.node])
    node.await_answer()
