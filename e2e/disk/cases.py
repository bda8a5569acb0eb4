"""Disks that get full, that lie about their size, that hang, and that are not there, under a real broker with a real client (librdkafka).

The disks are a tmpfs and a loop device; where they may not be mounted a case says so and is skipped. Refuses to touch any disk
but its own: everything is mounted below a directory of its own, and unmounted at the end.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from under_test import artifacts
from under_test.report import Report
from under_test.server import Server

DEADLINE_SECONDS = 60
MIB = 1 << 20
RECORD = b"v" * 1000


class Skip(Exception):
    pass


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def until(what, happened):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := happened()):
        check(time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS} s")
        time.sleep(0.05)
    return found


class Disks:
    """Mounts below a temporary directory; takes all of them away again."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="barnabas-disks-"))
        self.mounted, self.frozen = [], []

    def mount(self, name, *words):
        place = self.root / name
        place.mkdir()
        done = subprocess.run(["mount", *words, str(place)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"mounting is not allowed here: {done.stderr.strip()}")
        self.mounted.append(place)
        return place

    def tmpfs(self, name, mebibytes):
        return self.mount(name, "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs")

    def overcommitted(self, name, told, real):
        """An ext4 that says it has `told` MiB, on a disk that has room for `real`: beyond that its writes fail."""
        return self.ext4(name, self.tmpfs(f"{name}-below", real) / "image", told)

    def ext4(self, name, image, told):
        with open(image, "wb") as file:
            file.truncate(told * MIB)
        made = subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=1", str(image)], capture_output=True, text=True)
        if made.returncode != 0:
            raise Skip(f"mkfs.ext4 does not work here: {made.stderr.strip()}")
        return self.mount(name, "-o", "loop", str(image))

    def freeze(self, place):
        """Writes to the disk at `place` hang until `thaw`, and so do those of disks whose images lie there."""
        done = subprocess.run(["fsfreeze", "--freeze", str(place)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"a file system cannot be frozen here: {done.stderr.strip()}")
        self.frozen.append(place)

    def thaw(self):
        while self.frozen:
            subprocess.run(["fsfreeze", "--unfreeze", str(self.frozen.pop())], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thaw()
        for place in reversed(self.mounted):
            subprocess.run(["umount", "-l", str(place)], check=False)
        shutil.rmtree(self.root, ignore_errors=True)


class Load:
    """An idempotent producer of numbered records that keeps trying, and what became of them."""

    def __init__(self, bootstrap, topic, partition=0):
        self.topic, self.partition = topic, partition
        self.acknowledged, self.failed, self.sent = {}, [], 0
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 240000,
                "retry.backoff.ms": 50,
                "retry.backoff.max.ms": 200,
                "queue.buffering.max.messages": 2000000,
                "log_level": 0,
            }
        )

    def delivered(self, error, message):
        if error is None:
            self.acknowledged[int(message.key())] = message.offset()
        else:
            self.failed.append(str(error))

    def send(self, count):
        for _ in range(count):
            self.producer.produce(self.topic, RECORD, b"%d" % self.sent, self.partition, on_delivery=self.delivered)
            self.sent += 1
        self.producer.poll(0)

    def send_until_refused(self, is_refused, megabytes):
        """Sends for as long as the broker takes it; what is refused stays with the producer, which goes on trying."""
        for _ in range(megabytes):
            if is_refused():
                return
            self.send(1000)
            deadline = time.monotonic() + DEADLINE_SECONDS
            while len(self.acknowledged) < self.sent and not is_refused():
                self.producer.poll(0.01)
                check(time.monotonic() < deadline, "neither acknowledged nor refused")
        check(is_refused(), f"{megabytes} MB were taken and nothing was refused")

    def finish(self):
        left = self.producer.flush(DEADLINE_SECONDS)
        check(left == 0 and not self.failed, f"{left} records are not acknowledged, {len(self.failed)} failed: {self.failed[:1]}")


def read(bootstrap, topic, count, partition=0, offset=0):
    """The keys of `count` records from `offset` on, by offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False, "auto.offset.reset": "error", "log_level": 0})
    consumer.assign([TopicPartition(topic, partition, offset)])
    found = {}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(found) < count:
        check(time.monotonic() < deadline, f"{len(found)} of {count} records were read")
        for message in consumer.consume(5000, 0.2):
            check(message.error() is None, f"reading failed: {message.error()}")
            found[message.offset()] = int(message.key())
    consumer.close()
    return found


def check_read(bootstrap, load):
    """Every acknowledged record is where it was acknowledged, once."""
    found = read(bootstrap, load.topic, len(load.acknowledged), load.partition)
    check(len(set(found.values())) == len(found), "a record is there twice")
    wrong = [number for number, offset in load.acknowledged.items() if found.get(offset) != number]
    check(not wrong, f"{len(wrong)} acknowledged records are missing, {wrong[:3]} first")


def commit(bootstrap, offset, seconds=10, times=1):
    """Commits offsets of a group, with so much metadata that a hundred do not fit where a file has some room left; the error, or nothing."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "keeper", "enable.auto.commit": False, "log_level": 0, "socket.timeout.ms": seconds * 1000})
    try:
        for _ in range(times):
            consumer.commit(offsets=[TopicPartition("elsewhere", 0, offset, "m" * 3000)], asynchronous=False)
    except KafkaException as error:
        return error.args[0].name()
    finally:
        consumer.close()
    return ""


class Admin:
    def __init__(self, server):
        self.base = f"http://127.0.0.1:{server.admin_port}"

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=10) as reply:
            return reply.read().decode()

    def figure(self, name, directory):
        for line in self.get("/metrics").splitlines():
            if line.startswith(f'{name}{{directory="{directory}"}}'):
                return int(float(line.rsplit(" ", 1)[1]))
        raise AssertionError(f"/metrics has no {name} of {directory}")


def make_topic(server, name, partitions=1, **config):
    admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(DEADLINE_SECONDS)
    return admin


def try_topics(server, count):
    """Makes topics on a disk without room until one is refused; the error, or nothing."""
    admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0, "socket.timeout.ms": 5000})
    for number in range(count):
        name = f"without-room-{number}"
        try:
            admin.create_topics([NewTopic(name, 50, 1)])[name].result(10)
        except KafkaException as error:
            return error.args[0].name()
    return ""


def usable(server, topic, partitions):
    """Whether records are taken in every partition of the topic; nobody tries again here."""
    errors = []
    producer = Producer({"bootstrap.servers": server.bootstrap, "retries": 0, "message.timeout.ms": 5000, "log_level": 0})
    for partition in range(partitions):
        producer.produce(topic, b"v", partition=partition, on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    return len(errors) == partitions and not any(errors)


def server_on(directories, **properties):
    return Server("barnabas", {"log.dirs": ",".join(map(str, directories)), **properties})


def full_disk(disks):
    data = disks.tmpfs("full", 96)
    filler, directory = data / "filler", data / "data"
    properties = {"barnabas.log.dir.reserve.bytes": 16 * MIB, "offsets.topic.num.partitions": 1, "log.retention.check.interval.ms": 500}
    with server_on([directory], **properties) as server:
        admin = Admin(server)
        client = make_topic(server, "t", **{"segment.bytes": "1048576", "file.delete.delay.ms": "100"})
        make_topic(server, "elsewhere")
        check(commit(server.bootstrap, 1) == "", "a commit on a disk with room")
        load = Load(server.bootstrap, "t")
        is_full = lambda: admin.figure("barnabas_log_directory_full", directory) == 1  # noqa: E731
        load.send_until_refused(is_full, 90)
        load.send(100)
        load.producer.poll(1)
        taken = len(load.acknowledged)
        check(taken <= load.sent - 100, "a record was taken on a full disk")
        check("disk is full" in admin.get("/readyz"), "/readyz does not say that the disk is full")
        check_read(server.bootstrap, load)
        check(commit(server.bootstrap, 2) == "", "a commit goes into the reserve")
        make_topic(server, "into-the-reserve")
        # Even the reserve goes: the broker's own records are refused too, and it stays.
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(64 * 1024))
            except OSError:
                pass
        error = commit(server.bootstrap, 3, times=100)
        check(error, "100 commits were taken without any room")
        refused = try_topics(server, 200)
        check(server.alive(), f"the broker ended on a disk without any room:\n{server.log_tail()}")
        check_read(server.bootstrap, load)
        filler.unlink()
        # Room by what goes on: records that are deleted free their segments.
        client.delete_records([TopicPartition("t", 0, taken // 2)])[TopicPartition("t", 0)].result(DEADLINE_SECONDS)
        began = time.monotonic()
        until("Produce is taken again", lambda: not is_full())
        load.finish()
        back = time.monotonic() - began
        until("commits are taken again", lambda: commit(server.bootstrap, 4) == "")
        until("a topic that was made without room is there", lambda: usable(server, "without-room-0", 50))
        last = read(server.bootstrap, "t", load.sent - taken, offset=taken)
        check(sorted(last.values()) == list(range(taken, load.sent)), "records that waited for room are missing or there twice")
        times = admin.figure("barnabas_log_directory_full_total", directory)
        told = sum("the disk is full" in line for line in server.log.read_text(errors="replace").splitlines())
        check(told == times, f"the log tells {told} times of {times} full disks")
    return f"{taken} records taken on 96 MiB, 16 of them kept in reserve; back {back:.1f} s after records were deleted; without any room a commit heard {error}, CreateTopics {refused}"


def failing_disk(disks):
    """The disk of one directory fails while the broker runs: a thin volume whose pool has run out."""
    sound = disks.root / "sound"
    failing = disks.overcommitted("failing", 512, 24)
    with server_on([sound, failing / "data"], **{"offsets.topic.num.partitions": 1}) as server:
        admin = Admin(server)
        make_topic(server, "t", 2)
        where = {}
        for directory in (sound, failing / "data"):
            for partition in range(2):
                if (directory / f"t-{partition}").is_dir():
                    where[directory] = partition
        check(len(where) == 2, f"partitions were not spread: {where}")
        load = Load(server.bootstrap, "t", where[failing / "data"])
        offline = lambda: admin.figure("barnabas_log_directory_online", failing / "data") == 0  # noqa: E731
        load.send_until_refused(offline, 200)
        other = Load(server.bootstrap, "t", where[sound])
        other.send(1000)
        other.finish()
        check_read(server.bootstrap, other)
        described = log_dirs(server)
        check(described[str(sound)]["error"] is None, f"the sound directory: {described[str(sound)]['error']}")
        error = described[str(failing / "data")]["error"]
        check(error and error.endswith("KafkaStorageException"), f"kafka-log-dirs says {error} of the failed directory")
        check("disk has failed" in admin.get("/readyz"), "/readyz does not say that a disk has failed")
        server.kill()
        acknowledged = len(load.acknowledged)
    return f"{acknowledged} records acknowledged before the disk failed; the other directory took 1000 more"


def written_in(data, server):
    """The partition of a new topic of two that lies in directory `data`, and the load that has written 1,000 records to it."""
    make_topic(server, "t", 2)
    here = next(partition for partition in range(2) if (data / f"t-{partition}").is_dir())
    load = Load(server.bootstrap, "t", here)
    load.send(1000)
    load.finish()
    return here, load


def hanging_disk(disks):
    """The disk of one directory takes nothing for a while, and says nothing."""
    sound = disks.root / "sound"
    below = disks.ext4("below", disks.tmpfs("hanging-store", 160) / "image", 128)
    data = disks.ext4("hanging", below / "image", 96) / "data"
    with server_on([sound, data], **{"offsets.topic.num.partitions": 1, "barnabas.log.dir.sync.timeout.ms": 1000}) as server:
        try:
            admin = Admin(server)
            here, load = written_in(data, server)
            other, kept = Load(server.bootstrap, "t", 1 - here), len(load.acknowledged)
            disks.freeze(below)
            began = time.monotonic()
            load.send(100)
            until("the disk is slow", lambda: load.producer.poll(0.01) is not None and admin.figure("barnabas_log_directory_slow", data) == 1)
            noticed = time.monotonic() - began
            check("does not answer" in admin.get("/readyz"), "/readyz does not say that a disk does not answer")
            check(len(load.acknowledged) == kept, "a record was acknowledged that no disk has taken")
            found = read(server.bootstrap, "t", kept, here)
            check(sorted(found.values()) == list(range(kept)), "what is kept cannot be read")
            other.send(1000)
            other.finish()
            disks.thaw()
            began = time.monotonic()
            until("the disk answers", lambda: admin.figure("barnabas_log_directory_slow", data) == 0)
            load.finish()
            back = time.monotonic() - began
            check_read(server.bootstrap, load)
            check_read(server.bootstrap, other)
        finally:
            disks.thaw()
    return f"noticed after {noticed:.1f} s (limit 1), all acknowledged {back:.1f} s after it answered again; the other directory took 1000 meanwhile"


def hanging_writes(disks):
    """The file system of one directory takes no write for a while: a write hangs where the other case lets a sync hang."""
    sound = disks.root / "sound"
    place = disks.ext4("frozen", disks.tmpfs("frozen-store", 128) / "image", 96)
    data = place / "data"
    with server_on([sound, data], **{"offsets.topic.num.partitions": 1, "barnabas.log.dir.sync.timeout.ms": 1000}) as server:
        try:
            admin = Admin(server)
            _, load = written_in(data, server)
            kept = len(load.acknowledged)
            disks.freeze(place)
            began = time.monotonic()
            load.send(100)
            until("the disk is slow", lambda: load.producer.poll(0.01) is not None and "does not answer" in admin.get("/readyz"))
            noticed = time.monotonic() - began
            check(admin.figure("barnabas_log_directory_slow", data) == 1, "/metrics does not say that a disk does not answer")
            check(len(load.acknowledged) == kept, "a record was acknowledged that no disk has taken")
            disks.thaw()
            until("the disk answers", lambda: admin.figure("barnabas_log_directory_slow", data) == 0)
            load.send(100)
            load.finish()
            check_read(server.bootstrap, load)
        finally:
            disks.thaw()
    return f"noticed after {noticed:.1f} s (limit 1); {len(load.acknowledged)} records acknowledged, all of them there in order"


def missing_disk(disks):
    """A directory cannot be used when the broker starts."""
    first, second = disks.root / "first", disks.root / "second"
    server = server_on([first, second])
    server.own_directory = False
    try:
        with server:
            make_topic(server, "t", 4)
            loads = [Load(server.bootstrap, "t", partition) for partition in range(4)]
            for load in loads:
                load.send(100)
                load.finish()
        here = [partition for partition in range(4) if (first / f"t-{partition}").is_dir()]
        check(len(here) == 2, f"partitions were not spread: {here}")
        second.rename(disks.root / "away")
        second.write_text("no directory")
        with server:
            described = log_dirs(server)
            check(described[str(first)]["error"] is None, "the directory that is there")
            check(described[str(second)]["error"], "the directory that is not there")
            check(sorted(found["partition"] for found in described[str(first)]["partitions"]) == [f"t-{n}" for n in here], "partitions")
            for partition in here:
                check_read(server.bootstrap, loads[partition])
            make_topic(server, "new", 2)
        check(not any((first / f"t-{partition}").exists() for partition in range(4) if partition not in here), "a partition was made anew")
        second.unlink()
        (disks.root / "away").rename(second)
        with server:
            for load in loads:
                check_read(server.bootstrap, load)
    finally:
        shutil.rmtree(server.directory, ignore_errors=True)
    return "2 of 4 partitions served without the second directory, all 4 with it"


def log_dirs(server):
    """What Kafka's own kafka-log-dirs says, by directory."""
    command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", artifacts.judge_class_path(), "org.apache.kafka.tools.LogDirsCommand", "--bootstrap-server", server.bootstrap, "--describe"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    check(done.returncode == 0, f"kafka-log-dirs exited {done.returncode}: {done.stderr[-500:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {directory["logDir"]: directory for directory in found["brokers"][0]["logDirs"]}


def main():
    report = Report("disks")
    for case in (full_disk, failing_disk, hanging_disk, hanging_writes, missing_disk):
        began = time.monotonic()
        with Disks() as disks:
            try:
                status, detail = "ok", case(disks)
            except Skip as reason:
                status, detail = "skip", str(reason)
            except Exception as error:  # noqa: BLE001: whatever it is, the other cases run
                status, detail = "FAIL", f"{type(error).__name__}: {error}"
        report.add(status, "barnabas", case.__name__, time.monotonic() - began, detail)
    code = report.finish()
    print("PASS" if code == 0 else "FAIL")
    return code


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
