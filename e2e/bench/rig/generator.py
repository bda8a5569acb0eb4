"""The load: `barnabas perf`, one process for each kind of load, and what its JSON says. Generates nothing itself."""

import json
import subprocess
import time
from pathlib import Path

from rig.brokers import barnabas_binary

# How long after its own duration a generator may take to begin and to end.
GRACE_SECONDS = 60


def words_of(flags):
    """Command-line words: True stands alone, None and False are left out."""
    words = []
    for name, value in flags.items():
        if value is not None and value is not False:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


class Generator:
    """A generator at work. `result` waits for its end."""

    def __init__(self, rig, broker, command, flags):
        self.flags = {"warm_up_seconds": rig.run_in_seconds, "duration_seconds": rig.run_in_seconds + rig.measured_seconds, **flags}
        self.output = Path(broker.directory) / f"perf-{time.monotonic_ns()}.json"
        self.errors = self.output.with_suffix(".err")
        self.words = [str(barnabas_binary()), "perf", command, "--bootstrap-server", broker.bootstrap, *words_of(self.flags)]
        with open(self.errors, "wb") as errors:
            command = [*self.words, "--output", "json", str(self.output), "--quiet"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)

    def result(self):
        """What it measured. An end with errors, or none at all, is a failure of the row."""
        try:
            code = self.process.wait(self.flags["duration_seconds"] + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            raise RuntimeError(f"still running {GRACE_SECONDS} s after its time: {self.described()}")
        if code != 0:
            raise RuntimeError(f"exit code {code}: {self.described()}")
        report = json.loads(self.output.read_text())
        report["ended_at"] = self.output.stat().st_mtime
        return report

    def described(self):
        tail = self.errors.read_text(errors="replace").strip()[-600:]
        return f"{' '.join(self.words[1:])}\n{tail}"

    def stop(self):
        """Ends it early; a load that only made noise has no result to give."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


def window_of(report):
    """The measured part of a run as wall time: it ends when the last answer came, just before the report was written."""
    return report["ended_at"] - report["measured_seconds"], report["ended_at"]
