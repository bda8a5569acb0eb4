"""A disk whose power can be cut: an image in an XFS that lends it to a loop device, and a copy of it at one instant.

What the copy holds is what the disk had completed at that instant. It stands for a disk that keeps what it has completed; one that loses
its own cache as well is not played. Needs loop devices and mounts, and says so where they are not allowed.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

SIZE_BYTES = 2 << 30  # both images are sparse: they take what is written
OUTER_BYTES = 8 << 30
FICLONE = 0x40049409  # what `cp --reflink=always` calls
SECTOR_BYTES = 4096  # a copied image can be written directly in such pieces only
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-s", f"size={SECTOR_BYTES}"]}
DEADLINE_SECONDS = 30
CANNOT = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENODEV}  # the machine will not; anything else is a failure


class NotAllowed(Exception):
    """This machine does not let us build such a disk."""


def run(*command):
    """The command's output; RuntimeError with what it said when it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} exited {done.returncode}: {done.stdout.strip()[-500:]}")
    return done.stdout.strip()


def mount(image, place, direct=False, options="defaults"):
    """Mounts the file system in `image`; its loop device goes away with the mount."""
    try:
        device = run("losetup", "--find", "--show", *(["--direct-io=on", "--sector-size", SECTOR_BYTES] if direct else []), image)
        try:
            if direct and run("losetup", "--list", "--noheadings", "--output", "DIO", device).strip() != "1":
                raise NotAllowed(f"{device} does not write to {image} directly, so that a copy would hold what no disk had")
            run("mount", "-o", options, device, place)
        finally:
            run("losetup", "--detach", device)
    except RuntimeError as error:
        raise NotAllowed(str(error)) from error


def unmount(place):
    """Unmounts; a process that has just died may hold it for a moment."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return run("umount", place)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def freeze(process):
    """Stops every thread of `process`, except those that wait for the disk, which stop when they come back from it."""
    os.kill(process.pid, signal.SIGSTOP)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        states = set()
        for stat in Path(f"/proc/{process.pid}/task").glob("*/stat"):
            states.add(stat.read_text().rpartition(")")[2].split()[0])
        if "T" in states and states <= {"T", "D"}:
            return
    raise RuntimeError(f"process {process.pid} did not stop within {DEADLINE_SECONDS} s")


class Disk:
    """A mounted file system of `kind` in `directory`; `place` is where."""

    def __init__(self, kind, directory):
        self.kind = kind
        self.directory = Path(directory)
        self.outer = self.directory / "outer"
        self.place = self.directory / "disk"
        self.image, self.copy = self.outer / "disk.img", self.outer / "cut.img"
        self.mounted = []

    def __enter__(self):
        try:
            self.build()
        except OSError as error:
            self.__exit__()
            if error.errno in CANNOT:
                raise NotAllowed(str(error)) from error
            raise
        except (RuntimeError, NotAllowed):
            self.__exit__()
            raise
        return self

    def build(self):
        for place in (self.outer, self.place):
            place.mkdir(parents=True)
        image = self.directory / "outer.img"
        self.make(image, OUTER_BYTES, ["mkfs.xfs", "-q", "-m", "reflink=1"])
        # Without discard the copies of all cuts would stay in the image.
        mount(image, self.outer, options="discard,noatime")
        self.mounted.append(self.outer)
        self.make(self.image, SIZE_BYTES, MAKE[self.kind])
        mount(self.image, self.place, direct=True)
        self.mounted.append(self.place)
        self.clone()

    def make(self, image, size_bytes, command):
        with open(image, "wb") as file:
            file.truncate(size_bytes)
        run(*command, image)

    def clone(self):
        with open(self.image, "rb") as source, open(self.copy, "wb") as target:
            fcntl.ioctl(target, FICLONE, source.fileno())

    def cut(self, process):
        """Cuts the power under `process`, which writes here. The disk is mounted again when this returns, as the cut left it."""
        cut_together([(self, process)])

    def put_back(self):
        """Mounts what the copy holds in the place of the disk, to which nobody writes any more."""
        unmount(self.place)
        self.mounted.remove(self.place)
        os.replace(self.copy, self.image)
        try:
            mount(self.image, self.place, direct=True)
        except NotAllowed as error:
            raise RuntimeError(f"the disk of before the cut cannot be mounted again: {error}") from error
        self.mounted.append(self.place)

    def __exit__(self, *_):
        for place in reversed(self.mounted):
            unmount(place)
        shutil.rmtree(self.directory, ignore_errors=True)


def cut_together(pairs):
    """Cuts the power under all processes at once, each of which writes to the disk beside it in `pairs`.

    Whoever was answered before the copies was answered by a process that then stopped: no answer is given after the first copy.
    """
    for _, process in pairs:
        freeze(process)
    for disk, _ in pairs:
        disk.clone()
    for _, process in pairs:
        process.kill()
        process.wait()
    for disk, _ in pairs:
        disk.put_back()


def unshare_mounts():
    """Gives this process and its children mounts of their own, which go away with them."""
    CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNS) != 0 or library.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise NotAllowed(f"no mounts of its own: {os.strerror(ctypes.get_errno())}")
