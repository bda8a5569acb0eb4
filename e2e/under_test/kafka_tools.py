"""Apache Kafka's own tools, many calls in one JVM: the Judge of e2e/kafka, started once and asked again and again.

Compares nothing: what a tool printed is for the caller to judge. Refuses to wait for ever: a call that hangs ends the JVM.
"""

import subprocess
import threading

from under_test import artifacts

CALL_DEADLINE_SECONDS = 120


class KafkaTools:
    """A context manager; `noise` is the file for what the JVM itself says."""

    def __init__(self, noise):
        self.noise = noise

    def __enter__(self):
        command = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.apache.logging.log4j.level=OFF", "-cp", artifacts.judge_class_path(), "Judge"]
        # Messages and times in them must not depend on whose machine this is.
        command[1:1] = ["-Duser.timezone=UTC", "-Duser.language=en", "-Duser.country=US"]
        with open(self.noise, "ab") as noise:
            pipe = subprocess.PIPE
            self.judge = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=noise, text=True, encoding="utf-8", errors="replace")
        return self

    def call(self, name, words, stdin=""):
        """What a tool printed: its output, then `--- stderr` and its errors if there are any, then `--- exit` and its exit code."""
        escaped = stdin.replace("\t", "\\t").replace("\n", "\\n")
        watchdog = threading.Timer(CALL_DEADLINE_SECONDS, self.judge.kill)
        watchdog.start()
        try:
            self.judge.stdin.write("\t".join([name, escaped, *map(str, words)]) + "\n")
            self.judge.stdin.flush()
            lines = []
            for line in self.judge.stdout:
                if line != f"=== {name}\n":
                    lines.append(line)
                if line.startswith("--- exit "):
                    return "".join(lines)
        except BrokenPipeError:
            pass
        finally:
            watchdog.cancel()
        raise EOFError(f"{name}: the JVM of Kafka's tools ended, or was ended after {CALL_DEADLINE_SECONDS} s, before the tool did; see {self.noise}")

    def __exit__(self, *_):
        self.judge.kill()
        self.judge.wait()
