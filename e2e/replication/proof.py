"""How a proof of this directory begins and ends: its options, the name spaces and the seed, Apache Kafka's tools, the report and the verdict.

Knows no fault. A run that breaks off is a failure like any other, and what it had found until then is told.
"""

import argparse
import contextlib
import os
import tempfile

import stage
from client import commands

from under_test import wire
from under_test.kafka_tools import KafkaTools
from under_test.report import Report


def parser(doc, rate, keeps):
    """With the options that all of them have; `keeps` is what --keep is about."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--rate", type=int, default=rate, help=f"records a second to each of the four partitions [default: {rate}]")
    parser.add_argument("--directory", help="where the nodes' logs lie [default: a new one under TMPDIR]")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", help=f"where to keep the directories of {keeps} that fails")
    return parser


class Proof:
    """`with Proof(name, options, title, kinds) as proof`: in the name spaces, seeded, with `tools`, a `report` and a place for files."""

    def __init__(self, name, options, title, kinds):
        self.name, self.options, self.kinds = name, options, kinds
        commands()
        stage.enter(name, kinds, options.seed)
        options.seed = int(os.environ[stage.SEED])
        self.report = Report(title)
        self.open = contextlib.ExitStack()

    def __enter__(self):
        place = tempfile.TemporaryDirectory(prefix=f"{self.name}-", dir=self.options.directory, ignore_cleanup_errors=True)
        self.place = self.open.enter_context(place)
        self.tools = self.open.enter_context(KafkaTools(f"{self.place}/tools.log"))
        return self

    def __exit__(self, *error):
        return self.open.__exit__(*error)

    @contextlib.contextmanager
    def told(self, what, keep=lambda: None):
        """What ends the block is a failure of `what`; then `keep` is called."""
        try:
            yield
        except (RuntimeError, TimeoutError, OSError, wire.Refused) as error:
            self.report.add("FAIL", what, "broke off", 0.0, f"{type(error).__name__}: {error}")
            keep()

    def verdict(self, size):
        """Tells what was found; the exit code."""
        code = self.report.finish()
        print("PASS" if code == 0 else "FAIL", f"{self.name}: {size}")
        return code
