"""The brokers under measurement: Barnabas in profile `dist`, Apache Kafka with -Xmx1g and otherwise its defaults, and the floor.

Each has a fresh directory on the same disk and free ports. A broker that stands by while another is measured is stopped by a signal,
so that it takes no CPU; its session time-out is long enough that it does not notice.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rig import process
from under_test import artifacts, wire
from under_test.server import Server

BARNABAS, APACHE, FLOOR, SYNCING_FLOOR = "barnabas", "apache", "floor", "floor-sync"
# What the words behind `floor-` mean to the floor.
FLOOR_FLAGS = {
    "sync": ["--sync"],
    "gathered": ["--append", "gathered"],
    "writer": ["--append", "writer"],
    "direct": ["--append", "direct"],
    "trimmed": ["--append", "trimmed"],
    "corked": ["--send", "corked"],
    "copy": ["--send", "copy"],
}
FLOOR_PACKAGE = artifacts.REPOSITORY / "e2e" / "bench" / "floor"
# What bin/kafka-server-start.sh gives the JVM, but for -Xms1G, which would only add to its memory.
JVM = ["-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]
# Retention is looked at often enough to be measured; deleted files go at once, so that the disk has room for the next run.
OVERRIDES = {"num.partitions": 1, "log.retention.check.interval.ms": 1000, "log.segment.delete.delay.ms": 1000}
# A broker that is paused while another is measured must not be fenced.
PAUSED = {"broker.session.timeout.ms": 3_600_000}
TOPIC_DEADLINE_SECONDS = 120


def is_floor(kind):
    return kind.split("-")[0] == FLOOR


def floor_flags(kind):
    return [flag for word in kind.split("-")[1:] for flag in FLOOR_FLAGS[word]]


def barnabas_binary():
    """Our binary as it is released (profile dist), unless BARNABAS_BINARY or BARNABAS_PROFILE say otherwise."""
    os.environ.setdefault("BARNABAS_PROFILE", "dist")
    return artifacts.barnabas_binary()


def floor_binary():
    def build(directory):
        environment = {**os.environ, "CARGO_TARGET_DIR": str(artifacts.CACHE / "target-floor")}
        artifacts.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=FLOOR_PACKAGE, env=environment)
        shutil.copy(artifacts.CACHE / "target-floor" / "x86_64-unknown-linux-gnu" / "release" / "barnabas-floor", directory)

    sources = [FLOOR_PACKAGE / "src", FLOOR_PACKAGE / "Cargo.toml", FLOOR_PACKAGE / "Cargo.lock"]
    return artifacts.made_once("floor", artifacts.key_of(sources), build) / "barnabas-floor"


class Broker(Server):
    """One broker of any kind, with its cost, its topics, and a pause."""

    def __init__(self, kind, home, overrides=None, floor_partitions=1, floor_keeps_mib=None):
        self.floor_partitions, self.floor_keeps_mib = floor_partitions, floor_keeps_mib
        directory = tempfile.mkdtemp(prefix=f"{kind}-", dir=home)
        super().__init__(kind, {**OVERRIDES, **(overrides or {})}, directory)
        self.own_directory = True

    def command(self):
        if self.kind == APACHE:
            return ["java", *JVM, "-cp", artifacts.judge_class_path(), "kafka.Kafka", str(self.properties)]
        if is_floor(self.kind):
            command = [floor_binary(), "--port", self.port, "--directory", self.data, "--partitions", self.floor_partitions]
            keeping = ["--keep-mib", str(self.floor_keeps_mib)] if self.floor_keeps_mib else []
            return [*map(str, command), *keeping, *floor_flags(self.kind)]
        barnabas_binary()
        return super().command()

    def stop(self):
        """The floor has nothing to close; the others are asked to go."""
        if is_floor(self.kind):
            self.kill()
        elif self.alive():
            self.resume()
            super().stop()

    @property
    def pid(self):
        return self.process.pid

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def create_topic(self, name, partitions=1, configs=None):
        if is_floor(self.kind):
            return
        known = {key: value for key, value in (configs or {}).items() if self.kind == BARNABAS or not key.startswith("barnabas.")}
        with wire.Connection(self.port) as connection:
            wire.create_topic(connection, name, partitions, known)
        wire.await_leaders(self.port, name, partitions, TOPIC_DEADLINE_SECONDS)

    def delete_topic(self, name):
        if is_floor(self.kind):
            return
        with wire.Connection(self.port) as connection:
            wire.delete_topic(connection, name)
        wire.await_gone(self.port, name, TOPIC_DEADLINE_SECONDS)
        self.await_no_files(name)

    def files_of(self, topic):
        return [path for path in self.data.glob(f"{topic}-*") if path.is_dir()]

    def await_no_files(self, topic):
        """Deleted logs are renamed first and removed after file.delete.delay.ms. Waits for it, but not for ever: it is only disk."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.files_of(topic):
            time.sleep(0.05)

    @contextlib.contextmanager
    def pinned(self, cores):
        """With all its threads on some cores; on any again afterwards."""
        before = process.pin(self.pid, cores)
        try:
            yield
        finally:
            process.pin(self.pid, before)


class Fleet:
    """The brokers that serve row after row. Each is started when first asked for; Apache Kafka's JVM is warmed then, once."""

    def __init__(self, home, warm_up, say):
        self.home, self.warm_up, self.say = Path(home), warm_up, say
        self.standing = {}
        self.warm_up_seconds = {}

    def get(self, kind):
        """The running broker of a kind, warmed up and awake; all others are paused."""
        for other in self.standing.values():
            if other.kind != kind:
                other.pause()
        broker = self.standing.get(kind)
        if broker is None:
            broker = Broker(kind, self.home, PAUSED)
            self.standing[kind] = broker
            self.say(f"starting {kind}")
            broker.start()
            self.warm_up_seconds[kind] = self.warm_up(broker)
        broker.resume()
        if not broker.alive():
            raise RuntimeError(f"{kind} has exited {broker.process.returncode}:\n{broker.log_tail()}")
        return broker

    @contextlib.contextmanager
    def fresh(self, kind, **options):
        """A broker for one purpose alone, while all that stand are paused."""
        for other in self.standing.values():
            other.pause()
        broker = Broker(kind, self.home, **options)
        try:
            yield broker
        finally:
            broker.kill()
            shutil.rmtree(broker.directory, ignore_errors=True)

    def close(self):
        """Ends every broker and removes its directory. Logs of a broker that has died are kept and named."""
        for broker in self.standing.values():
            died = not broker.alive()
            broker.kill()
            if died:
                print(f"{broker.kind} died; its log: {broker.log}", file=sys.stderr)
            else:
                shutil.rmtree(broker.directory, ignore_errors=True)
        self.standing.clear()


def file_bytes(path):
    """How much a file, or what lies below a directory, takes."""
    path = Path(path)
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def java_home():
    """Where the JVM on the PATH lives."""
    settings = subprocess.run(["java", "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=True).stderr
    return next(line.partition("=")[2].strip() for line in settings.splitlines() if line.strip().startswith("java.home"))
