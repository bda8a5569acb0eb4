"""Just enough of Kafka's protocol for the tests' own hands: create and delete topics, see who leads, one small produce, a group of one.

Low versions that both brokers read. It loads nobody: the load comes from the generator.
"""

import socket
import struct
import time

PRODUCE, METADATA, JOIN_GROUP, HEARTBEAT, SYNC_GROUP = 0, 3, 11, 12, 14
FIND_COORDINATOR, CREATE_TOPICS, DELETE_TOPICS, CREATE_PARTITIONS, ELECT_LEADERS = 10, 19, 20, 37, 43
NONE = 0
TIMEOUT_MS = 120_000


class Refused(Exception):
    """The broker answered with an error code."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        (value,) = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def i16(self):
        return self.number("h")

    def i32(self):
        return self.number("i")

    def raw(self, length):
        taken = self.data[self.at : self.at + max(length, 0)]
        self.at += max(length, 0)
        return taken

    def string(self):
        return self.raw(self.i16()).decode()

    def array(self, read):
        return [read() for _ in range(self.i32())]

    def unsigned(self):
        """A number of variable length, of a flexible version."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def tags(self):
        """Passes over the tagged fields of a flexible version."""
        for _ in range(self.unsigned()):
            self.unsigned()
            self.raw(self.unsigned())


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def unsigned(value):
    """A number of variable length, of a flexible version."""
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data + bytes([value]))


class Connection:
    """One connection that asks and awaits answers one at a time."""

    def __init__(self, port, timeout_seconds=TIMEOUT_MS / 1000, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout_seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, api, version, body, flexible=False):
        header = struct.pack(">hhi", api, version, 1) + string("rig") + (b"\0" if flexible else b"")
        self.socket.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        length = struct.unpack(">i", self.exactly(4))[0]
        reader = Reader(self.exactly(length))
        reader.i32()
        if flexible:
            reader.tags()
        return reader

    def exactly(self, length):
        data = bytearray()
        while len(data) < length:
            piece = self.socket.recv(min(length - len(data), 1 << 20))
            if not piece:
                raise ConnectionError("the broker closed the connection")
            data += piece
        return bytes(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def create_topic(connection, name, partitions, configs=None, replicas=1):
    pairs = [string(key) + string(str(value)) for key, value in (configs or {}).items()]
    topic = string(name) + struct.pack(">ih", partitions, replicas) + array([]) + array(pairs)
    reply = connection.call(CREATE_TOPICS, 2, array([topic]) + struct.pack(">ib", TIMEOUT_MS, 0))
    reply.i32()
    for topic, code, message in reply.array(lambda: (reply.string(), reply.i16(), reply.string())):
        if code != NONE:
            raise Refused(f"CreateTopics {topic}: error {code} {message}", code)


def add_partitions(connection, name, partitions):
    """Gives a topic more partitions, so that it has `partitions` in all."""
    by_the_broker = struct.pack(">i", -1)
    topic = string(name) + struct.pack(">i", partitions) + by_the_broker
    reply = connection.call(CREATE_PARTITIONS, 0, array([topic]) + struct.pack(">ib", TIMEOUT_MS, 0))
    reply.i32()
    for topic, code, message in reply.array(lambda: (reply.string(), reply.i16(), reply.string())):
        if code != NONE:
            raise Refused(f"CreatePartitions {topic}: error {code} {message}")


def delete_topic(connection, name):
    reply = connection.call(DELETE_TOPICS, 1, array([string(name)]) + struct.pack(">i", TIMEOUT_MS))
    reply.i32()
    for topic, code in reply.array(lambda: (reply.string(), reply.i16())):
        if code != NONE:
            raise Refused(f"DeleteTopics {topic}: error {code}")


def elect_preferred_leaders(connection):
    """Lets the first of its replicas lead each partition again, where it is in sync."""
    preferred, all_partitions = 0, -1
    reply = connection.call(ELECT_LEADERS, 1, struct.pack(">bii", preferred, all_partitions, TIMEOUT_MS))
    reply.i32()
    code = reply.i16()
    if code != NONE:
        raise Refused(f"ElectLeaders: error {code}", code)


def leaders(connection, topic):
    """The leader of each partition of a topic, -1 where there is none; nothing where the topic is not known (yet, or any more)."""
    return {index: leader for index, (leader, _) in partitions_of(connection, topic).items()}


def partitions_of(connection, topic):
    """The leader of each partition, as `leaders`, and its replicas in sync."""
    never_create = b"\0"
    reply = connection.call(METADATA, 4, array([string(topic)]) + never_create)
    reply.i32()
    reply.array(lambda: (reply.i32(), reply.string(), reply.i32(), reply.string()))
    reply.string(), reply.i32()
    found = {}

    def partition():
        code, index, leader = reply.i16(), reply.i32(), reply.i32()
        reply.array(reply.i32)
        found[index] = (leader if code == NONE else -1, reply.array(reply.i32))

    def one_topic():
        reply.i16(), reply.string(), reply.number("b"), reply.array(partition)

    reply.array(one_topic)
    return found


def await_leaders(port, topic, partitions, deadline_seconds, in_sync=1):
    """Returns once every partition of a topic has a leader, and so many replicas in sync."""
    deadline = time.monotonic() + deadline_seconds
    with Connection(port) as connection:
        while True:
            found = partitions_of(connection, topic)
            whole = sum(leader != -1 and len(isr) >= in_sync for leader, isr in found.values())
            if len(found) == whole == partitions:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{whole} of {partitions} partitions of {topic} had a leader and {in_sync} replicas in sync after {deadline_seconds} s")
            time.sleep(0.002 if partitions == 1 else 0.02)


def await_gone(port, topic, deadline_seconds):
    """Returns once a topic is no longer known."""
    deadline = time.monotonic() + deadline_seconds
    with Connection(port) as connection:
        while leaders(connection, topic):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} was still there after {deadline_seconds} s")
            time.sleep(0.02)


def crc32c(data):
    """Castagnoli's CRC, bit by bit: for batches of a few bytes."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def batch_of_one(value):
    """A record batch (v2) that holds one record without a key."""
    body = b"\0\0\0\1" + bytes([len(value) * 2]) + value + b"\0"  # attributes, deltas, null key, value, no headers
    record = bytes([len(body) * 2]) + body
    now_ms = int(time.time() * 1000)
    checked = struct.pack(">hiqqqhii", 0, 0, now_ms, now_ms, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, crc32c(checked)) + checked


def produce(connection, topic, partition=0, acks=-1):
    """One small record; the error code of the answer."""
    batch = batch_of_one(b"rig")
    data = struct.pack(">ii", partition, len(batch)) + batch
    body = struct.pack(">hhi", -1, acks, 30_000) + array([string(topic) + array([data])])
    reply = connection.call(PRODUCE, 3, body)
    reply.i32(), reply.string(), reply.i32(), reply.i32()
    return reply.i16()


class GroupOfOne:
    """A classic group with one member, for the time a heartbeat takes."""

    def __init__(self, connection, group, session_timeout_ms=30_000):
        self.connection, self.group = connection, group
        deadline = time.monotonic() + 60
        while self.find() != NONE:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no coordinator for {group} after 60 s")
            time.sleep(0.1)
        protocol = array([string("range") + struct.pack(">i", 0)])
        body = string(group) + struct.pack(">ii", session_timeout_ms, session_timeout_ms) + string("") + string("consumer") + protocol
        reply = self.retried(JOIN_GROUP, 2, body)
        self.generation = reply.i32()
        reply.string(), reply.string()
        self.member = reply.string()
        assignment = array([string(self.member) + struct.pack(">i", 0)])
        self.retried(SYNC_GROUP, 1, string(group) + struct.pack(">i", self.generation) + string(self.member) + assignment)

    def find(self):
        reply = self.connection.call(FIND_COORDINATOR, 1, string(self.group) + b"\0")
        reply.i32()
        return reply.i16()

    def retried(self, api, version, body):
        """Asks until the coordinator has loaded."""
        for _ in range(300):
            reply = self.connection.call(api, version, body)
            reply.i32()
            code = reply.i16()
            if code == NONE:
                return reply
            time.sleep(0.1)
        raise Refused(f"API {api} for group {self.group}: error {code}")

    def heartbeat(self):
        """The error code of one heartbeat."""
        body = string(self.group) + struct.pack(">i", self.generation) + string(self.member)
        reply = self.connection.call(HEARTBEAT, 1, body)
        reply.i32()
        return reply.i16()
