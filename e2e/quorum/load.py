"""The load: topic creations and configuration changes at every node at once, and a ledger of what was acknowledged and when.

Each change is of its own key and made once: an acknowledged one must be there for ever, one without an answer may be there or not.
Refuses to change a topic whose creation nobody acknowledged.
"""

import struct
import threading
import time
from dataclasses import dataclass

import admin
from under_test import wire
from under_test.wire import Refused

# Each is set once on each topic, to a number that no other change uses.
KEYS = ["retention.ms", "segment.ms", "flush.ms", "delete.retention.ms", "max.message.bytes"]
FIRST_VALUE = 10_000_000
REPLY_TIMEOUT_SECONDS = 3
PAUSE_SECONDS = 0.02
RETRY_SECONDS = 0.02
CHUNK = 200
SETTLE_SECONDS = 20
UNKNOWN, ACKNOWLEDGED = "unknown", "acknowledged"


@dataclass
class Change:
    """One change: `key` is empty for the creation of the topic."""

    worker: str
    topic: str
    key: str
    value: int
    sent: float
    answered: float = 0.0
    outcome: str = UNKNOWN


class Worker(threading.Thread):
    """One connection in a closed loop to one listener of one node; a new one when it breaks or an answer is late."""

    def __init__(self, load, node, listener):
        super().__init__(name=f"{listener}{node.node}", daemon=True)
        self.load, self.node, self.listener = load, node, listener
        self.connection, self.changes, self.last_error = None, [], ""

    def run(self):
        number = 0
        while not self.load.stopping.is_set():
            topic = f"{self.name}-{number}"
            number += 1
            if not self.change(topic, "", 0):
                continue
            for at, key in enumerate(KEYS):
                self.change(topic, key, FIRST_VALUE + number * len(KEYS) + at)
        self.disconnect()

    def change(self, topic, key, value):
        """Makes one change, writes down what came of it; whether it was acknowledged."""
        try:
            if self.connection is None:
                self.connection = self.node.connect(self.listener, REPLY_TIMEOUT_SECONDS)
        except OSError as error:
            self.last_error = str(error)
            self.load.stopping.wait(RETRY_SECONDS)
            return False
        change = Change(self.name, topic, key, value, time.monotonic())
        self.changes.append(change)
        try:
            if key:
                admin.set_topic_config(self.connection, topic, key, value)
            else:
                wire.create_topic(self.connection, topic, 1)
            change.outcome = ACKNOWLEDGED
            self.load.stopping.wait(PAUSE_SECONDS)
        except Refused as error:
            # An error leaves open whether the change came to be: even a controller that is none any more may have written it before.
            self.last_error = str(error)
            self.load.stopping.wait(RETRY_SECONDS)
        except (OSError, struct.error) as error:
            self.last_error = f"{type(error).__name__}: {error}"
            self.disconnect()
        change.answered = time.monotonic()
        return change.outcome == ACKNOWLEDGED

    def disconnect(self):
        if self.connection is not None:
            self.connection.socket.close()
            self.connection = None


class Load:
    """A worker at each broker's listener, which forwards, and one at each controller's, which takes changes only while it leads."""

    def __init__(self, cluster):
        self.cluster, self.stopping = cluster, threading.Event()
        self.workers = [Worker(self, node, "broker") for node in cluster.brokers]
        self.workers += [Worker(self, node, "controller") for node in cluster.controllers]
        for worker in self.workers:
            worker.start()

    def stop(self):
        self.stopping.set()
        for worker in self.workers:
            worker.join(2 * REPLY_TIMEOUT_SECONDS)
        return self

    def changes(self):
        return [change for worker in self.workers for change in list(worker.changes)]

    def acknowledged_since(self, listener, moment, without=()):
        """For each worker of a listener, nodes `without` left out: when the first change that was sent after `moment` was acknowledged."""
        found = {}
        for worker in self.workers:
            if worker.listener != listener or worker.node.node in without:
                continue
            found[worker.node.node] = None
            for change in reversed(list(worker.changes)):
                if change.sent < moment:
                    break
                if change.outcome == ACKNOWLEDGED and change.answered:
                    found[worker.node.node] = change.answered
        return found

    def errors(self):
        return "; ".join(f"{worker.name}: {worker.last_error}" for worker in self.workers if worker.last_error)

    def await_served(self, moment, without=(), deadline_seconds=120):
        """Seconds from `moment` until any controller, and until each broker but those `without`, acknowledged a change sent after it."""
        deadline = time.monotonic() + deadline_seconds
        while True:
            controllers = self.acknowledged_since("controller", moment)
            brokers = self.acknowledged_since("broker", moment, without)
            led = [at for at in controllers.values() if at is not None]
            if led and None not in brokers.values():
                return min(led) - moment, {node: at - moment for node, at in brokers.items()}
            if time.monotonic() > deadline:
                late = [f"broker {node}" for node, at in brokers.items() if at is None] + ([] if led else ["every controller"])
                raise TimeoutError(f"no change acknowledged for {deadline_seconds} s by {', '.join(late)}: {self.errors()}\n{self.cluster.log_tails()}")
            time.sleep(0.005)


def seen_by(node, topics):
    """What a broker knows: each topic's settings among KEYS."""
    with node.connect("broker", 60) as connection:
        known = sorted(admin.topic_names(connection) & topics)
        found = {}
        for start in range(0, len(known), CHUNK):
            found.update(admin.topic_configs(connection, known[start : start + CHUNK], KEYS))
    return found


def missing(changes, found):
    """The acknowledged changes that are not in what a node knows."""
    gone = []
    for change in changes:
        if change.outcome != ACKNOWLEDGED:
            continue
        configs = found.get(change.topic)
        if configs is None or (change.key and configs.get(change.key) != str(change.value)):
            gone.append(change)
    return gone


def never_asked_for(changes, found):
    """Settings that a node knows though nobody ever asked for them."""
    asked = {(change.topic, change.key): str(change.value) for change in changes if change.key}
    return [(topic, key) for topic, configs in found.items() for key, value in configs.items() if asked.get((topic, key)) != value]


def wrong_in(views, changes):
    """What is wrong with what the brokers know, in a sentence; nothing where every acknowledged change is known to each, and nothing else."""
    for node, found in views.items():
        gone, strange = missing(changes, found), never_asked_for(changes, found)
        if gone:
            named = ", ".join(f"{change.topic} {change.key or 'itself'}" for change in gone[:5])
            return f"LOST: broker {node} lacks {len(gone)} acknowledged changes: {named}"
        if strange:
            return f"broker {node} has {len(strange)} settings that nobody asked for: {strange[:5]}"
    (first, view), *others = views.items()
    for other, another in others:
        if another != view:
            differing = sorted(topic for topic in view.keys() | another.keys() if view.get(topic) != another.get(topic))
            return f"brokers {first} and {other} differ in {len(differing)} topics: {differing[:5]}"
    return ""


def verify(cluster, changes):
    """Every acknowledged change is on every broker, nothing else is, and the brokers say the same. Returns a sentence; raises otherwise."""
    topics = {change.topic for change in changes}
    cluster.await_caught_up()
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        views = {node.node: seen_by(node, topics) for node in cluster.brokers}
        wrong = wrong_in(views, changes)
        if not wrong:
            break
        # A broker that has fetched the log has yet to apply it.
        if time.monotonic() > deadline:
            raise RuntimeError(wrong)
        time.sleep(0.5)
    counted = sum(change.outcome == ACKNOWLEDGED for change in changes)
    return f"{counted} acknowledged changes of {len(changes)} tried are on each of {len(views)} brokers"
