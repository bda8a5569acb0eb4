"""Power cuts under load: idempotent producers of every codec keep producing while the disk under the server is cut off.

After each cut the journal of the file system is replayed by mounting it, the server is started on what is there, and every record that was
acknowledged must be at the offset that the acknowledgement named, in the order of sending, once; topics and offset commits too. A
control topic that is never synced (barnabas.durability=replicated) must lose records, or the cuts would show nothing.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import kill
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from disk import Disk, NotAllowed, unshare_mounts

from under_test import artifacts
from under_test.report import Report
from under_test.server import Server

KINDS = ["ext4", "xfs"]
CONTROL = "control"
CONTROL_CUTS = 3
# The server says one of these where a person has to choose, or records are gone.
REPAIRS = ["records that were synced are missing", "does not open", "is damaged", "panicked"]


class Cut:
    """A disk and a server on it."""

    def __init__(self, kind, work):
        self.disk = Disk(kind, work / kind)

    def __enter__(self):
        self.disk.__enter__()
        try:
            self.server = Server("barnabas", {"log.dirs": self.disk.place / "data"})
            self.server.__enter__()
        except BaseException:
            self.disk.__exit__()
            raise
        return self

    def power(self):
        self.disk.cut(self.server.process)

    def __exit__(self, kind, *rest):
        try:
            self.server.__exit__(kind, *rest)
        finally:
            self.server.kill()
            self.disk.__exit__()


def under_cuts(kind, cuts, work, moments, seed, report):
    """So many cuts on a file system of `kind`; how many records were acknowledged, and whether all went well."""
    with Cut(kind, work) as rig:
        lanes, verifier, deeds = kill.prepare(rig.server, seed)
        for number in range(1, cuts + 1):
            started = time.monotonic()
            before, problem = kill.one_round(rig.server, rig.power, number, lanes, verifier, deeds, moments.uniform(0, 0.6))
            problem = problem or asked_for_repair(rig.server)
            detail = problem or f"{sum(before)} acknowledged so far"
            report.add("FAIL" if problem else "ok", kind, f"cut-{number}", time.monotonic() - started, detail)
            if problem:
                for lane in lanes:
                    lane.stopping.set()
                return sum(before), False
        kill.finish(rig.server, lanes, verifier, report, kind)
        started = time.monotonic()
        goals = [len(lane.acknowledged) for lane in lanes]
        problem = kill.Verifier(rig.server.bootstrap, lanes).check(goals)
        report.add("FAIL" if problem else "ok", kind, "all-from-the-start", time.monotonic() - started, problem or f"{sum(goals)} records read once more")
        return sum(goals), not problem


def asked_for_repair(server):
    lines = server.log.read_text(errors="replace").splitlines()
    return next((line[:300] for line in lines if any(words in line for words in REPAIRS)), "")


def control(work, seed, report):
    """Cuts under a topic that is acknowledged before it is synced: how many acknowledged records they took."""
    started = time.monotonic()
    with Cut("ext4", work / CONTROL) as rig:
        admin = AdminClient({"bootstrap.servers": rig.server.bootstrap, "log_level": 0})
        topic = NewTopic(CONTROL, 1, 1, config={"barnabas.durability": "replicated"})
        admin.create_topics([topic])[CONTROL].result(30)
        lane = kill.Lane(rig.server.bootstrap, 0, "none", seed, CONTROL, idempotent=False)
        lane.start()
        for _ in range(CONTROL_CUTS):
            kill.under_load([lane])
            time.sleep(0.5)
            rig.power()
            rig.server.start()
        lane.finish()
        there = numbers_in(rig.server.bootstrap)
    lost = sum(1 for _, number in lane.acknowledged if number not in there)
    detail = f"{lost} of {len(lane.acknowledged)} records that were acknowledged without a sync are gone after {CONTROL_CUTS} cuts"
    report.add("ok" if lost else "FAIL", "control", "loses-records", time.monotonic() - started, detail)
    return lost


def numbers_in(bootstrap):
    """The numbers of all records in the control topic."""
    partition = TopicPartition(CONTROL, 0, 0)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": CONTROL, "enable.auto.commit": False, "log_level": 0})
    consumer.assign([partition])
    end = consumer.get_watermark_offsets(partition, kill.DEADLINE_SECONDS)[1]
    numbers, deadline = set(), time.monotonic() + kill.DEADLINE_SECONDS
    while consumer.position([partition])[0].offset < end:
        if time.monotonic() > deadline:
            raise RuntimeError(f"reading the control topic ended at {consumer.position([partition])[0].offset} of {end}")
        numbers.update(int(message.key()) for message in consumer.consume(2000, 0.2) if not message.error())
    consumer.close()
    return numbers


def skip(reason):
    print(f"SKIPPED power-cut: {reason}")
    print("0 passed, 0 failed, 1 skipped")
    return 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cuts", type=int, default=20, help="how many in all, half of them on each file system [default: 20]")
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="decides when to cut, and the sizes of records")
    arguments.add_argument("--directory", type=Path, help="where the images lie [default: a new one under TMPDIR]")
    options = arguments.parse_args()
    artifacts.barnabas_binary()
    print(f"seed {options.seed}, {options.cuts} cuts", flush=True)
    moments = random.Random(options.seed)
    report = Report("power cuts under load")
    work = Path(tempfile.mkdtemp(prefix="barnabas-power-", dir=options.directory))
    acknowledged, lost, well = 0, 0, True
    try:
        unshare_mounts()
        lost = control(work, options.seed, report)
        for index, kind in enumerate(KINDS):
            cuts = options.cuts // len(KINDS) + (index < options.cuts % len(KINDS))
            if well and cuts:
                count, well = under_cuts(kind, cuts, work, moments, options.seed, report)
                acknowledged += count
    except NotAllowed as error:
        if not acknowledged:
            return skip(error)
        report.add("FAIL", "power", "broke-off", 0.0, str(error))
    except (RuntimeError, KafkaException) as error:
        report.add("FAIL", "power", "broke-off", 0.0, str(error))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    code = report.finish()
    verdict = "PASS" if code == 0 else "FAIL"
    print(f"{verdict} power-cut: {options.cuts} cuts on {' and '.join(KINDS)}, {acknowledged} acknowledged records, the control without syncs lost {lost}")
    return code


if __name__ == "__main__":
    sys.exit(main())
