"""A client program under load, and the ledger of what it was told: each record that was acknowledged, where and when, and each that it read.

The programs (librdkafka_load.py here, Load.java in e2e/clients/java) print one line for each thing that happens, times in nanoseconds of the
machine's monotonic clock, which all processes share:
    acked PARTITION NUMBER OFFSET SENT ACKED    failed PARTITION NUMBER WHY    done PARTITION RECORDS-SENT
    read PARTITION OFFSET NUMBER AT             consumer-error WHY             assigned COUNT, revoked COUNT
Refuses to take a failed delivery or an error of the consumer for normal, whatever the fault: both clients try for minutes by themselves.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

from under_test import artifacts

HERE = Path(__file__).resolve().parent
FLUSH_SECONDS = 150
END_SECONDS = 20
LIBRDKAFKA, JAVA = "librdkafka", "java"


def commands():
    """The programs by the name of their client; made while there is a network to get them from."""
    java = artifacts.maven_project("java-client", artifacts.REPOSITORY / "e2e" / "clients" / "java")
    # Its files of figures are named after its process, and every session of ours has the same processes (-XX:-UsePerfData).
    return {
        LIBRDKAFKA: [sys.executable, str(HERE / "librdkafka_load.py")],
        JAVA: ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", java, "Load"],
    }


class Lane:
    """One partition: what was acknowledged, in the order of acknowledgement, and what the group has read."""

    def __init__(self, partition):
        self.partition = partition
        self.acknowledged = []  # (offset, number)
        self.times = []  # (sent, acknowledged) in seconds, beside `acknowledged`
        self.reads = []  # (number, when it was read)
        self.sent = None  # how many records, once producing has ended
        self.due = 0  # the number that the group reads next
        self.repeated = 0

    def first_acknowledged(self, since, mark):
        """The number of the first record that was sent at `since` or later and acknowledged, and when; looks from the `mark`th acknowledgement on."""
        return next(((self.acknowledged[at][1], acked) for at, (sent, acked) in enumerate(self.times[mark:], mark) if sent >= since), None)

    def first_read(self, number, mark):
        """When the group read record `number` or a later one; looks at what it read from the `mark`th on."""
        return next((at for read, at in self.reads[mark:] if read >= number), None)


class Client:
    """A running client of `topic`; a context manager that leaves no process behind."""

    def __init__(self, name, command, cluster, topic, partitions, rate, seed):
        self.name, self.topic = name, topic
        self.lanes = [Lane(partition) for partition in range(partitions)]
        self.failures, self.consumer_errors, self.strange = [], [], []
        self.assignments = 0
        bootstrap = ",".join(f"{node.host}:9092" for node in cluster.brokers)
        words = {"--bootstrap": bootstrap, "--topic": topic, "--partitions": partitions, "--group": self.group, "--rate": rate, "--seed": seed}
        self.log = cluster.directory / f"{name}.log"
        with open(self.log, "ab") as noise:
            flat = [str(word) for pair in words.items() for word in pair]
            self.process = subprocess.Popen([*command, *flat], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, text=True)
        self.reader = threading.Thread(target=self.read, name=name, daemon=True)
        self.reader.start()

    @property
    def group(self):
        return f"group-of-{self.name}"

    def read(self):
        for line in self.process.stdout:
            self.take(line.rstrip("\n"))

    def take(self, line):
        what, _, rest = line.partition(" ")
        if what == "acked":
            partition, number, offset, sent, acked = map(int, rest.split())
            self.lanes[partition].acknowledged.append((offset, number))
            self.lanes[partition].times.append((sent / 1e9, acked / 1e9))
        elif what == "read":
            partition, offset, number, at = map(int, rest.split())
            self.was_read(self.lanes[partition], offset, number, at / 1e9)
        elif what == "failed":
            self.failures.append(rest)
        elif what == "consumer-error":
            self.consumer_errors.append(rest)
        elif what == "done":
            partition, sent = map(int, rest.split())
            self.lanes[partition].sent = sent
        elif what == "assigned":
            # Who is given a partition begins where the group has committed: what was read since then comes again.
            self.assignments += 1
        elif what != "revoked":
            self.strange.append(line)

    def was_read(self, lane, offset, number, at):
        """Nothing may be left out, ever; what was read comes again only after the partition was given anew."""
        if number > lane.due:
            self.consumer_errors.append(f"partition {lane.partition} offset {offset}: record {number} was read where {lane.due} was due")
        elif number < lane.due:
            lane.repeated += 1
            if self.assignments < 2:
                self.consumer_errors.append(f"partition {lane.partition} offset {offset}: record {number} was read twice, {lane.due} was due")
        lane.due = number + 1
        lane.reads.append((number, at))

    def wrong(self):
        """What the application would have had to handle; nothing if nothing."""
        found = [f"{len(some)} {what}, first: {some[0]}" for some, what in [
            (self.failures, "deliveries failed"), (self.consumer_errors, "errors of the consumer"), (self.strange, "lines that are not understood"),
        ] if some]
        if self.process.poll() not in (None, 0):
            found.append(f"exited {self.process.returncode}: {self.log.read_text(errors='replace')[-500:]}")
        return "; ".join(f"{self.name}: {one}" for one in found)

    def goals(self):
        return [len(lane.acknowledged) for lane in self.lanes]

    def command(self, word):
        try:
            self.process.stdin.write(f"{word}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def finish(self):
        """Ends producing; what is wrong once everything sent was acknowledged and read, or should have been."""
        self.command("stop")
        deadline = time.monotonic() + FLUSH_SECONDS
        while not all(lane.sent is not None and lane.sent == len(lane.acknowledged) == lane.due for lane in self.lanes):
            if self.wrong() or time.monotonic() > deadline:
                said = [f"partition {lane.partition}: {lane.sent} sent, {len(lane.acknowledged)} acknowledged, read up to {lane.due}" for lane in self.lanes]
                counts = "; ".join(said)
                return self.wrong() or f"{self.name}: after {FLUSH_SECONDS} s {counts}"
            time.sleep(0.02)
        return ""

    def end(self, seconds=END_SECONDS):
        """Ends the program in good order, as its group hears of; whether it went in time."""
        self.command("end")
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        finally:
            self.reader.join()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.end(END_SECONDS if kind is None else 1)
