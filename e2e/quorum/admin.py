"""What the load and its checks ask of a node: topics, configurations, who leads the quorum. Low versions that both brokers read.

An answer with an error code is `Refused`; a connection that is gone or late is an OSError. Repeats nothing: that is for the caller.
"""

import struct

from under_test import wire
from under_test.wire import Refused, array, string

INCREMENTAL_ALTER_CONFIGS, DESCRIBE_CONFIGS, DESCRIBE_QUORUM = 44, 32, 55
TOPIC = 2
SET = 0


def create_topic_on(connection, name, brokers):
    """A topic with one replica of each partition: partition n on the nth of `brokers`."""
    placed = [struct.pack(">i", partition) + struct.pack(">ii", 1, broker) for partition, broker in enumerate(brokers)]
    topic = string(name) + struct.pack(">ih", -1, -1) + array(placed) + array([])
    reply = connection.call(wire.CREATE_TOPICS, 2, array([topic]) + struct.pack(">ib", wire.TIMEOUT_MS, 0))
    reply.i32()
    for topic, code, message in reply.array(lambda: (reply.string(), reply.i16(), reply.string())):
        if code != wire.NONE:
            raise Refused(f"CreateTopics {topic}: error {code} {message}", code)


def set_topic_config(connection, topic, name, value):
    entry = string(name) + struct.pack(">b", SET) + string(str(value))
    resource = struct.pack(">b", TOPIC) + string(topic) + array([entry])
    reply = connection.call(INCREMENTAL_ALTER_CONFIGS, 0, array([resource]) + b"\0")
    reply.i32()

    def result():
        code, message = reply.i16(), reply.string()
        reply.number("b"), reply.string()
        return code, message

    for code, message in reply.array(result):
        if code != wire.NONE:
            raise Refused(f"IncrementalAlterConfigs {topic}: error {code} {message}", code)


def topic_configs(connection, topics, names):
    """For each topic that the node knows: what it says of each of `names`, where it is set on the topic itself."""
    of_the_topic = 1
    asked = [struct.pack(">b", TOPIC) + string(topic) + array([string(name) for name in names]) for topic in topics]
    reply = connection.call(DESCRIBE_CONFIGS, 1, array(asked) + b"\0")
    reply.i32()
    found = {}

    def entry():
        name, value = reply.string(), reply.string()
        reply.number("b")
        source = reply.number("b")
        reply.number("b")
        reply.array(lambda: (reply.string(), reply.string(), reply.number("b")))
        return name, value, source

    def result():
        code, _, _, topic = reply.i16(), reply.string(), reply.number("b"), reply.string()
        entries = reply.array(entry)
        if code == wire.NONE:
            found[topic] = {name: value for name, value, source in entries if source == of_the_topic}

    reply.array(result)
    return found


def topic_names(connection):
    every_topic, never_create = struct.pack(">i", -1), b"\0"
    reply = connection.call(wire.METADATA, 4, every_topic + never_create)
    reply.i32()
    reply.array(lambda: (reply.i32(), reply.string(), reply.i32(), reply.string()))
    reply.string(), reply.i32()
    names = set()

    def partition():
        reply.i16(), reply.i32(), reply.i32(), reply.array(reply.i32), reply.array(reply.i32)

    def one_topic():
        code, name = reply.i16(), reply.string()
        reply.number("b"), reply.array(partition)
        if code == wire.NONE:
            names.add(name)

    reply.array(one_topic)
    return names


def broker_ids(connection):
    """The brokers that the node takes for alive."""
    no_topic, never_create = struct.pack(">i", 0), b"\0"
    reply = connection.call(wire.METADATA, 4, no_topic + never_create)
    reply.i32()
    return {broker[0] for broker in reply.array(lambda: (reply.i32(), reply.string(), reply.i32(), reply.string()))}


class Quorum:
    """What the leader of the metadata log says of it."""

    def __init__(self, leader, epoch, high_watermark, voters, observers):
        self.leader, self.epoch, self.high_watermark = leader, epoch, high_watermark
        self.voters, self.observers = voters, observers


def describe_quorum(connection):
    """Asks a node for DescribeQuorum v0; a node that does not lead refuses, on the controller's listener."""
    name = b"\x13__cluster_metadata"
    body = b"\x02" + name + b"\x02" + struct.pack(">i", 0) + b"\0" + b"\0" + b"\0"
    reply = connection.call(DESCRIBE_QUORUM, 0, body, flexible=True)

    def compact_array(read):
        return [read() for _ in range(reply.unsigned() - 1)]

    def state():
        replica, end = reply.i32(), reply.number("q")
        reply.tags()
        return replica, end

    def partition():
        index, code = reply.i32(), reply.i16()
        leader, epoch, high_watermark = reply.i32(), reply.i32(), reply.number("q")
        voters, observers = dict(compact_array(state)), dict(compact_array(state))
        reply.tags()
        if code != wire.NONE:
            raise Refused(f"DescribeQuorum of partition {index}: error {code}", code)
        return Quorum(leader, epoch, high_watermark, voters, observers)

    def topic():
        reply.raw(reply.unsigned() - 1)
        partitions = compact_array(partition)
        reply.tags()
        return partitions

    code = reply.i16()
    if code != wire.NONE:
        raise Refused(f"DescribeQuorum: error {code}", code)
    return compact_array(topic)[0][0]
