"""Bad input: damaged frames of real clients by the thousand, and a list of plainly wrong ones.

Each gets a reply with its own correlation id, or a closed connection, or (where it asked to wait) nothing for a moment. After all of
them the server is alive, has not panicked, has logged at most a line for each, has not grown, and has lost nothing.
"""

import argparse
import asyncio
import collections
import random
import struct
import sys
import time
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import mutate
from under_test.report import Report
from under_test.server import Server

FRAMES = Path(__file__).resolve().parent / "frames.txt"
LANES = 24
PATIENCE_SECONDS = 0.15
CANARY = "canary"
CANARY_RECORDS = 1000
GROWTH_LIMIT_BYTES = 48 << 20
PEAK_LIMIT_BYTES = 256 << 20
OVERRIDES = {"auto.create.topics.enable": "false", "group.max.session.timeout.ms": "30000"}


def read_frames():
    topics, frames = [], []
    for line in FRAMES.read_text().splitlines():
        kind, *rest = line.split()
        if kind == "topic":
            topics.append((rest[0], int(rest[1]), bytes.fromhex(rest[2])))
        elif kind == "frame":
            frames.append(bytes.fromhex(rest[2]))
    return topics, frames


def id_bytes(topic_id):
    mask = (1 << 64) - 1
    return struct.pack(">QQ", topic_id.get_most_significant_bits() & mask, topic_id.get_least_significant_bits() & mask)


def prepare(bootstrap):
    """Makes the recorded topics and the canary; the frames with the ids that the topics have here."""
    topics, frames = read_frames()
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    new = [NewTopic(name, partitions, 1) for name, partitions, _ in topics] + [NewTopic(CANARY, 1, 1)]
    for future in admin.create_topics(new).values():
        future.result(30)
    described = admin.describe_topics(TopicCollection([name for name, _, _ in topics]))
    here = {name: id_bytes(future.result(30).topic_id) for name, future in described.items()}
    for name, _, there in topics:
        frames = [frame.replace(there, here[name]) for frame in frames]
    produce_canary(bootstrap, 0, CANARY_RECORDS)
    return frames


def produce_canary(bootstrap, start, count):
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
    for number in range(start, start + count):
        producer.produce(CANARY, b"%d" % number, partition=0)
    if producer.flush(30):
        raise RuntimeError("records for the canary topic were left unsent")


def read_canary(bootstrap, count):
    """What is wrong with the canary topic; empty when nothing is."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "canary", "enable.auto.commit": False, "log_level": 0})
    consumer.assign([TopicPartition(CANARY, 0, OFFSET_BEGINNING)])
    values, deadline = [], time.monotonic() + 30
    while len(values) < count and time.monotonic() < deadline:
        values += [int(message.value()) for message in consumer.consume(1000, 0.5) if not message.error()]
    consumer.close()
    return "" if values == list(range(count)) else f"{len(values)} records of {count}, or not in order"


class Lane:
    """One connection at a time; sends mutants and looks at what comes back."""

    def __init__(self, port, frames, seed, outcomes, problems):
        self.port, self.frames, self.random = port, frames, random.Random(seed)
        self.outcomes, self.problems = outcomes, problems
        self.streams = None

    async def run(self, count):
        for _ in range(count):
            kind, data = mutate.mutant(self.frames, self.random)
            try:
                outcome = await self.send(data)
            except (ConnectionError, asyncio.IncompleteReadError):
                outcome = "closed"
            self.outcomes[outcome] += 1
            if outcome.startswith("wrong"):
                self.problems.append(f"{kind}: {outcome}: {data.hex()[:300]}")
            if outcome != "replied":
                self.drop()
        self.drop()

    def drop(self):
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None

    async def send(self, data):
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(data)
        await writer.drain()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                (length,) = struct.unpack(">i", await reader.readexactly(4))
                if not 4 <= length <= 64 << 20:
                    return f"wrong reply length {length}"
                reply = await reader.readexactly(length)
        except TimeoutError:
            return "silent"
        # The first request of these bytes is the one that is answered first: its correlation id comes back.
        return "replied" if reply[:4] == data[8:12] else f"wrong correlation id {reply[:4].hex()}"


async def run_lanes(port, frames, count, seed, outcomes, problems):
    lanes = [Lane(port, frames, seed * 1000 + number, outcomes, problems) for number in range(LANES)]
    await asyncio.gather(*(lane.run(count // LANES + 1) for lane in lanes))


async def plainly_wrong(port, name, data, expected):
    """Sends one wrong thing; `expected` looks at the reply (None: the connection was closed)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(5):
            (length,) = struct.unpack(">i", await reader.readexactly(4))
            reply = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        reply = None
    except TimeoutError:
        return f"{name}: neither reply nor close within 5 s"
    finally:
        writer.close()
    return "" if expected(reply) else f"{name}: the answer is {reply and reply[:40].hex()}"


def closed(reply):
    return reply is None


def unsupported_version_with_list(reply):
    """ApiVersions in a version from the future: version 0 of the reply, error 35, and what is supported."""
    return reply is not None and struct.unpack_from(">h", reply, 4)[0] == 35 and struct.unpack_from(">i", reply, 6)[0] > 0


def replied(reply):
    return reply is not None and reply[:4] == struct.pack(">i", 5)


def corrupt_message(reply):
    """Produce v7: one topic, one partition, error 2."""
    if reply is None:
        return False
    (name_length,) = struct.unpack_from(">h", reply, 8)
    return struct.unpack_from(">h", reply, 10 + name_length + 4 + 4)[0] == 2


def wrong_things(frames):
    """Name, bytes, what must come back: Apache Kafka does the same."""

    def header(key, version, rest=b""):
        return mutate.framed(struct.pack(">hhih", key, version, 5, -1) + rest)

    produce = next(frame for frame in frames if struct.unpack_from(">hh", frame) == (0, 7))
    damaged = mutate.framed(produce[:-1] + bytes([produce[-1] ^ 1]))
    return [
        ("unknown-api", header(999, 0), closed),
        ("negative-api", header(-1, 0), closed),
        ("unsupported-version", header(3, 99), closed),
        ("produce-version-2", header(0, 2), closed),
        ("api-versions-from-the-future", header(18, 99, b"\0"), unsupported_version_with_list),
        ("negative-length", struct.pack(">i", -1) + bytes(20), closed),
        ("zero-length", struct.pack(">i", 0) + bytes(20), closed),
        ("length-over-the-limit", struct.pack(">i", (1 << 31) - 1) + bytes(20), closed),
        ("header-cut-short", mutate.framed(b"\0\x03\0"), closed),
        ("body-cut-short", header(3, 1, struct.pack(">i", 5)), closed),
        ("count-without-elements", header(3, 1, struct.pack(">i", (1 << 31) - 1)), closed),
        ("bytes-after-the-end", header(3, 1, struct.pack(">i", 0) + b"\1\0\0"), replied),
        ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", closed),
        ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), closed),
        ("corrupt-batch", damaged, corrupt_message),
    ]


def log_lines(server):
    return server.log.read_bytes().count(b"\n")


def peak_bytes(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


def check_wrong_things(server, frames, report):
    for name, data, expected in wrong_things(frames):
        started = time.monotonic()
        problem = asyncio.run(plainly_wrong(server.port, name, data, expected))
        report.add("FAIL" if problem else "ok", "bad-input", name, time.monotonic() - started, problem)


def check_after(server, count, before, report):
    """What must hold once all mutants are through."""

    def result(name, problem, figure=""):
        report.add("FAIL" if problem else "ok", "after", name, 0.0, problem or figure)

    def asked_of_us(name, problem, figure):
        """Frugality is what we promise; of the rival only the figure is told."""
        report.add("skip" if server.kind == "apache" else "FAIL" if problem else "ok", "after", name, 0.0, figure)

    result("alive", "" if server.alive() else server.log_tail(10))
    if not server.alive():
        return
    panics = [line for line in server.log.read_text(errors="replace").splitlines() if "panicked" in line]
    result("no-panic", panics[0][:300] if panics else "")
    lines = log_lines(server) - before["lines"]
    asked_of_us("one-log-line-each", lines > count, f"{lines} lines for {count} mutants")
    growth, peak = server.resident_bytes() - before["resident"], peak_bytes(server) - before["resident"]
    figure = f"grew by {growth / 2**20:.1f} MiB to {server.resident_bytes() / 2**20:.1f} MiB, at most {peak / 2**20:.1f} MiB above"
    asked_of_us("memory-flat", growth > GROWTH_LIMIT_BYTES or peak > PEAK_LIMIT_BYTES, figure)
    produce_canary(server.bootstrap, CANARY_RECORDS, 100)
    result("nothing-lost", read_canary(server.bootstrap, CANARY_RECORDS + 100))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--mutants", type=int, default=10000)
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    arguments.add_argument("--rival", action="store_true", help="Apache Kafka instead of our broker")
    options = arguments.parse_args()
    print(f"seed {options.seed}, {options.mutants} mutants", flush=True)
    report = Report("bad input")
    with Server("apache" if options.rival else "barnabas", OVERRIDES) as server:
        frames = prepare(server.bootstrap)
        check_wrong_things(server, frames, report)
        outcomes, problems = collections.Counter(), []
        # The first tenth warms the server up: what it then holds is what it may hold at the end, and a little more.
        warm = options.mutants // 10
        asyncio.run(run_lanes(server.port, frames, warm, options.seed, outcomes, problems))
        before = {"lines": log_lines(server), "resident": server.resident_bytes()}
        started = time.monotonic()
        asyncio.run(run_lanes(server.port, frames, options.mutants - warm, options.seed + 1, outcomes, problems))
        detail = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common(4))
        report.add("FAIL" if problems else "ok", "mutants", "replied-or-closed", time.monotonic() - started, f"{detail} {problems[:2] if problems else ''}")
        check_after(server, options.mutants - warm, before, report)
    return report.finish()


sys.exit(main())
