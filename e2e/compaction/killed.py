"""A broker that is killed (kill -9) while it compacts, with a real client (librdkafka): keys are written again and again and deleted
in topics of small segments, and each blow falls while a compaction is under way, which its files show.

After each restart every record that can be read stands at the offset that its acknowledgement named, and of every key the newest
acknowledged record is there. In the end everything sealed holds each key once, tombstones have gone where their time is over
and nowhere else, and the cleaner's metrics say what its log says. The seed decides what is written and when the blows fall.
"""

import argparse
import random
import re
import sys
import threading
import time
import urllib.request

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from under_test.eventually import eventually
from under_test.report import Report
from under_test.server import Server

DEADLINE_SECONDS = 60
CODECS = ["none", "lz4", "zstd"]
KEYS = 150  # of each partition
RECORDS_PER_SECOND = 400  # of each partition
DAY_MS = 86_400_000
# Small enough to be sealed every second or so.
SMALL = {"internal.segment.bytes": 65_536, "min.cleanable.dirty.ratio": 0.01}
KEPT, GONE, LIMITED = "tombstones-kept", "tombstones-gone", "compacted-and-deleted"
TOPICS = {
    KEPT: {"cleanup.policy": "compact", "delete.retention.ms": DAY_MS},
    GONE: {"cleanup.policy": "compact", "delete.retention.ms": 300},
    LIMITED: {"cleanup.policy": "compact,delete", "delete.retention.ms": DAY_MS, "retention.bytes": 100_000},
}
# So slow that a blow can fall in the middle of a compaction, and fast enough to keep up.
BROKER = {
    "log.cleaner.backoff.ms": 10,
    "log.cleaner.threads": 2,
    "log.cleaner.io.max.bytes.per.second": 4_000_000,
    "log.retention.check.interval.ms": 300,
    "log.segment.delete.delay.ms": 100,
    "offsets.topic.num.partitions": 1,
}
UNDER_WAY = [".cleaned", ".swap"]
# The server says one of these where a person has to choose, or records are gone.
REPAIRS = ["records that were synced are missing", "does not open", "is damaged", "cannot be compacted", "panicked"]
GROUP = "reader"


def until(what, happened, pause=0.02):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := happened()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {DEADLINE_SECONDS} s")
        time.sleep(pause)
    return found


class Lane(threading.Thread):
    """Writes some keys of one partition again and again, and deletes some; keeps what was acknowledged, by offset."""

    def __init__(self, bootstrap, topic, partition, seed):
        super().__init__(name=f"{topic}-{partition}", daemon=True)
        self.topic, self.partition = topic, partition
        self.random = random.Random(f"{seed} {topic} {partition}")
        self.acknowledged = {}  # offset: (key, value), the value none for a tombstone
        self.errors = []
        self.sent = 0
        self.stopping = threading.Event()
        configuration = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": CODECS[partition], "linger.ms": 5, "batch.size": 20_000}
        configuration |= {"message.timeout.ms": 300_000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20, "log_level": 0}
        self.producer = Producer(configuration)

    def send(self, key, value):
        def delivered(error, message):
            if error is not None:
                self.errors.append(str(error))
            else:
                self.acknowledged[message.offset()] = (key, value)

        self.producer.produce(self.topic, value, key, self.partition, on_delivery=delivered)
        self.sent += 1

    def run(self):
        while not self.stopping.is_set():
            for _ in range(RECORDS_PER_SECOND // 50):
                key = b"key-%d" % int(KEYS * self.random.random() ** 2)
                tombstone = self.random.random() < 0.2
                self.send(key, None if tombstone else b"%d " % self.sent + self.random.randbytes(self.random.randrange(150)).hex().encode())
            self.producer.poll(0)
            self.stopping.wait(0.02)

    def flush(self):
        left = self.producer.flush(DEADLINE_SECONDS)
        if left or self.errors:
            raise RuntimeError(f"{self.name}: {left} records were not acknowledged within {DEADLINE_SECONDS} s, errors {self.errors[:2]}")

    def newest(self, acknowledged):
        """Of each key the offset of its newest record."""
        return {acknowledged[offset][0]: offset for offset in sorted(acknowledged)}


class Commits(threading.Thread):
    """A group that commits growing offsets, into a topic that is compacted as well."""

    def __init__(self, bootstrap):
        super().__init__(name="commits", daemon=True)
        self.place = TopicPartition(KEPT, 0)
        configuration = {"bootstrap.servers": bootstrap, "group.id": GROUP, "enable.auto.commit": False, "log_level": 0, "reconnect.backoff.max.ms": 200}
        self.consumer = Consumer(configuration)
        self.number, self.stopping = 0, threading.Event()

    def run(self):
        while not self.stopping.is_set():
            offsets = [TopicPartition(KEPT, 0, self.number + 1)]
            eventually(lambda: self.consumer.commit(offsets=offsets, asynchronous=False))
            self.number += 1
            self.stopping.wait(0.005)

    def check(self, at_least):
        found = eventually(lambda: self.consumer.committed([self.place], DEADLINE_SECONDS))[0].offset
        return "" if found >= at_least else f"the group had committed {at_least}, the broker says {found}"


def read(bootstrap, lane, isolation="read_committed"):
    """All that a consumer finds in a partition, by offset, the first offset and the end."""
    place = TopicPartition(lane.topic, lane.partition)
    configuration = {"bootstrap.servers": bootstrap, "group.id": "judge", "enable.auto.commit": False, "log_level": 0, "isolation.level": isolation}
    # What retention takes away while it is read is not an error here.
    consumer = Consumer({**configuration, "auto.offset.reset": "earliest", "enable.partition.eof": False, "fetch.wait.max.ms": 10})
    try:
        start, end = eventually(lambda: consumer.get_watermark_offsets(place, DEADLINE_SECONDS))
        consumer.assign([TopicPartition(lane.topic, lane.partition, start)])
        found, last, deadline = {}, -1, time.monotonic() + DEADLINE_SECONDS
        while consumer.position([place])[0].offset < end:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{lane.name}: reading ended at {consumer.position([place])[0].offset} of {end}")
            for message in consumer.consume(1000, 0.05):
                if message.error():
                    raise RuntimeError(f"{lane.name}: {message.error()}")
                if message.offset() <= last:
                    raise RuntimeError(f"{lane.name}: offset {message.offset()} after {last}")
                last = message.offset()
                found[last] = (message.key(), message.value())
        # Retention may have gone on meanwhile; what has gone since is not missing.
        return found, eventually(lambda: consumer.get_watermark_offsets(place, DEADLINE_SECONDS))[0], end
    finally:
        consumer.close()


def check(bootstrap, lane, acknowledged):
    """What is wrong with a partition of which at least this much was acknowledged; empty when nothing is."""
    found, start, end = read(bootstrap, lane)
    # Those acknowledged meanwhile count for what is read, not for what has to be there.
    known = {**acknowledged, **lane.acknowledged}
    for offset, record in found.items():
        if offset in known and known[offset] != record:
            return f"{lane.name}: offset {offset} was {known[offset]}, and is {record}"
    if acknowledged and end <= max(acknowledged):
        return f"{lane.name}: ends at {end}, {max(acknowledged)} was acknowledged"
    there = {}
    for offset, (key, _) in found.items():
        there[key] = offset
    for key, offset in lane.newest(acknowledged).items():
        is_tombstone = acknowledged[offset][1] is None
        may_have_gone = offset < start or (is_tombstone and lane.topic == GONE and key not in there)
        if not may_have_gone and there.get(key, -1) < offset:
            return f"{lane.name}: of {key} the record at {offset} is missing, the newest one there is at {there.get(key)}"
    return ""


class Rig:
    """The server, the load, and what is known of both."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
        new = [NewTopic(name, len(CODECS), 1, config={key: str(value) for key, value in {**SMALL, **config}.items()}) for name, config in TOPICS.items()]
        for future in self.admin.create_topics(new).values():
            future.result(DEADLINE_SECONDS)
        self.lanes = [Lane(server.bootstrap, topic, partition, seed) for topic in TOPICS for partition in range(len(CODECS))]
        self.commits = Commits(server.bootstrap)
        for thread in [*self.lanes, self.commits]:
            thread.start()
        until("a commit", lambda: self.commits.number)
        self.alter("__consumer_offsets", "internal.segment.bytes", 16_384)

    def alter(self, topic, name, value):
        change = ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
        eventually(lambda: self.admin.incremental_alter_configs([resource])[resource].result(DEADLINE_SECONDS))

    def partitions(self):
        return [path for path in self.server.data.iterdir() if path.is_dir() and not path.name.startswith("__cluster")]

    def under_way(self):
        """The files of compactions that have not ended."""
        found = []
        for partition in self.partitions():
            found += [path.name for path in partition.iterdir() if path.name.endswith(tuple(UNDER_WAY))]
        return found

    def blow(self, wait):
        """Kills the server in a compaction; what that left behind."""
        until("a compaction", self.under_way, 0.001)
        time.sleep(wait)
        until("a compaction", self.under_way, 0.001)
        self.server.kill()
        return self.under_way()

    def round(self, wait):
        """Strikes, restarts, looks; how many files were left behind, and what is wrong."""
        marks = [len(lane.acknowledged) for lane in self.lanes]
        until("acknowledgements", lambda: all(len(lane.acknowledged) > mark + 200 for lane, mark in zip(self.lanes, marks)))
        left = self.blow(wait)
        before, committed = [dict(lane.acknowledged) for lane in self.lanes], self.commits.number
        self.server.start()
        problems = [check(self.server.bootstrap, lane, some) for lane, some in zip(self.lanes, before)]
        problems += [self.commits.check(committed), self.asked_for_repair()]
        return left, next(filter(None, problems), "")

    def asked_for_repair(self):
        lines = self.server.log.read_text(errors="replace").splitlines()
        return next((line[:300] for line in lines if any(words in line for words in REPAIRS)), "")

    def finish(self):
        """Stops the load, seals everything, and waits until all of it is compacted and no tombstone is left that has to go."""
        for thread in [*self.lanes, self.commits]:
            thread.stopping.set()
        for thread in [*self.lanes, self.commits]:
            thread.join()
        for lane in self.lanes:
            lane.flush()
        for topic in TOPICS:
            self.alter(topic, "segment.ms", 1)
            self.alter(topic, "min.cleanable.dirty.ratio", 0)
        # The first pass that meets a tombstone writes down its time, the next one after that lets it go.
        for _ in range(3):
            self.seal()
            until("everything sealed is compacted", self.is_compacted)
            time.sleep(TOPICS[GONE]["delete.retention.ms"] / 1000)

    def seal(self):
        """One record in a segment of its own in each partition: what is before it is sealed."""
        for lane in self.lanes:
            time.sleep(0.002)
            lane.send(b"last", b"%d" % lane.sent)
            lane.flush()

    def is_compacted(self):
        """Whether the checkpoint of each partition is where its active segment begins."""
        try:
            lines = (self.server.data / "cleaner-offset-checkpoint").read_text().splitlines()[2:]
        except OSError:
            return False
        cleaned = {f"{topic}-{number}": int(offset) for topic, number, offset in map(str.split, lines)}
        return not self.under_way() and all(cleaned.get(lane.name, 0) == self.active(lane) for lane in self.lanes)

    def active(self, lane):
        """The first offset of a partition's active segment."""
        return max(int(path.name[:20]) for path in (self.server.data / lane.name).glob("*.log"))

    def check_end(self, lane):
        """What is wrong with a partition that is compacted wholly."""
        problem = check(self.server.bootstrap, lane, lane.acknowledged)
        if problem:
            return problem
        found, start, end = read(self.server.bootstrap, lane)
        if end != lane.sent or len(lane.acknowledged) != lane.sent:
            return f"{lane.name}: ends at {end}, {lane.sent} records were sent and {len(lane.acknowledged)} acknowledged, each at an offset of its own"
        if found != read(self.server.bootstrap, lane, "read_uncommitted")[0]:
            return f"{lane.name}: read_committed and read_uncommitted do not read the same"
        newest = {offset: key for key, offset in lane.newest(lane.acknowledged).items() if offset >= start}
        if lane.topic == GONE:
            newest = {offset: key for offset, key in newest.items() if lane.acknowledged[offset][1] is not None}
        sealed = {offset: key for offset, (key, _) in found.items() if offset < self.active(lane)}
        # The one that is sealed and the active one have the same key.
        surplus = {offset: key for offset, key in sealed.items() if offset not in newest and key != b"last"}
        missing = [key for offset, key in newest.items() if offset not in found]
        return f"{lane.name}: too many {surplus}, missing {missing}"[:300] if surplus or missing else ""

    def check_tombstones(self):
        """Tombstones stay where they have time left; the numbers of those that have gone and stayed."""
        gone = sum(value is None for lane in self.lanes if lane.topic == GONE for _, value in self.newest_values(lane))
        stayed = sum(value is None for lane in self.lanes if lane.topic == KEPT for _, value in self.newest_values(lane))
        return gone, stayed

    def newest_values(self, lane):
        return [lane.acknowledged[offset] for offset in lane.newest(lane.acknowledged).values()]

    def check_metrics(self):
        """The figures of /metrics, and how they differ from what the server has told in its log since it was started last."""
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.server.admin_port}/metrics", timeout=30).read().decode()

        def figure(name):
            lines = [line for line in page.splitlines() if re.match(rf"barnabas_log_cleaner_{name}[{{ ]", line)]
            return sum(float(line.split()[-1]) for line in lines) if lines else -1

        told = {"compactions_total": 0, "read_bytes_total": 0, "kept_bytes_total": 0, "read_records_total": 0, "kept_records_total": 0}
        for line in self.since_start():
            found = re.search(r"compacted a log.*bytes=\[(\d+), (\d+)\].*records=\[(\d+), (\d+)\]", line)
            if found:
                told["compactions_total"] += 1
                for name, number in zip(list(told)[1:], found.groups()):
                    told[name] += int(number)
        told |= {"failures_total": 0, "uncleanable_partitions": 0, "uncleanable_bytes": 0, "cleanable_partitions": 0, "max_dirty_percent": 0}
        wrong = [f"{name} is {figure(name)} instead of {number}" for name, number in told.items() if figure(name) != number]
        if told["compactions_total"] == 0 or told["kept_bytes_total"] >= told["read_bytes_total"]:
            wrong.append(f"compaction gained nothing: {told}")
        return told, "; ".join(wrong)

    def since_start(self):
        """The lines of the server's log since it was started last."""
        lines = re.sub(r"\x1b\[[0-9;]*m", "", self.server.log.read_text(errors="replace")).splitlines()
        return lines[self.begun :]

    def restart_cleanly(self):
        """Stops and starts the server, so that its figures begin anew, and notes where its log is."""
        self.server.stop()
        self.begun = len(self.server.log.read_text(errors="replace").splitlines())
        self.server.start()


def ended(rig, report):
    """Everything that is to be seen when nothing is written any more."""
    def step(case, act):
        started = time.monotonic()
        problem, detail = act()
        report.add("FAIL" if problem else "ok", "compaction", case, time.monotonic() - started, problem or detail)

    def compacted():
        rig.finish()
        problems = filter(None, (rig.check_end(lane) for lane in rig.lanes))
        return next(problems, ""), f"{sum(lane.sent for lane in rig.lanes)} records were written"

    def tombstones():
        gone, stayed = rig.check_tombstones()
        return "" if gone and stayed else "nothing was deleted", f"{gone} have gone, {stayed} have stayed"

    def metrics():
        told, problem = until("settled figures", lambda: settled(rig))
        return problem, ", ".join(f"{name} {number}" for name, number in told.items() if number)

    def nothing_left():
        left = until("a clean directory", lambda: not rig.under_way() or None) and rig.under_way()
        return str(left or rig.asked_for_repair()), ""

    rig.restart_cleanly()
    step("each-key-once", compacted)
    step("tombstones", tombstones)
    step("metrics", metrics)
    step("nothing-left-behind", nothing_left)


def settled(rig):
    """The figures once the cleaner has looked again; as they are when that does not make them right."""
    for _ in range(50):
        told, problem = rig.check_metrics()
        if not problem:
            break
        time.sleep(0.05)
    return told, problem


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=10, help="how many blows [default: 10]")
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="decides what is written and when the blows fall")
    options = arguments.parse_args()
    print(f"seed {options.seed}, {options.kills} kills", flush=True)
    moments = random.Random(options.seed)
    report = Report("kill -9 while logs are compacted")
    hit, rig = 0, None
    try:
        with Server("barnabas", BROKER) as server:
            rig = Rig(server, options.seed)
            for number in range(1, options.kills + 1):
                started = time.monotonic()
                left, problem = rig.round(moments.uniform(0, 0.2))
                hit += bool(left)
                detail = problem or f"{len(left)} files of compactions under way, {sum(len(lane.acknowledged) for lane in rig.lanes)} records so far"
                report.add("FAIL" if problem else "ok", "compaction", f"kill-{number}", time.monotonic() - started, detail)
                if problem:
                    break
            else:
                ended(rig, report)
                enough = hit * 2 >= options.kills
                report.add("ok" if enough else "FAIL", "compaction", "killed-in-the-middle", 0.0, f"{hit} of {options.kills} blows fell into a compaction")
    except (RuntimeError, KafkaException) as error:
        report.add("FAIL", "compaction", "broke-off", 0.0, str(error))
    code = report.finish()
    written = sum(lane.sent for lane in rig.lanes) if rig else 0
    print(f"{'FAIL' if code else 'PASS'} compaction-kill: {options.kills} kills, {hit} of them in a compaction, {written} records, seed {options.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main())
