"""The client cases for librdkafka, through its Python binding. Runs on 2.1.1 as on the newest; asserts nothing about timing."""

import argparse
import hashlib
import sys
import time
import uuid

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, OFFSET_STORED, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

DEADLINE_SECONDS = 30
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Skip(Exception):
    """This client cannot do what the case asks."""


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def payload(number):
    """Bytes that differ per record, of 0 to about 2,000 bytes, compressible in part."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return (seed * 40 + b"the same words again " * 40)[: number * 37 % 2001]


class Cases:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.run = uuid.uuid4().hex[:8]
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    # What the cases are made of.

    def topic(self, name, partitions=1):
        name = f"{name}-{self.run}"
        self.admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])[name].result(DEADLINE_SECONDS)
        return name

    def producer(self, codec="none"):
        return Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "compression.type": codec, "linger.ms": 20})

    def produce(self, topic, records, partition=0, codec="none"):
        """Produces (key, value) pairs and waits; every delivery report must be a success."""
        errors, producer = [], self.producer(codec)

        def delivered(error, message):
            if error is not None:
                errors.append(str(error))

        for key, value in records:
            producer.produce(topic, value, key, partition, on_delivery=delivered)
        check(producer.flush(DEADLINE_SECONDS) == 0, "records were left unsent")
        check(not errors, f"{len(errors)} deliveries failed, first {errors[:1]}")

    def numbered(self, topic, count, partition=0, start=0):
        self.produce(topic, [(b"k", b"%d" % n) for n in range(start, start + count)], partition)

    def consumer(self, group=None, **more):
        settings = {
            "bootstrap.servers": self.bootstrap,
            "group.id": group or f"alone-{uuid.uuid4().hex[:8]}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10000,
            "topic.metadata.refresh.interval.ms": 500,
            "allow.auto.create.topics": False,
        }
        settings.update({name.replace("_", "."): value for name, value in more.items()})
        return Consumer(settings)

    def read(self, consumer, count, until=None):
        """The next `count` messages, or those that came until `until(messages)` is true."""
        messages, deadline = [], time.monotonic() + DEADLINE_SECONDS
        while (len(messages) < count) if until is None else not until(messages):
            check(time.monotonic() < deadline, f"only {len(messages)} of {count} records came in {DEADLINE_SECONDS} s")
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                if message.error().code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise KafkaException(message.error())
            messages.append(message)
        return messages

    def quiet(self, consumer, seconds=1.0):
        """Nothing comes for a while."""
        message = consumer.poll(seconds)
        check(message is None, f"an unexpected record came: {message and (message.partition(), message.offset(), message.error())}")

    # The cases.

    def produce_codec(self, codec):
        topic = self.topic(f"produce-{codec}")
        records = [(b"key-%d" % n, payload(n)) for n in range(500)]
        self.produce(topic, records, codec=codec)
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        messages = self.read(consumer, len(records))
        check([m.offset() for m in messages] == list(range(500)), "offsets are not 0 to 499 in order")
        check([(m.key(), m.value() or b"") for m in messages] == records, "keys or values differ")
        self.quiet(consumer, 0.3)
        consumer.close()

    def headers(self):
        topic, headers = self.topic("headers"), [("a", b"1"), ("b", b""), ("a", b"2"), ("c", None), ("a", b"1")]
        producer = self.producer()
        producer.produce(topic, b"v", b"k", headers=headers)
        check(producer.flush(DEADLINE_SECONDS) == 0, "the record was left unsent")
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        came = self.read(consumer, 1)[0].headers()
        check(came == headers, f"headers came back as {came}")
        consumer.close()

    def assign_at_stored_offset(self):
        topic, group = self.topic("assign"), f"assign-{self.run}"
        self.numbered(topic, 100)
        consumer = self.consumer(group)
        consumer.commit(offsets=[TopicPartition(topic, 0, 40)], asynchronous=False)
        consumer.close()
        consumer = self.consumer(group)
        consumer.assign([TopicPartition(topic, 0, OFFSET_STORED)])
        messages = self.read(consumer, 60)
        check([int(m.value()) for m in messages] == list(range(40, 100)), "not the records 40 to 99")
        consumer.assign([TopicPartition(topic, 0, 97)])
        check([m.offset() for m in self.read(consumer, 3)] == [97, 98, 99], "an assigned offset is not where reading starts")
        consumer.close()

    def group_shares_partitions(self):
        topic, group = self.topic("shares", 4), f"shares-{self.run}"
        first, second = self.consumer(group), self.consumer(group)
        first.subscribe([topic])
        second.subscribe([topic])
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (len(first.assignment()) == 2 and len(second.assignment()) == 2):
            check(time.monotonic() < deadline, f"assignments are {first.assignment()} and {second.assignment()}")
            first.poll(0.1)
            second.poll(0.1)
        for partition in range(4):
            self.numbered(topic, 25, partition, partition * 25)
        values = [int(m.value()) for m in self.read(first, 50) + self.read(second, 50)]
        check(sorted(values) == list(range(100)), "the two members did not get each record once")
        first.commit(asynchronous=False)
        second.commit(asynchronous=False)
        first.close()
        while len(second.assignment()) != 4:
            check(time.monotonic() < deadline, "the remaining member did not get all partitions")
            message = second.poll(0.1)
            check(message is None, "a committed record came again")
        second.close()

    def commit_and_resume(self):
        topic, group = self.topic("resume"), f"resume-{self.run}"
        self.numbered(topic, 100)
        consumer = self.consumer(group)
        consumer.subscribe([topic])
        messages = self.read(consumer, 60)
        consumer.commit(message=messages[-1], asynchronous=False)
        consumer.close()
        consumer = self.consumer(group)
        consumer.subscribe([topic])
        messages = self.read(consumer, 40)
        check([int(m.value()) for m in messages] == list(range(60, 100)), "did not resume at 60")
        check(consumer.committed([TopicPartition(topic, 0)], 10)[0].offset == 60, "the committed offset is not 60")
        consumer.close()

    def publish_subscribe(self):
        topic = self.topic("publish", 2)
        groups = [self.consumer(f"publish-{self.run}-{n}") for n in range(2)]
        for consumer in groups:
            consumer.subscribe([topic])
        self.numbered(topic, 50, 0)
        self.numbered(topic, 50, 1, 50)
        for consumer in groups:
            values = sorted(int(m.value()) for m in self.read(consumer, 100))
            check(values == list(range(100)), "a group did not get every record once")
            consumer.close()

    def pause_resume(self):
        topic = self.topic("pause", 2)
        partitions = [TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(2)]
        consumer = self.consumer()
        consumer.assign(partitions)
        consumer.pause([partitions[1]])
        self.numbered(topic, 50, 1)
        self.numbered(topic, 50, 0)
        check({m.partition() for m in self.read(consumer, 50)} == {0}, "a paused partition delivered")
        self.quiet(consumer)
        consumer.resume([partitions[1]])
        check([(m.partition(), m.offset()) for m in self.read(consumer, 50)] == [(1, n) for n in range(50)], "resumed, not all came")
        consumer.close()

    def create_topic_by_name(self):
        name = f"by-name-{self.run}"
        default = {"num_partitions": -1, "replication_factor": -1}
        self.admin.create_topics([NewTopic(name, **default)])[name].result(DEADLINE_SECONDS)
        metadata = self.admin.list_topics(name, DEADLINE_SECONDS).topics[name]
        check(len(metadata.partitions) == 3, f"{len(metadata.partitions)} partitions instead of the broker's 3")
        check(all(len(p.replicas) == 1 for p in metadata.partitions.values()), "not one replica")
        self.refused("TOPIC_ALREADY_EXISTS", self.admin.create_topics([NewTopic(name, **default)])[name])
        bad = "no spaces allowed"
        self.refused("TOPIC_EXCEPTION", self.admin.create_topics([NewTopic(bad, **default)])[bad])

    def refused(self, name, future):
        try:
            future.result(DEADLINE_SECONDS)
        except KafkaException as error:
            check(error.args[0].name() == name, f"the error is {error.args[0].name()} instead of {name}")
        else:
            raise AssertionError(f"succeeded where {name} was due")

    def grow_partitions(self):
        topic, group = self.topic("grow"), f"grow-{self.run}"
        consumer = self.consumer(group)
        consumer.subscribe([topic])
        self.numbered(topic, 10)
        self.read(consumer, 10)
        self.admin.create_partitions([NewPartitions(topic, 3)])[topic].result(DEADLINE_SECONDS)
        self.numbered(topic, 10, 1, 10)
        self.numbered(topic, 10, 2, 20)
        consumer.commit(asynchronous=False)
        messages = self.read(consumer, 20)
        check(sorted(int(m.value()) for m in messages) == list(range(10, 30)), "not the records of the new partitions")
        check(len(consumer.assignment()) == 3, "the member does not hold 3 partitions")
        consumer.close()

    def delete_records(self):
        if not hasattr(self.admin, "delete_records"):
            raise Skip("this version of the binding has no delete_records")
        topic = self.topic("delete")
        self.numbered(topic, 100)
        partition = TopicPartition(topic, 0, 30)
        low = list(self.admin.delete_records([partition]).values())[0].result(DEADLINE_SECONDS).low_watermark
        check(low == 30, f"the low watermark is {low}")
        consumer = self.consumer()
        check(consumer.get_watermark_offsets(TopicPartition(topic, 0), 10) == (30, 100), "the watermarks are not 30 and 100")
        consumer.assign([TopicPartition(topic, 0, 5)])
        check([m.offset() for m in self.read(consumer, 70)] == list(range(30, 100)), "reading below 30 does not start at 30")
        consumer.close()

    def describe_groups(self):
        topic, group = self.topic("describe", 2), f"describe-{self.run}"
        consumer = self.consumer(group, client_id="describer")
        consumer.subscribe([topic])
        self.numbered(topic, 1)
        self.read(consumer, 1)
        consumer.commit(asynchronous=False)
        listed = self.admin.list_consumer_groups().result(DEADLINE_SECONDS)
        check(group in [g.group_id for g in listed.valid], "a live group is not listed")
        described = self.admin.describe_consumer_groups([group])[group].result(DEADLINE_SECONDS)
        check(described.state.name == "STABLE", f"the state is {described.state.name}")
        check(len(described.members) == 1, f"{len(described.members)} members")
        member = described.members[0]
        check(member.client_id == "describer", f"the client id is {member.client_id}")
        check({p.partition for p in member.assignment.topic_partitions} == {0, 1}, "the assignment is not both partitions")
        consumer.close()
        described = self.admin.describe_consumer_groups([group])[group].result(DEADLINE_SECONDS)
        check(described.state.name == "EMPTY" and not described.members, f"left, the state is {described.state.name}")
        self.admin.delete_consumer_groups([group])[group].result(DEADLINE_SECONDS)
        listed = self.admin.list_consumer_groups().result(DEADLINE_SECONDS)
        check(group not in [g.group_id for g in listed.valid], "a deleted group is still listed")

    def consumer_before_topic(self):
        topic = f"before-{self.run}"
        consumer = self.consumer(f"before-{self.run}")
        consumer.subscribe([topic])
        consumer.poll(1.0)
        self.topic("before")
        self.numbered(topic, 10)
        check([int(m.value()) for m in self.read(consumer, 10)] == list(range(10)), "not the ten records in order")
        consumer.close()

    def offset_for_time(self):
        topic, producer = self.topic("time"), self.producer()
        for number in range(10):
            producer.produce(topic, b"v", timestamp=1_700_000_000_000 + number * 1000)
        check(producer.flush(DEADLINE_SECONDS) == 0, "records were left unsent")
        consumer = self.consumer()

        def offset_at(timestamp):
            return consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], DEADLINE_SECONDS)[0].offset

        check(offset_at(1_700_000_003_500) == 4, f"the offset is {offset_at(1_700_000_003_500)} instead of 4")
        check(offset_at(1_700_000_004_000) == 4, "an exact timestamp does not find its record")
        check(offset_at(1_700_000_010_000) == -1, "a time after the last record finds one")
        consumer.close()

    def all(self):
        cases = {f"produce-{codec}": lambda codec=codec: self.produce_codec(codec) for codec in CODECS}
        for case in [
            self.headers, self.assign_at_stored_offset, self.group_shares_partitions, self.commit_and_resume,
            self.publish_subscribe, self.pause_resume, self.create_topic_by_name, self.grow_partitions,
            self.delete_records, self.describe_groups, self.consumer_before_topic, self.offset_for_time,
        ]:  # fmt: skip
            cases[case.__name__.replace("_", "-")] = case
        return cases


def main():
    arguments = argparse.ArgumentParser(description="client cases through confluent-kafka")
    arguments.add_argument("--bootstrap", required=True)
    arguments.add_argument("--only", help="one case")
    options = arguments.parse_args()
    failed = False
    for name, case in Cases(options.bootstrap).all().items():
        if options.only not in (None, name):
            continue
        started, status, detail = time.monotonic(), "ok", ""
        try:
            case()
        except Skip as reason:
            status, detail = "skip", str(reason)
        except Exception as error:  # a case may fail in any way; all are reported, none ends the run
            status, detail, failed = "FAIL", f"{type(error).__name__}: {error}".replace("\n", " "), True
        print(status, name, f"{time.monotonic() - started:.2f}", detail, flush=True)
    sys.exit(1 if failed else 0)


main()
