"""A broker in name only: it registers with the controllers and sends heartbeats, so that partitions can be placed on it that cost no disk
and no thread. For measuring what partitions cost the quorum alone. It serves nobody.
"""

import struct
import threading
import time
import uuid

import admin
from under_test import wire
from under_test.server import CLUSTER_ID
from under_test.wire import Refused

BROKER_REGISTRATION, BROKER_HEARTBEAT = 62, 63
HEARTBEAT_SECONDS = 1
NO_TAGS = b"\0"
EVERYTHING = (1 << 62)
# As wide as needed: a broker must support every level that is finalised.
FEATURES = {"metadata.version": (7, 30), "kraft.version": (0, 1), "transaction.version": (0, 2), "group.version": (0, 1)}
FEATURES |= {"eligible.leader.replicas.version": (0, 1), "share.version": (0, 1), "streams.version": (0, 1)}


def compact(text):
    data = text.encode()
    return wire.unsigned(len(data) + 1) + data


def compact_array(items):
    return wire.unsigned(len(items) + 1) + b"".join(items)


class StandIn(threading.Thread):
    def __init__(self, cluster, broker):
        super().__init__(name=f"stand-in {broker}", daemon=True)
        self.cluster, self.broker = cluster, broker
        self.incarnation, self.directory = uuid.uuid4().bytes, uuid.uuid4().bytes
        self.epoch, self.ended, self.served = None, threading.Event(), threading.Event()
        self.last_error = ""

    def run(self):
        while not self.ended.wait(0.05):
            said = self.cluster.ask_leader()
            if said is None:
                continue
            try:
                with self.cluster.nodes[said.leader].connect("controller", 10) as connection:
                    self.live(connection)
            except (OSError, Refused, struct.error) as error:
                self.last_error = f"{type(error).__name__}: {error}"

    def live(self, connection):
        """Heartbeats to one controller until it refuses."""
        if self.epoch is None:
            self.register(connection)
        while True:
            body = struct.pack(">iqq", self.broker, self.epoch, EVERYTHING) + b"\0\0" + NO_TAGS
            reply = connection.call(BROKER_HEARTBEAT, 0, body, flexible=True)
            reply.i32()
            code = reply.i16()
            if code != wire.NONE:
                raise Refused(f"BrokerHeartbeat: error {code}", code)
            reply.number("b")
            if reply.number("b") == 0:  # fenced no more
                self.served.set()
            if self.ended.wait(HEARTBEAT_SECONDS):
                return

    def register(self, connection):
        listener = compact("PLAINTEXT") + compact("192.0.2.1") + struct.pack(">Hh", 9092, 0) + NO_TAGS
        features = [compact(name) + struct.pack(">hh", *levels) + NO_TAGS for name, levels in FEATURES.items()]
        body = struct.pack(">i", self.broker) + compact(CLUSTER_ID) + self.incarnation + compact_array([listener])
        body += compact_array(features) + b"\0" + b"\0" + compact_array([self.directory]) + struct.pack(">q", -1) + NO_TAGS
        reply = connection.call(BROKER_REGISTRATION, 4, body, flexible=True)
        reply.i32()
        code, self.epoch = reply.i16(), reply.number("q")
        if code != wire.NONE:
            self.epoch = None
            raise Refused(f"BrokerRegistration: error {code}", code)

    def await_served(self, deadline_seconds=60):
        if not self.served.wait(deadline_seconds):
            raise TimeoutError(f"the stand-in was not let in within {deadline_seconds} s: {self.last_error}")
        return self

    def fill(self, partitions, per_topic=2000):
        """Creates topics that live on the stand-in alone; seconds it took."""
        began, number = time.monotonic(), 0
        while partitions > 0:
            count = min(partitions, per_topic)
            leader = self.cluster.nodes[self.cluster.await_leader().leader]
            with leader.connect("controller", 60) as connection:
                admin.create_topic_on(connection, f"filler-{number}", [self.broker] * count)
            partitions, number = partitions - count, number + 1
        return time.monotonic() - began
