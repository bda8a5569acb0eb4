"""One set of log directories in which either broker may live: ours and Apache Kafka's take turns, at the same addresses."""

import shutil
import tempfile
import time
from pathlib import Path

from under_test.server import CLUSTER_ID, UNSERVED_FEATURES, Server

FILES_DEADLINE_SECONDS = 60


class Home(Server):
    """Starts empty; `move_in` says who lives in it next."""

    def __init__(self, tools, keep):
        directory = Path(tempfile.mkdtemp(prefix="log-judge-"))
        self.tools, self.keep = tools, keep
        self.log_directories = [directory / "data", directory / "data-2"]
        overrides = {
            "log.dirs": ",".join(map(str, self.log_directories)),
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            "log.retention.check.interval.ms": 300,
            "log.cleaner.backoff.ms": 100,
            # Where a log starts is known to a killed broker from its checkpoint alone.
            "log.initial.task.delay.ms": 500,
            "log.flush.start.offset.checkpoint.interval.ms": 500,
            # Kafka lets a broker that was killed come back only when its session is over.
            "broker.session.timeout.ms": 4000,
            "metadata.log.max.record.bytes.between.snapshots": 3000,
        }
        super().__init__("", overrides, directory)

    def move_in(self, kind):
        """Starts a broker ("barnabas" or "apache") in these directories."""
        self.kind = kind
        self.start()

    def format(self):
        """Apache Kafka's directories are formatted with what both brokers serve; ours formats its own when it starts."""
        if self.kind == "apache" and not (self.data / "meta.properties").exists():
            without = [word for feature in UNSERVED_FEATURES for word in ("--feature", f"{feature}=0")]
            said = self.tools.call("format", ["storage", "format", "-t", CLUSTER_ID, "-c", self.properties, "--standalone", *without])
            if not said.endswith("--- exit 0\n"):
                raise RuntimeError(f"kafka-storage format failed:\n{said}")

    def clean(self, enabled):
        """From the next start on. What is compacted must not change while brokers are compared."""
        with open(self.properties, "a") as properties:
            properties.write(f"log.cleaner.enable={str(enabled).lower()}\n")

    def partition(self, name):
        """The directory of a partition, in whichever log directory it lies."""
        return next(data / name for data in self.log_directories if (data / name).is_dir())

    def segments(self, name):
        """The base offsets of a partition's segments."""
        return sorted(int(path.stem) for path in self.partition(name).glob("*.log"))

    def await_files(self, what, reached):
        """Waits until the files say that something has happened."""
        deadline = time.monotonic() + FILES_DEADLINE_SECONDS
        while not reached():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not within {FILES_DEADLINE_SECONDS} s")
            time.sleep(0.05)

    def await_cleaned(self, topics):
        """Until everything but the active segment has been cleaned."""
        for topic, _, _ in topics:
            self.await_files(f"cleaning {topic}-0", lambda: self.cleaned_to(topic) >= self.segments(f"{topic}-0")[-1])

    def cleaned_to(self, topic):
        """The first offset of partition 0 that has not been cleaned."""
        return self.checkpointed("cleaner-offset-checkpoint", topic)

    def checkpointed(self, name, topic):
        """What a checkpoint file says of partition 0 of a topic; -1 when it says nothing."""
        for checkpoint in (data / name for data in self.log_directories):
            for line in checkpoint.read_text().splitlines() if checkpoint.exists() else []:
                if line.startswith(f"{topic} 0 "):
                    return int(line.split()[2])
        return -1

    def await_start(self, topic):
        """Until a first segment of a topic is gone, and a kill would not forget where the log starts."""
        there = self.segments(f"{topic}-0")[0]
        self.await_files(f"checkpointing the start of {topic}-0", lambda: self.checkpointed("log-start-offset-checkpoint", topic) > there)
        self.await_files(f"deleting the first segment of {topic}-0", lambda: self.segments(f"{topic}-0")[0] > 0)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill()
        if self.keep():
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
