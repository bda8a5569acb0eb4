"""kill -9 under load: idempotent producers of every codec keep producing while the server is killed and restarted.

After each restart every record that was acknowledged must be at the offset that the acknowledgement named, in the order of
sending, once; the topics and the offset commits that were acknowledged must be there too. The seed decides when to kill and how
big records are; what a run prints is enough to run it again.
"""

import argparse
import array
import random
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from under_test.eventually import eventually
from under_test.report import Report
from under_test.server import Server

TOPIC = "kill"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
DEADLINE_SECONDS = 60
RECORDS_PER_SECOND = 2500  # of each producer: enough to have batches under way at any moment


class Lane(threading.Thread):
    """One producer of numbered records into one partition; keeps what was acknowledged, and where."""

    def __init__(self, bootstrap, partition, codec, seed, topic=TOPIC, idempotent=True):
        super().__init__(name=f"{codec}-{partition}", daemon=True)
        self.topic = topic
        self.partition = partition
        self.sizes = random.Random(seed * 100 + partition)
        self.acknowledged = []  # (offset, number), in the order of acknowledgement
        self.errors = []
        self.stopping = threading.Event()
        self.sent = 0
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": idempotent,
                "acks": "all",
                "compression.type": codec,
                "linger.ms": 5,
                "message.timeout.ms": 300000,
                "queue.buffering.max.messages": 10000,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 200,
                "retry.backoff.ms": 20,
                "log_level": 0,
            }
        )

    def delivered(self, error, message):
        if error is not None:
            self.errors.append(str(error))
        else:
            self.acknowledged.append((message.offset(), int(message.key())))

    def run(self):
        while not self.stopping.is_set():
            for _ in range(RECORDS_PER_SECOND // 100):
                try:
                    value = b"v" * self.sizes.randrange(600)
                    self.producer.produce(self.topic, value, b"%d" % self.sent, self.partition, on_delivery=self.delivered)
                    self.sent += 1
                except BufferError:
                    break
            self.producer.poll(0)
            self.stopping.wait(0.01)

    def finish(self):
        """Stops, and waits until every record that was sent is acknowledged."""
        self.stopping.set()
        self.join()
        return self.producer.flush(DEADLINE_SECONDS)


class Verifier:
    """Reads on from where it last was: numbers come without a gap or a repetition, and where the lanes were told they are."""

    def __init__(self, bootstrap, lanes, topic=TOPIC):
        self.lanes = lanes
        self.offsets = [array.array("q") for _ in lanes]  # of each partition: the offset of number n at index n
        self.checked = [0] * len(lanes)
        settings = {"bootstrap.servers": bootstrap, "group.id": "verifier", "enable.auto.commit": False, "log_level": 0}
        self.consumer = Consumer({**settings, "auto.offset.reset": "error", "reconnect.backoff.max.ms": 200})
        self.consumer.assign([TopicPartition(topic, lane.partition, 0) for lane in lanes])

    def check(self, goals):
        """Reads until the first `goals[p]` acknowledgements of every partition p are compared; the problem, or nothing."""
        due = [lane.acknowledged[done:goal] for lane, done, goal in zip(self.lanes, self.checked, goals)]
        last = [max((number for _, number in some), default=-1) for some in due]
        deadline = time.monotonic() + DEADLINE_SECONDS
        while any(len(offsets) <= number for offsets, number in zip(self.offsets, last)):
            if time.monotonic() > deadline:
                return f"acknowledged up to {last}, but reading ended at {[len(offsets) - 1 for offsets in self.offsets]}"
            for message in self.consumer.consume(2000, 0.2):
                if message.error():
                    return f"reading failed: {message.error()}"
                offsets, number = self.offsets[message.partition()], int(message.key())
                if number != len(offsets):
                    return f"partition {message.partition()} offset {message.offset()}: number {number} where {len(offsets)} was due"
                offsets.append(message.offset())
        for partition, some in enumerate(due):
            for offset, number in some:
                if self.offsets[partition][number] != offset:
                    return f"partition {partition}: {number} was acknowledged at {offset}, and is at {self.offsets[partition][number]}"
        self.checked = goals
        return ""


class Deeds:
    """What else was acknowledged: a topic of each round, and a group's commit of the round's number."""

    def __init__(self, bootstrap, admin):
        self.admin = admin
        self.topics = {}
        settings = {"bootstrap.servers": bootstrap, "group.id": "deeds", "enable.auto.commit": False, "log_level": 0}
        self.consumer = Consumer({**settings, "reconnect.backoff.max.ms": 200})

    def do(self, number):
        """Makes a topic and commits an offset; both are acknowledged when this returns."""
        name, partitions = f"round-{number}", 1 + number % 3
        eventually(lambda: self.admin.create_topics([NewTopic(name, partitions, 1)])[name].result(DEADLINE_SECONDS))
        self.topics[name] = partitions
        eventually(lambda: self.consumer.commit(offsets=[TopicPartition(TOPIC, 0, number)], asynchronous=False))

    def check(self, number):
        """What is missing after a restart; empty when nothing is."""
        listed = eventually(lambda: self.admin.list_topics(timeout=DEADLINE_SECONDS)).topics
        there = {name: len(topic.partitions) for name, topic in listed.items()}
        missing = [f"{name}: {there.get(name)} of {count} partitions" for name, count in self.topics.items() if there.get(name) != count]
        committed = eventually(lambda: self.consumer.committed([TopicPartition(TOPIC, 0)], DEADLINE_SECONDS))[0].offset
        if committed != number:
            missing.append(f"the committed offset is {committed} instead of {number}")
        return "; ".join(missing[:3])


def under_load(lanes):
    """Waits until every lane gets acknowledgements again; a kill of an idle server would show nothing."""
    marks = [len(lane.acknowledged) for lane in lanes]
    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(len(lane.acknowledged) <= mark for lane, mark in zip(lanes, marks)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no acknowledgements within {DEADLINE_SECONDS} s: {[len(lane.acknowledged) - mark for lane, mark in zip(lanes, marks)]}")
        time.sleep(0.01)


def prepare(server, seed):
    """A topic with a lane under load for each codec, and who checks them."""
    admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(TOPIC, len(CODECS), 1, config={"segment.bytes": str(4 << 20)})])[TOPIC].result(30)
    lanes = [Lane(server.bootstrap, number, codec, seed) for number, codec in enumerate(CODECS)]
    verifier, deeds = Verifier(server.bootstrap, lanes), Deeds(server.bootstrap, admin)
    for lane in lanes:
        lane.start()
    return lanes, verifier, deeds


def one_round(server, strike, number, lanes, verifier, deeds, wait):
    """Lets the load run, strikes the server down, restarts it, and checks all that was acknowledged before the blow."""
    under_load(lanes)
    time.sleep(wait)
    deeds.do(number)
    strike()
    before = [len(lane.acknowledged) for lane in lanes]
    server.start()
    return before, verifier.check(before) or deeds.check(number)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    arguments.add_argument("--rival", action="store_true", help="Apache Kafka instead of our broker")
    options = arguments.parse_args()
    print(f"seed {options.seed}, {options.rounds} rounds", flush=True)
    moments = random.Random(options.seed)
    report = Report("kill -9 under load")
    with Server("apache" if options.rival else "barnabas") as server:
        lanes, verifier, deeds = prepare(server, options.seed)
        for number in range(1, options.rounds + 1):
            started = time.monotonic()
            before, problem = one_round(server, server.kill, number, lanes, verifier, deeds, moments.uniform(0, 0.8))
            detail = problem or f"{sum(before)} acknowledged so far"
            report.add("FAIL" if problem else "ok", "kill", f"round-{number}", time.monotonic() - started, detail)
            if problem:
                break
        else:
            finish(server, lanes, verifier, report)
    return report.finish()


def finish(server, lanes, verifier, report, subject="kill"):
    """The end: everything sent is acknowledged, is there in order, once, and nothing beyond it."""
    started = time.monotonic()
    unsent = sum(lane.finish() for lane in lanes)
    errors = [error for lane in lanes for error in lane.errors]
    report.add("FAIL" if unsent or errors else "ok", subject, "all-acknowledged", time.monotonic() - started, f"{unsent} left, errors {errors[:2]}" if unsent or errors else "")
    problem = verifier.check([len(lane.acknowledged) for lane in lanes])
    for lane in lanes:
        end = verifier.consumer.get_watermark_offsets(TopicPartition(TOPIC, lane.partition), DEADLINE_SECONDS)[1]
        if not problem and end != lane.sent:
            problem = f"partition {lane.partition} ends at {end}, {lane.sent} records were sent: something is there twice or missing"
    total = sum(lane.sent for lane in lanes)
    report.add("FAIL" if problem else "ok", subject, "in-order-once", time.monotonic() - started, problem or f"{total} records")
    panics = [line for line in server.log.read_text(errors="replace").splitlines() if "panicked" in line]
    report.add("FAIL" if panics else "ok", subject, "no-panic", 0.0, panics[0][:200] if panics else "")


if __name__ == "__main__":
    sys.exit(main())
