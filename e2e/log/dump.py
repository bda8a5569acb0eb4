"""Apache Kafka's DumpLogSegments over the directory of a partition: what it complains of, and the records that it shows.

Its exit code says little: it prints what it finds wrong on standard error and goes on, prints `isvalid: false` and `invalid bytes`
among the records, and passes over records that its decoders cannot read. So every line of its output must be of a form that is known
to be good; all others are complaints, but for the rows of known-complaints.tsv. Refuses to judge the records: whoever knows what was
written compares.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTITION_DIRECTORY = re.compile(r"(.+)-(\d+)")
# What the tool prints of sound files. Payloads stand at the end of a record's line and hold no line breaks here.
GOOD = re.compile(
    r"Dumping .*|Log starting offset: \d+|Snapshot end offset: \d+, epoch: \d+|KRaft bootstrap snapshot"
    r"|baseOffset: .* isvalid: true|\| offset: \d+ .*|.*index is empty\.|.*index passed sanity check\."
    r"|producerId: \d+ producerEpoch: .*|version: 0 producerId: \d+ firstOffset: .*"
)
# What the decoders write in place of a record that they cannot read.
UNDECODED = re.compile(r"(key: (Error at offset|Unknown record type)|payload: Error at) ")
DECODERS = {
    "__consumer_offsets": "--offsets-decoder",
    "__transaction_state": "--transaction-log-decoder",
    "__cluster_metadata": "--cluster-metadata-decoder",
}


@dataclass
class Dump:
    """`complaints`: lines of the tool that are not known to be harmless. `batches`: its lines for batches and for control records.
    `records`: its line for each data record, by offset."""

    complaints: list = field(default_factory=list)
    batches: list = field(default_factory=list)
    records: dict = field(default_factory=dict)


class KnownComplaints:
    """Rows: partition directory (a pattern over label/name), line (a pattern over the whole line), reason."""

    def __init__(self):
        lines = (HERE / "known-complaints.tsv").read_text().splitlines()
        self.rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
        self.used = set()

    def known(self, name, line):
        found = [number for number, (names, pattern, _) in enumerate(self.rows) if re.fullmatch(names, name) and re.fullmatch(pattern, line)]
        self.used.update(found)
        return bool(found)

    def unused(self):
        """The rows that matched nothing, though they should have."""
        return [row for number, row in enumerate(self.rows) if number not in self.used and not row[2].startswith("now and then")]


def partition_directories(*log_directories):
    """The directories of partitions in log directories, in the order of their names."""
    found = [path for data in log_directories for path in Path(data).iterdir() if path.is_dir() and PARTITION_DIRECTORY.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name)


def topic_of(directory):
    return PARTITION_DIRECTORY.fullmatch(directory.name)[1]


def dump(tools, label, directory, known):
    """All three ways of the tool over one directory of a stopped broker; `label` says where the directory comes from."""
    name = f"{label}/{directory.name}"
    result = Dump()
    files = {suffix: sorted(directory.glob(f"*{suffix}")) for suffix in (".log", ".snapshot", ".txnindex", ".checkpoint", ".index", ".timeindex")}
    result.complaints += missing(files)
    decoder = [DECODERS[topic_of(directory)]] if topic_of(directory) in DECODERS else []
    snapshots = files[".checkpoint"] if topic_of(directory) == "__cluster_metadata" else []
    contents = files[".log"] + snapshots + files[".snapshot"] + files[".txnindex"]
    shown = call(tools, contents, "--deep-iteration", "--print-data-log", *decoder)
    # Not the sanity check of an index file whose log is missing: the tool would make one.
    indexes = files[".index"] + files[".timeindex"] if not result.complaints else []
    texts = [shown] + [call(tools, indexes, how) for how in ("--index-sanity-check", "--verify-index-only") if indexes]
    for text in texts:
        found = (line.replace(str(directory), directory.name) for line in complaints(text))
        result.complaints += [line for line in found if not known.known(name, line)]
    result.batches, result.records = batches_and_records(shown)
    return result


def missing(files):
    """Every segment has both indexes once the broker has stopped."""
    if not files[".log"]:
        return ["there is no segment"]
    wanted = [path.with_suffix(suffix) for path in files[".log"] for suffix in (".index", ".timeindex")]
    return [f"{path.name} is missing" for path in wanted if not path.exists()]


def call(tools, files, *options):
    return tools.call("dump", ["dump-log", "--files", ",".join(map(str, files)), *options])


def complaints(text):
    """The lines that are not of a good form: all of standard error among them."""
    out, _, errors = text.partition("--- stderr\n")
    found = [line for line in out.splitlines() if line != "--- exit 0" and (not GOOD.fullmatch(line) or UNDECODED.search(line))]
    return [line[:300] for line in found + [line for line in errors.splitlines() if line != "--- exit 0"]]


def batches_and_records(text):
    """The lines of batches and control records; and the lines of data records without their sequence, by offset. A record that is shown
    twice is there with both lines."""
    batches, records = [], {}
    for line in text.splitlines():
        if line.startswith("baseOffset: "):
            batches.append(line)
        elif line.startswith("| offset: ") and " isControl: true " in batches[-1]:
            batches.append(line)
        elif line.startswith("| offset: "):
            offset = int(line.split(" ", 3)[2])
            line = re.sub(r" sequence: -?\d+", "", line, count=1)
            records[offset] = line if offset not in records else f"{records[offset]} and {line}"
    return batches, records
