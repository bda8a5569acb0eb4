"""What a process costs, from /proc: CPU seconds of all its threads, resident memory. Measures other processes only.

The kernel's share of a process (`system`) holds its system calls and the network's work for them; writing dirty pages to the disk
later is done by threads of the kernel and is in nobody's figures.
"""

import os
import threading
import time
from dataclasses import dataclass

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Cpu:
    """CPU seconds since the process began, threads that ended included."""

    user: float
    system: float

    @property
    def total(self):
        return self.user + self.system

    def __sub__(self, earlier):
        return Cpu(self.user - earlier.user, self.system - earlier.system)


def parse_stat(text):
    """utime and stime of /proc/PID/stat, whose second field may hold spaces and parentheses."""
    fields = text[text.rindex(")") + 2 :].split()
    return Cpu(int(fields[11]) / TICKS_PER_SECOND, int(fields[12]) / TICKS_PER_SECOND)


def parse_status_bytes(text, name):
    """A size of /proc/PID/status or /proc/meminfo, in bytes."""
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no {name} in {text[:40]!r}…")


def read(path):
    with open(path) as file:
        return file.read()


def cpu_of(pid):
    return parse_stat(read(f"/proc/{pid}/stat"))


def run_seconds(pid):
    """CPU of the threads that there are now, to the nanosecond: for what is too short for the ticks of `cpu_of`."""
    return sum(int(read(f"/proc/{pid}/task/{thread}/schedstat").split()[0]) for thread in os.listdir(f"/proc/{pid}/task")) / 1e9


def resident_bytes(pid):
    return parse_status_bytes(read(f"/proc/{pid}/status"), "VmRSS")


def pin(pid, cores):
    """Binds every thread of a process; threads that it starts later inherit it. Answers what was allowed before."""
    before = os.sched_getaffinity(pid)
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(thread), cores)
        except ProcessLookupError:
            continue  # a thread that has ended since
    return before


class Sampler:
    """Follows the CPU seconds of a process, so that those of a window can be told once the window is known.

    The window is only known when the generator has said when its warm-up ended.
    """

    def __init__(self, pid):
        self.pid = pid
        self.samples = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)

    def follow(self):
        while not self.stopping.is_set():
            try:
                self.samples.append((time.time(), cpu_of(self.pid), resident_bytes(self.pid)))
            except (OSError, ValueError):
                return  # the process is gone; whoever runs it says so
            self.stopping.wait(SAMPLE_SECONDS)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def between(self, begin, end):
        """CPU spent in a window of wall time, and the highest resident bytes seen in it."""
        return between(self.samples, begin, end)


def between(samples, begin, end):
    """The difference of the samples nearest to the ends of a window."""
    if len(samples) < 2:
        raise ValueError("the process was not seen long enough to tell what it cost")
    first = min(samples, key=lambda sample: abs(sample[0] - begin))
    last = min(samples, key=lambda sample: abs(sample[0] - end))
    inside = [resident for at, _, resident in samples if first[0] <= at <= last[0]]
    return last[1] - first[1], max(inside)
