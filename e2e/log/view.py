"""What a client sees of a broker: every record of every partition, at both isolation levels, the topics' configurations, the groups'
offsets. Two views are compared to the byte. Knows nothing of files.
"""

import time
from dataclasses import dataclass, field, fields, replace

from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource

from under_test.eventually import eventually

DEADLINE_SECONDS = 60
TIMESTAMP_TYPES = {TIMESTAMP_CREATE_TIME: "CreateTime", TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}
UNCOMMITTED, COMMITTED = "read_uncommitted", "read_committed"


@dataclass(frozen=True)
class Record:
    offset: int
    leader_epoch: int
    timestamp_type: str
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple

    def as_dumped(self):
        """The line that DumpLogSegments prints for it, without the sequence."""
        sizes = [-1 if field is None else len(field) for field in (self.key, self.value)]
        line = f"| offset: {self.offset} {self.timestamp_type}: {self.timestamp} keySize: {sizes[0]} valueSize: {sizes[1]}"
        line += f" headerKeys: [{','.join(name for name, _ in self.headers)}]"
        for name, value in (("key", self.key), ("payload", self.value)):
            line += "" if value is None else f" {name}: {value.decode()}"
        return line


@dataclass
class View:
    """`records` and `ends` by isolation level, then by (topic, partition); `starts` by (topic, partition)."""

    records: dict = field(default_factory=dict)
    ends: dict = field(default_factory=dict)
    starts: dict = field(default_factory=dict)
    configs: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)

    def count(self):
        return sum(len(records) for records in self.records[UNCOMMITTED].values())

    def of(self, topic):
        """The same with the records of one topic only."""
        few = {level: {place: records for place, records in places.items() if place[0] == topic} for level, places in self.records.items()}
        return replace(self, records=few)


def settings(bootstrap, **more):
    """A client's settings; `a_b` stands for `a.b`."""
    return {"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200, **{name.replace("_", "."): value for name, value in more.items()}}


def look(bootstrap, groups, since=None):
    """The view of a running broker; `groups` are the groups to ask for. The records below the ends of the view `since` are taken from it."""
    view = View()
    admin = AdminClient(settings(bootstrap))
    topics = eventually(lambda: admin.list_topics(timeout=DEADLINE_SECONDS)).topics
    partitions = sorted((name, number) for name, topic in topics.items() if not name.startswith("__") for number in topic.partitions)
    for level in (UNCOMMITTED, COMMITTED):
        known = since.ends[level] if since else {}
        records, view.ends[level] = read(bootstrap, partitions, level, known)
        view.records[level] = {place: since.records[level][place] + more if place in known else more for place, more in records.items()}
    view.starts = starts(bootstrap, partitions)
    view.configs = topic_configs(admin, sorted({topic for topic, _ in partitions}))
    view.groups = {group: committed(admin, group) for group in groups}
    return view


def starts(bootstrap, partitions):
    """The first offset of each partition."""
    consumer = Consumer(settings(bootstrap, group_id="view", enable_auto_commit=False))
    try:
        return {(topic, number): consumer.get_watermark_offsets(TopicPartition(topic, number), DEADLINE_SECONDS)[0] for topic, number in partitions}
    finally:
        consumer.close()


def read(bootstrap, partitions, level, known):
    """Every record of the partitions, from the offset in `known` where there is one, and where each ended."""
    more = {"group_id": "view", "enable_auto_commit": False, "enable_partition_eof": True, "isolation_level": level, "fetch_wait_max_ms": 50}
    consumer = Consumer(settings(bootstrap, check_crcs=True, **more))
    consumer.assign([TopicPartition(*place, known.get(place, OFFSET_BEGINNING)) for place in partitions])
    records, ends = {each: [] for each in partitions}, {}
    deadline = time.monotonic() + DEADLINE_SECONDS
    try:
        while len(ends) < len(partitions):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{level}: no end was reached within {DEADLINE_SECONDS} s of {[each for each in partitions if each not in ends][:5]}")
            for message in consumer.consume(5000, 0.2):
                place = (message.topic(), message.partition())
                if message.error() is None:
                    records[place].append(record(message))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ends[place] = message.offset()
                else:
                    raise KafkaException(message.error())
        return records, ends
    finally:
        consumer.close()


def record(message):
    kind, timestamp = message.timestamp()
    headers = tuple(message.headers() or ())
    return Record(message.offset(), message.leader_epoch(), TIMESTAMP_TYPES[kind], timestamp, message.key(), message.value(), headers)


def topic_configs(admin, topics):
    """What is set for each topic itself."""
    described = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics])
    of_topics = {resource.name: future.result(DEADLINE_SECONDS) for resource, future in described.items()}
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {topic: {name: entry.value for name, entry in entries.items() if entry.source == own} for topic, entries in of_topics.items()}


def committed(admin, group):
    """What the group has committed, by (topic, partition): offset, leader epoch and note."""

    def ask():
        return admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(DEADLINE_SECONDS)

    found = eventually(ask).topic_partitions
    return {(one.topic, one.partition): (one.offset, one.leader_epoch, one.metadata) for one in found if one.offset >= 0}


def differences(before, after):
    """In what two views differ, in words; empty when they are the same."""
    found = []
    for level in (UNCOMMITTED, COMMITTED):
        for place in sorted(before.records[level].keys() | after.records[level].keys()):
            found += differing_records(level, place, before, after)
    for name in ("starts", "configs", "groups"):
        one, other = getattr(before, name), getattr(after, name)
        found += [f"{name} of {key}: {one.get(key)} before, {other.get(key)} after" for key in sorted(one.keys() | other.keys(), key=str) if one.get(key) != other.get(key)]
    return found


def differing_records(level, place, before, after):
    where = f"{place[0]}-{place[1]} {level}"
    one, other = before.records[level].get(place), after.records[level].get(place)
    if one is None or other is None:
        return [f"{where}: the partition is {'new' if one is None else 'gone'}"]
    for left, right in zip(one, other):
        if left.offset != right.offset:
            return [f"{where}: a record at {left.offset} before, the next one at {right.offset} after"]
        if left != right:
            return [f"{where}, record {left.offset}: {differing_fields(left, right)}"]
    if len(one) != len(other):
        first = max(one, other, key=len)[min(len(one), len(other))]
        return [f"{where}: {len(one)} records before, {len(other)} after; the first that only one has is at {first.offset}"]
    if before.ends[level][place] != after.ends[level][place]:
        return [f"{where}: ends at {before.ends[level][place]} before, at {after.ends[level][place]} after"]
    return []


def differing_fields(left, right):
    pairs = [(each.name, getattr(left, each.name), getattr(right, each.name)) for each in fields(left)]
    return ", ".join(f"{name} {str(one)[:80]} before and {str(other)[:80]} after" for name, one, other in pairs if one != other)
