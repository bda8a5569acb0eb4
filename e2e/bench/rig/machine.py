"""The machine: what it is, and memory that has been touched.

On a virtual machine a page of memory costs ten times as much the first time it is touched, and a page that is freed is taken back by
the host within seconds. A run that writes files would measure that instead of the broker. So before each run a pool of memory is
touched and held, and while the run goes on it is given back a little at a time, just ahead of what the page cache takes.
"""

import mmap
import os
import platform
import resource
import shutil
import subprocess
import threading
import time
from pathlib import Path

from rig.process import parse_status_bytes, read

CHUNK_BYTES = 16 << 20
MADV_HUGEPAGE, MADV_POPULATE_WRITE = 14, 23
# How much released memory lies ready for the page cache while a run goes on.
AHEAD_BYTES = 256 << 20
# What the pool never takes, so that nothing is pushed out of memory for it.
SPARE_BYTES = 1 << 30
FEED_SECONDS = 0.02


def describe(directory):
    """What a reader needs to judge the figures: cores, model, kernel, memory, disk."""
    text = read("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    disk = subprocess.run(["df", "--output=source,fstype,size", "-h", str(directory)], capture_output=True, text=True)
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()
    return {
        "cores": os.cpu_count(),
        "model": models[0] if models else platform.machine(),
        "kernel": platform.release(),
        "memory_gib": round(parse_status_bytes(read("/proc/meminfo"), "MemTotal") / 2**30, 1),
        "disk": " ".join(disk.stdout.splitlines()[-1].split()) if disk.returncode == 0 else "unknown",
        "free_gib": shutil.disk_usage(directory).free // 2**30,
        "java": java[0] if java else "none",
        "load_before": round(os.getloadavg()[0], 2),
        "dirty_background_ratio": read("/proc/sys/vm/dirty_background_ratio").strip(),
    }


def available_bytes():
    return parse_status_bytes(read("/proc/meminfo"), "MemAvailable")


def own_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Pool:
    """Touched memory, held and fed to the page cache: `with pool.feeding(): …`."""

    def __init__(self):
        self.chunks = []

    def fill(self, wanted_bytes):
        """Touches up to `wanted_bytes` and holds them; answers (bytes held, CPU seconds per GiB that touching took)."""
        room = min(wanted_bytes - len(self.chunks) * CHUNK_BYTES, available_bytes() - SPARE_BYTES)
        before, touched = own_cpu_seconds(), 0
        while touched + CHUNK_BYTES <= room:
            chunk = mmap.mmap(-1, CHUNK_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            chunk.madvise(MADV_HUGEPAGE)
            try:
                chunk.madvise(MADV_POPULATE_WRITE)
            except OSError:  # before Linux 5.14
                chunk.write(b"\1" * CHUNK_BYTES)
            self.chunks.append(chunk)
            touched += CHUNK_BYTES
        spent = own_cpu_seconds() - before
        return len(self.chunks) * CHUNK_BYTES, spent / (touched / 2**30) if touched else 0.0

    def warm(self, wanted_bytes):
        """Fills the pool until touching is cheap: memory that was touched, freed and touched again is surely backed."""
        held, first = self.fill(wanted_bytes)
        self.empty()
        held, again = self.fill(wanted_bytes)
        return {"held_mib": held >> 20, "first_touch_cpu_s_per_gib": round(first, 2), "touch_cpu_s_per_gib": round(again, 2)}

    def release(self, count):
        for _ in range(min(count, len(self.chunks))):
            self.chunks.pop().close()

    def empty(self):
        self.release(len(self.chunks))

    def feeding(self):
        return Feeder(self)


class Feeder:
    """Gives chunks of a pool back just ahead of what the page cache takes, which is seen in the growth of `Cached`."""

    def __init__(self, pool):
        self.pool = pool
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.feed, daemon=True)

    def feed(self):
        begin, released = cached_bytes(), 0
        while not self.stopping.is_set():
            wanted = cached_bytes() - begin + AHEAD_BYTES
            if wanted > released:
                chunks = -(-(wanted - released) // CHUNK_BYTES)
                self.pool.release(chunks)
                released += chunks * CHUNK_BYTES
            self.stopping.wait(FEED_SECONDS)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        self.pool.empty()


def cached_bytes():
    return parse_status_bytes(read("/proc/meminfo"), "Cached")


def evict(directory):
    """Writes the files below a directory to the disk and drops them from the page cache, without a right to more than the files."""
    for path in Path(directory).rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fdatasync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)


def settle(seconds):
    """Lets what the last run left behind, dirty pages above all, come to rest."""
    os.sync()
    time.sleep(seconds)
