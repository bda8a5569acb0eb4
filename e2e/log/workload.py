"""What is written into a broker before its directory is judged: every codec, batches of many sizes, headers, nulls, idempotent and
transactional producers, both kinds of timestamps, segments that roll, deleted records, compacted topics, groups, configurations.

Everything comes from one seed. Payloads are text without line breaks, so that a dump of a log can be compared line by line. Refuses
to go on when a record is not acknowledged. Judges nothing.
"""

import base64
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from under_test.eventually import eventually
from view import DEADLINE_SECONDS, settings

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# The least that Kafka takes.
SMALL_SEGMENT = {"segment.bytes": 1 << 20}
# The time of a record decides when such a segment rolls, so nothing need be waited for.
ROLLING = {"segment.ms": 10_000, "min.cleanable.dirty.ratio": 0.001, "cleanup.policy": "compact"}
HOUR_MS = 3_600_000
OPEN = "left-open"
# Topic, partitions, configuration. The first of each rolls, so that there are sealed segments to look at.
TOPICS = [
    *((f"codec-{codec}", 1, SMALL_SEGMENT) for codec in CODECS),
    ("sizes", 1, {**SMALL_SEGMENT, "max.message.bytes": 1_100_000}),
    ("append-time", 1, {**SMALL_SEGMENT, "message.timestamp.type": "LogAppendTime"}),
    ("indexed-densely", 1, {**SMALL_SEGMENT, "index.interval.bytes": 64}),
    ("deleted-below", 1, {**SMALL_SEGMENT, "file.delete.delay.ms": 100}),
    ("spread", 4, {"retention.ms": 86_400_000, "retention.bytes": 1 << 30}),
    # Compressed by the broker, whatever the producer did.
    *((f"stored-{codec}", 1, {"compression.type": codec}) for codec in CODECS[1:]),
    ("by-java", 1, {}),
    ("by-hand", 1, {}),
    ("deleted", 1, {}),
]
TRANSACTIONAL = [("transactions", 2, SMALL_SEGMENT), ("transactions-compacted", 1, {**ROLLING, "delete.retention.ms": 86_400_000})]
COMPACTED = [("compacted", 1, {**ROLLING, "delete.retention.ms": 0}), ("tombstones-kept", 1, {**ROLLING, "delete.retention.ms": 86_400_000})]
# Not compacted by who writes it: that is left to the other.
LATER = ("compacted-later", 1, {**ROLLING, "delete.retention.ms": 86_400_000, "min.compaction.lag.ms": 10 * 86_400_000})
GROUPS = ["by-hand", "joined", "in-transactions"]


class Workload:
    """One broker's records to be. `size` multiplies how much there is."""

    def __init__(self, bootstrap, random, size=1):
        self.bootstrap, self.random, self.size = bootstrap, random, size
        self.admin = AdminClient(settings(bootstrap))
        # An hour ago: young enough for retention, old enough to be told from a timestamp that a broker gave.
        self.clock_ms = int(time.time() * 1000) - HOUR_MS
        # Of each compacted topic the last value of each key.
        self.latest = {}

    # What the chapters are made of.

    def create(self, topics):
        new = [NewTopic(name, partitions, 1, config={key: str(value) for key, value in config.items()}) for name, partitions, config in topics]
        for name, future in self.admin.create_topics(new).items():
            future.result(DEADLINE_SECONDS)
            eventually(lambda: self.admin.list_topics(name, timeout=DEADLINE_SECONDS))

    def text(self, length):
        return base64.b64encode(self.random.randbytes(length * 3 // 4 + 3))[:length]

    def record(self, value_bytes, key=None):
        """A record with or without key, value and headers, a few milliseconds after the one before it, now and then before it."""
        self.clock_ms += self.random.randrange(5)
        headers = [(f"h{number}", self.random.choice([None, b"", self.text(20)])) for number in range(self.random.choice([0, 0, 1, 3]))]
        nothing = key is None and self.random.random() < 0.03
        return {
            "key": self.random.choice([None, self.text(12)]) if key is None else key,
            "value": None if nothing else self.text(value_bytes),
            "headers": headers,
            "timestamp": self.clock_ms - self.random.choice([0, 0, 0, 50]),
        }

    def some_records(self, total_bytes, largest):
        """Records of all sizes up to `largest`, together about `total_bytes`."""
        made = []
        while total_bytes > 0:
            size = int(largest ** self.random.random())
            made.append(self.record(size))
            total_bytes -= size + 40
        return made

    def producer(self, **more):
        return AcknowledgedProducer(settings(self.bootstrap, **{"linger_ms": 5, "enable_idempotence": True, **more}))

    def produce(self, topic, records, partition=0, **more):
        """Produces records in batches of many sizes and waits for the acknowledgement of each."""
        producer = self.producer(**more)
        until_flush = 0
        for record in records:
            producer.send(topic, partition, record)
            until_flush -= 1
            if until_flush <= 0:
                producer.flush()
                until_flush = int(1000 ** self.random.random())
        producer.flush()

    # The chapters.

    def write_plain(self):
        """All that needs neither transactions nor compaction."""
        self.create(TOPICS)
        for codec in CODECS:
            self.produce(f"codec-{codec}", self.some_records(2_000_000 * self.size, 5000), compression_type=codec)
        sizes = [0, 1, 10, 100, 1000, 10_000, 100_000, 900_000, 63, 64, 127, 128, 8191, 8192]
        self.produce("sizes", [self.record(size) for size in sizes for _ in range(2)], batch_size=1_100_000, message_max_bytes=1_100_000)
        self.produce("append-time", self.some_records(1_300_000 * self.size, 3000), compression_type="lz4")
        self.produce("indexed-densely", self.some_records(1_200_000 * self.size, 3000))
        for codec in CODECS[1:]:
            self.produce(f"stored-{codec}", self.some_records(100_000, 3000), compression_type=self.random.choice(CODECS))
        for partition in range(4):
            acks = self.random.choice(["all", "1"])
            self.produce("spread", self.some_records(30_000, 1000), partition, enable_idempotence=False, acks=acks)
        self.produce("deleted", self.some_records(10_000, 1000))
        self.admin.delete_topics(["deleted"])["deleted"].result(DEADLINE_SECONDS)
        self.produce("deleted-below", self.some_records(2_500_000, 3000))
        self.delete_below()
        self.alter_configs()

    def write_by_java(self, tools):
        """The same codecs through Apache Kafka's own producer, which builds its batches in its own way."""
        for codec in CODECS:
            lines = [b"h1:v1,h2:v2\t%s\t%s\n" % (self.text(8), self.text(int(2000 ** self.random.random()))) for _ in range(200)]
            options = ["--compression-codec", codec, "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true"]
            words = ["console-producer", "--bootstrap-server", self.bootstrap, "--topic", "by-java", *options]
            said = tools.call("produce", words, b"".join(lines).decode())
            if said != "--- exit 0\n":
                raise RuntimeError(f"kafka-console-producer failed:\n{said}")

    def delete_below(self):
        """Takes away more than a first segment of one topic."""
        consumer = Consumer(settings(self.bootstrap, group_id="watermarks"))
        end = consumer.get_watermark_offsets(TopicPartition("deleted-below", 0), DEADLINE_SECONDS)[1]
        consumer.close()
        place = TopicPartition("deleted-below", 0, end * 3 // 4)
        self.admin.delete_records([place])[place].result(DEADLINE_SECONDS)

    def alter_configs(self):
        """Sets, changes and takes back configurations of a topic that has some."""
        changes = [("retention.ms", "7200000", AlterConfigOpType.SET), ("flush.messages", "7", AlterConfigOpType.SET), ("retention.bytes", None, AlterConfigOpType.DELETE)]
        entries = [ConfigEntry(name, value, incremental_operation=operation) for name, value, operation in changes]
        self.alter("spread", entries)

    def alter(self, topic, entries):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(DEADLINE_SECONDS)

    def commit_groups(self):
        """Commits by hand, with a note; and by a member of a group that has joined, read and left."""
        consumer = Consumer(settings(self.bootstrap, group_id="by-hand", enable_auto_commit=False))
        offsets = [TopicPartition("spread", partition, 3 + partition, metadata=f"note {partition}") for partition in range(4)]
        for commit in (offsets, offsets[:2]):
            eventually(lambda: consumer.commit(offsets=commit, asynchronous=False))
        consumer.close()
        consumer = Consumer(settings(self.bootstrap, group_id="joined", enable_auto_commit=False, auto_offset_reset="earliest"))
        consumer.subscribe(["spread", "codec-zstd"])
        deadline = time.monotonic() + DEADLINE_SECONDS
        read = 0
        while read < 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the member of group joined read {read} records in {DEADLINE_SECONDS} s")
            read += sum(1 for message in consumer.consume(100, 0.2) if message.error() is None)
        consumer.commit(asynchronous=False)
        consumer.close()

    def compact(self, topics):
        """A round of keys written again and again, and some of them deleted; called twice, the second finds the first sealed."""
        for topic, _, _ in topics:
            for _ in range(3):
                self.clock_ms += 20_000
                keys = [f"key-{self.random.randrange(40)}".encode() for _ in range(150)]
                records = [self.record(int(2000 ** self.random.random()), key) for key in keys]
                for record in records:
                    if self.random.random() < 0.2:
                        record["value"] = None
                self.produce(topic, records, compression_type=self.random.choice(CODECS))
                self.latest.setdefault(topic, {}).update((record["key"], record["value"]) for record in records)
            # One record in a segment of its own: what is before it is sealed.
            self.clock_ms += 20_000
            last = self.record(10, b"last")
            self.produce(topic, [last])
            self.latest[topic][b"last"] = last["value"]

    def compact_later(self):
        """From now on the topic that was left alone may be compacted."""
        self.alter(LATER[0], [ConfigEntry("min.compaction.lag.ms", "0", incremental_operation=AlterConfigOpType.SET)])

    def transact(self):
        """Two transactional producers and a plain one, their transactions side by side, committed and aborted; the last stays open."""
        producers = [self.producer(transactional_id=f"transactional-{number}", compression_type=codec) for number, codec in enumerate(["none", "zstd"])]
        for producer in producers:
            producer.init_transactions(DEADLINE_SECONDS)
        # A marker has the time of its writing. Segments roll when records come that are younger still.
        self.clock_ms = max(self.clock_ms, int(time.time() * 1000))
        group = Consumer(settings(self.bootstrap, group_id="in-transactions"))
        plain = self.producer()
        for turn in range(12 * self.size):
            under_way = self.random.choice([producers, producers[:1], producers[1:]])
            for producer in under_way:
                producer.begin_transaction()
            for _ in range(4):
                for producer in under_way:
                    self.transact_some(producer)
                plain.send("transactions", self.random.randrange(2), self.record(300))
                plain.flush()
            for producer in under_way:
                offsets = [TopicPartition("spread", self.random.randrange(4), turn, metadata=f"turn {turn}")]
                producer.send_offsets_to_transaction(offsets, group.consumer_group_metadata(), DEADLINE_SECONDS)
            for producer in self.random.sample(under_way, len(under_way)):
                end = self.random.choice([producer.commit_transaction, producer.abort_transaction])
                end(DEADLINE_SECONDS)
        self.leave_open(group)
        group.close()

    def transact_some(self, producer):
        self.clock_ms += 3000
        for _ in range(self.random.randrange(1, 8)):
            producer.send("transactions", self.random.randrange(2), self.record(int(20_000 ** self.random.random())))
            for topic in ("transactions-compacted", LATER[0]):
                producer.send(topic, 0, self.record(100, f"key-{self.random.randrange(20)}".encode()))
        producer.flush()

    def leave_open(self, group):
        """A transaction that nobody ends, with records behind it that are not part of it."""
        producer = self.producer(transactional_id=OPEN, transaction_timeout_ms=900_000)
        producer.init_transactions(DEADLINE_SECONDS)
        producer.begin_transaction()
        for number in range(5):
            producer.send("transactions", 0, self.record(200, f"open-{number}".encode()))
        producer.flush()
        producer.send_offsets_to_transaction([TopicPartition("by-hand", 0, 99)], group.consumer_group_metadata(), DEADLINE_SECONDS)
        self.produce("transactions", self.some_records(5000, 500))

    def end_open(self):
        """A new process of the producer that left a transaction open: the coordinator aborts it."""
        self.producer(transactional_id=OPEN).init_transactions(DEADLINE_SECONDS)

    def go_on(self, view):
        """One batch to every partition of a view, by a new idempotent producer, and a commit; what is wrong with the offsets given."""
        found = []
        producer = self.producer()
        for (topic, partition), end in view.ends["read_uncommitted"].items():
            self.clock_ms += 1
            sent = [producer.send(topic, partition, self.record(100, b"go-on-%d" % number)) for number in range(3)]
            producer.flush()
            offsets = [one.offset for one in sent]
            if offsets != [end, end + 1, end + 2]:
                found.append(f"{topic}-{partition} ended at {end}, the next records got {offsets}")
        consumer = Consumer(settings(self.bootstrap, group_id="by-hand", enable_auto_commit=False))
        eventually(lambda: consumer.commit(offsets=[TopicPartition("spread", 3, len(found) + self.random.randrange(1000))], asynchronous=False))
        consumer.close()
        return found


class Sent:
    """A record under way; `offset` once it is acknowledged."""

    offset = None


class AcknowledgedProducer(Producer):
    """A producer whose flush fails unless every record was acknowledged."""

    def __init__(self, configuration):
        super().__init__(configuration)
        self.errors = []

    def send(self, topic, partition, record):
        sent = Sent()

        def delivered(error, message):
            if error is not None:
                self.errors.append(f"{topic}-{partition}: {error}")
            else:
                sent.offset = message.offset()

        while True:
            try:
                self.produce(topic, partition=partition, on_delivery=delivered, **record)
                return sent
            except BufferError:
                self.poll(0.1)

    def flush(self):
        left = super().flush(DEADLINE_SECONDS)
        if left or self.errors:
            raise RuntimeError(f"{left} records were not acknowledged within {DEADLINE_SECONDS} s; errors: {self.errors[:3]}")
