"""Apache Kafka 4.3.1 as judge of log directories: its tools read what ours wrote, it opens our directories, and we open its.

Two directories, each with a life of its own: one is begun by Barnabas, one by Apache Kafka; the brokers take turns in them, stopped
cleanly or killed. Whoever moves in must show a client the same records, offsets, configurations and groups as the one before, and go on
with the next offsets. What Barnabas leaves behind is read by DumpLogSegments; so are the directories that the tests of broker/log wrote.
The seed is printed; --seed repeats a run.
"""

import argparse
import contextlib
import copy
import dataclasses
import os
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from damage import DAMAGES
from dump import KnownComplaints, dump, partition_directories
from home import Home
from under_test import artifacts
from under_test.kafka_tools import KafkaTools
from under_test.report import Report
from view import COMMITTED, UNCOMMITTED, differences, look
from workload import CODECS, COMPACTED, GROUPS, LATER, TRANSACTIONAL, Workload

BARNABAS, APACHE = "barnabas", "apache"
SHOWN_PROBLEMS = 4
LOGS_OF_A_TEST = 25
EXHAUSTIVE_TESTS = ["tests::every_call", "tests::cuts", "tests::crash", "tests::speed"]


class Ended(Exception):
    """A life that cannot go on; why is in the report."""


class Judgement:
    """The rows of the report, and what they share."""

    def __init__(self, tools, options):
        self.report, self.known = Report("Apache Kafka as judge of log directories"), KnownComplaints()
        self.tools, self.options = tools, options

    @contextlib.contextmanager
    def row(self, subject, case):
        """One row; the body adds problems to the list that it is given, and may set the detail of a success."""
        started, problems, detail = time.monotonic(), [], {}
        try:
            yield problems, detail
        except Exception as error:  # noqa: BLE001: whatever it is, it is this row's failure
            problems.append(f"{type(error).__name__}: {error}")
            raise Ended from error
        finally:
            more = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
            text = "".join(f"\n     {each}" for each in problems[:SHOWN_PROBLEMS] + more)
            self.report.add("FAIL" if problems else "ok", subject, case, time.monotonic() - started, text or detail.get("text", ""))

    def failed(self):
        return self.report.count("FAIL") > 0 or bool(os.environ.get("KEEP"))


class Life:
    """One home, who lives in it, and what a client must find there."""

    def __init__(self, judgement, subject, home):
        self.judgement, self.subject, self.home = judgement, subject, home
        seed, size = judgement.options.seed, judgement.options.size
        self.workload = Workload(home.bootstrap, random.Random(f"{seed} {subject}"), size)
        self.view = None

    def row(self, case):
        return self.judgement.row(self.subject, case)

    def remember(self):
        """Adds what has been written since to the view."""
        self.view = look(self.home.bootstrap, GROUPS, self.view)
        return f"{self.view.count()} records"

    def leave(self, how):
        """`how`: stop or kill."""
        getattr(self.home, how)()

    def move_in(self, kind, case):
        """The next broker shows the same, and goes on with the next offsets."""
        with self.row(case) as (problems, detail):
            self.home.move_in(kind)
            problems += differences(self.view, look(self.home.bootstrap, GROUPS))
            problems += self.workload.go_on(self.view)
            detail["text"] = self.remember()

    def inspect(self, case):
        """Kafka's tools read every partition of the stopped broker without complaint, and show the records that a client saw."""
        with self.row(case) as (problems, detail):
            directories = partition_directories(*self.home.log_directories)
            dumps = {directory.name: dump(self.judgement.tools, self.subject, directory, self.judgement.known) for directory in directories}
            for name, one in dumps.items():
                problems += [f"{name}: {complaint}" for complaint in one.complaints]
            for (topic, partition), records in self.view.records[UNCOMMITTED].items():
                problems += misshown(f"{topic}-{partition}", records, dumps.get(f"{topic}-{partition}"))
            batches = sum(len(one.batches) for one in dumps.values())
            detail["text"] = f"{len(directories)} partitions, {batches} batches, {sum(len(one.records) for one in dumps.values())} records"
            return dumps


def misshown(name, records, dumped):
    """Where the tool shows something else than a client sees. Below the log's start it may show more."""
    if dumped is None:
        return [f"{name}: the partition has no directory"]
    expected = {record.offset: record.as_dumped() for record in records}
    first = min(expected, default=0)
    shown = {offset: line for offset, line in dumped.records.items() if offset >= first}
    for offset in sorted(expected.keys() | shown.keys()):
        if expected.get(offset) != shown.get(offset):
            return [f"{name}: a client sees {str(expected.get(offset))[:200]}, the tool shows {str(shown.get(offset))[:200]}"]
    return []


def lacking(shown):
    return [f"nothing was judged of: {what}" for what, there in shown.items() if not there]


def plain_kinds(home, dumps):
    """What a directory must hold for the judgement to mean something, each with whether it is there."""
    batches = [line for one in dumps.values() for line in one.batches]
    kinds = {codec: any(f" compresscodec: {codec} " in line for line in batches) for codec in CODECS}
    kinds["LogAppendTime"] = any(" LogAppendTime: " in line for line in batches)
    kinds["an idempotent producer"] = any(" producerId: -1 " not in line for line in batches)
    kinds["sealed segments"] = all(len(home.segments(f"codec-{codec}-0")) > 1 for codec in CODECS)
    kinds["a first segment gone"] = home.segments("deleted-below-0")[0] > 0
    kinds["a metadata snapshot"] = len(list(home.partition("__cluster_metadata-0").glob("*.checkpoint"))) > 0
    of_groups = [line for name, one in dumps.items() if name.startswith("__consumer_offsets") for line in one.records.values()]
    kinds["offsets of groups"] = any('"type":"1"' in line for line in of_groups)
    kinds["members of groups"] = any('"type":"2"' in line for line in of_groups)
    kinds["two log directories"] = all(partition_directories(data) for data in home.log_directories)
    kinds["a delete horizon"] = any(re.search(r" deleteHorizonMs: OptionalLong\[\d+\]", line) for line in batches)
    kinds["a tombstone"] = any(" valueSize: -1 " in line for line in dumps["tombstones-kept-0"].records.values())
    kinds["gaps of compaction"] = all(len(dumps[f"{topic}-0"].records) < max(dumps[f"{topic}-0"].records) for topic, _, _ in COMPACTED)
    return kinds


def transactional_kinds(home, dumps):
    """The same of transactions."""
    batches = [line for one in dumps.values() for line in one.batches]
    kinds = {f"a marker: {marker}": any(f" endTxnMarker: {marker} " in line for line in batches) for marker in ("COMMIT", "ABORT")}
    of_groups = [line for name, one in dumps.items() if name.startswith("__consumer_offsets") for line in one.batches]
    kinds["transactions of a group"] = any(" isTransactional: true " in line for line in of_groups)
    kinds["a transaction index"] = any(path.stat().st_size for number in (0, 1) for path in home.partition(f"transactions-{number}").glob("*.txnindex"))
    return kinds


def compact(home, work):
    """Two rounds, so that the second meets what the first left behind; then never again: who moves in next must see the same."""
    work.create(COMPACTED)
    for _ in range(2):
        work.compact(COMPACTED)
        home.await_cleaned(COMPACTED)
    home.clean(False)


def last_values(view, topic):
    """What a reader of committed records ends up with: the last value of each key that has one."""
    last = {record.key: record.value for record in view.records[COMMITTED][topic, 0]}
    return {key: value for key, value in last.items() if value is not None}


def compacted_wrongly(view, latest):
    """Which compacted topics do not hold the last value of each key, and nothing else."""
    wanted = {topic: {key: value for key, value in of_keys.items() if value is not None} for topic, of_keys in latest.items()}
    return [f"{topic}: not the last values of its {len(values)} keys" for topic, values in wanted.items() if last_values(view, topic) != values]


def compact_what_kafka_wrote(life, home):
    """Transactions, committed and aborted, compacted by Barnabas: what a reader ends up with is the same, and nothing new is there."""
    with life.row("Barnabas compacts Kafka's") as (problems, detail):
        topic, before = LATER[0], life.view
        home.clean(True)
        home.move_in(BARNABAS)
        life.workload.compact_later()
        home.await_cleaned([LATER])
        life.view = None
        life.remember()
        problems += compacted_wrongly(life.view, {topic: last_values(before, topic)})
        old, new = ({record.offset: record for record in view.records[UNCOMMITTED][topic, 0]} for view in (before, life.view))
        problems += [f"{topic}: the record at {offset} is new or another" for offset, record in new.items() if old.get(offset) != record]
        if len(new) > len(old) / 2:
            problems.append(f"{topic}: {len(old)} records before, {len(new)} after")
        detail["text"] = f"{topic} had {len(old)} records and has {len(new)}"
        home.clean(False)
        life.leave("stop")


def begun_by_barnabas(judgement):
    with Home(judgement.tools, judgement.failed) as home, contextlib.suppress(Ended):
        life = Life(judgement, "begun by Barnabas", home)
        with life.row("Barnabas writes"):
            home.move_in(BARNABAS)
            life.workload.write_plain()
            life.workload.write_by_java(judgement.tools)
            life.workload.commit_groups()
            home.await_start("deleted-below")
        with life.row("Barnabas compacts") as (problems, detail):
            compact(home, life.workload)
            detail["text"] = life.remember()
            problems += compacted_wrongly(life.view, life.workload.latest)
            life.leave("stop")
        dumps = life.inspect("Kafka's tools read it")
        with life.row("what there was to read") as (problems, _):
            problems += lacking(plain_kinds(home, dumps))
        notice_damage(judgement, home)
        notice_differences(life)
        life.move_in(BARNABAS, "Barnabas, after a stop")
        life.leave("kill")
        life.move_in(BARNABAS, "Barnabas, after a kill")
        life.leave("stop")
        life.inspect("Kafka's tools, after recovery")
        life.move_in(APACHE, "Kafka, after a stop")
        life.leave("stop")
        life.move_in(BARNABAS, "Barnabas, after Kafka")
        life.leave("kill")
        life.move_in(APACHE, "Kafka, after a kill")
        life.leave("kill")
        life.move_in(BARNABAS, "Barnabas, after Kafka's kill")
        life.leave("stop")
        life.inspect("Kafka's tools, at the end")


def begun_by_kafka(judgement):
    with Home(judgement.tools, judgement.failed) as home, contextlib.suppress(Ended):
        life = Life(judgement, "begun by Kafka", home)
        work = life.workload
        with life.row("Kafka writes"):
            home.move_in(APACHE)
            work.write_plain()
            work.write_by_java(judgement.tools)
            work.commit_groups()
            home.await_start("deleted-below")
        with life.row("Kafka transacts"):
            work.create([*TRANSACTIONAL, LATER])
            work.transact()
            home.await_cleaned(TRANSACTIONAL[1:])
        with life.row("Kafka compacts") as (problems, detail):
            compact(home, work)
            detail["text"] = life.remember()
            problems += compacted_wrongly(life.view, work.latest)
            life.leave("kill")
        life.move_in(BARNABAS, "Barnabas, after Kafka's kill")
        life.leave("stop")
        compact_what_kafka_wrote(life, home)
        dumps = life.inspect("Kafka's tools read it")
        with life.row("what there was to read") as (problems, _):
            problems += lacking(plain_kinds(home, dumps) | transactional_kinds(home, dumps))
        life.move_in(APACHE, "Kafka, after a stop")
        with life.row("the open transaction ends") as (problems, detail):
            before = dict(life.view.ends["read_committed"])
            work.end_open()
            detail["text"] = life.remember()
            ends = life.view.ends["read_committed"]
            if not ends["transactions", 0] > before["transactions", 0]:
                problems.append(f"the last stable offset was {before['transactions', 0]} and is {ends['transactions', 0]}")
        life.leave("stop")
        life.move_in(BARNABAS, "Barnabas, after Kafka's stop")
        life.leave("kill")
        life.move_in(APACHE, "Kafka, after a kill")


def notice_damage(judgement, home):
    """Each damage to a copy is complained of; an undamaged copy is not."""
    chosen = random.Random(judgement.options.seed)
    with tempfile.TemporaryDirectory(prefix="log-judge-damage-") as place:
        for partition, damage in DAMAGES:
            with judgement.row("damage is noticed", f"{damage.__name__} {partition}") as (problems, detail):
                directory = copy_of(home, partition, Path(place) / damage.__name__)
                before = dump(judgement.tools, "damage", directory, judgement.known)
                problems += [f"before the damage: {complaint}" for complaint in before.complaints]
                damage(directory, chosen)
                after = dump(judgement.tools, "damage", directory, judgement.known)
                if not after.complaints:
                    problems.append(f"nothing was said of it (seed {judgement.options.seed})")
                detail["text"] = after.complaints[0][:100] if after.complaints else ""


# What is done to a copy of a view; the comparison of views must notice each.
ALTERATIONS = {
    "a value": lambda view, records: records.__setitem__(7, dataclasses.replace(records[7], value=b"another")),
    "a timestamp": lambda view, records: records.__setitem__(7, dataclasses.replace(records[7], timestamp=records[7].timestamp + 1)),
    "a header": lambda view, records: records.__setitem__(7, dataclasses.replace(records[7], headers=(("h", None),))),
    "a record gone": lambda view, records: records.pop(),
    "a record twice": lambda view, records: records.append(records[-1]),
    "an end": lambda view, records: view.ends["read_committed"].update({("codec-none", 0): 1}),
    "a start": lambda view, records: view.starts.update({("codec-none", 0): 1}),
    "a configuration": lambda view, records: view.configs["spread"].pop("retention.ms"),
    "an offset of a group": lambda view, records: view.groups["by-hand"].pop(("spread", 0)),
}


def notice_differences(life):
    with life.row("another view is noticed") as (problems, detail):
        # Of one topic: a copy of everything takes its time.
        view = life.view.of("codec-none")
        for name, alter in {"nothing": lambda view, records: None, **ALTERATIONS}.items():
            other = copy.deepcopy(view)
            alter(other, other.records[UNCOMMITTED]["codec-none", 0])
            found = differences(view, other)
            if bool(found) != (name in ALTERATIONS):
                problems.append(f"{name} is different, and what was found is {found}")
        detail["text"] = f"{len(ALTERATIONS)} alterations"


def copy_of(home, partition, place):
    """A copy of a partition's directory; of a topic's largest when only a topic is named."""
    named = [path for path in partition_directories(*home.log_directories) if path.name == partition or path.name.rpartition("-")[0] == partition]
    largest = max(named, key=lambda path: sum(file.stat().st_size for file in path.iterdir()))
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(largest, place / largest.name))


def written_by_tests(judgement):
    """Runs the tests of broker/log, which keep their logs when told to, and lets Kafka's tools read them: in full all, otherwise without
    the exhaustive ones, and at most some of each test, drawn anew in every run."""
    subject, size = "tests of broker/log", judgement.options.size
    with tempfile.TemporaryDirectory(prefix="log-judge-tests-") as place, contextlib.suppress(Ended):
        with judgement.row(subject, "write") as (_, detail):
            profile = os.environ.get("BARNABAS_PROFILE", "ci")
            fewer = {"COMPACTION_SEEDS": "40"} if size == 1 else {}
            environment = {**os.environ, **fewer, "BARNABAS_KEEP_LOGS": f"{place}/kept", "TMPDIR": place}
            skipped = [word for test in EXHAUSTIVE_TESTS for word in ("--skip", test)] if size == 1 else []
            artifacts.run(["cargo", "test", "--quiet", "--profile", profile, "-p", "barnabas-log", "--lib", "--", *skipped], cwd=artifacts.REPOSITORY, env=environment)
            of_tests = {}
            for log in sorted(Path(place, "kept").iterdir()):
                of_tests.setdefault(log.name.rpartition("-")[0], []).append(log)
            detail["text"] = f"{sum(map(len, of_tests.values()))} logs by {len(of_tests)} tests"
        with judgement.row(subject, "Kafka's tools read them") as (problems, detail):
            draw = random.Random(judgement.options.seed)
            chosen = [log for logs in of_tests.values() for log in (draw.sample(logs, min(len(logs), LOGS_OF_A_TEST)) if size == 1 else logs)]
            batches = 0
            for directory in (directory for log in chosen for directory in partition_directories(log)):
                one = dump(judgement.tools, directory.parent.name, directory, judgement.known)
                problems += [f"{directory.parent.name}: {complaint}" for complaint in one.complaints]
                batches += len(one.batches)
            if not batches:
                problems.append("the tests left nothing to read")
            detail["text"] = f"{len(chosen)} logs, {batches} batches"


PARTS = {"barnabas": begun_by_barnabas, "kafka": begun_by_kafka, "tests": written_by_tests}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="repeats a run")
    arguments.add_argument("--size", type=int, default=1, help="how much is written, as a multiple")
    arguments.add_argument("--only", choices=PARTS, help="the directory begun by barnabas, the one begun by kafka, or those of the tests")
    options = arguments.parse_args()
    print(f"seed {options.seed}, size {options.size}", flush=True)
    with tempfile.TemporaryDirectory(prefix="log-judge-") as place, KafkaTools(Path(place) / "tools.log") as tools:
        judgement = Judgement(tools, options)
        for name, part in PARTS.items():
            if options.only in (None, name):
                part(judgement)
        if options.only is None:
            for names, pattern, _ in judgement.known.unused():
                judgement.report.add("FAIL", "known-complaints", names, 0.0, f"no longer seen: {pattern}")
    code = judgement.report.finish()
    print("PASS" if code == 0 else "FAIL", f"log-judge: {judgement.report.count('ok')} of {len(judgement.report.rows)} rows, seed {options.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main())
