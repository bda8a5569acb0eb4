"""What the power cuts need of a machine: root, loop devices, and tools for file systems, which are installed from Debian where they are missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = {"mkfs.xfs": "xfsprogs", "mkfs.ext4": "e2fsprogs", "losetup": "mount", "mount": "mount"}


def skip(name, reason):
    print(f"SKIPPED {name}: {reason}\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)


def install(name):
    """Returns where the machine has all of it; else says that `name` is skipped, and why, and ends the program."""
    if os.geteuid() != 0:
        skip(name, "loop devices and mounts need root")
    if not Path("/dev/loop-control").exists():
        skip(name, "there are no loop devices here")
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")})
    if not missing:
        return
    print(f"installing from Debian: {' '.join(missing)}", flush=True)
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            skip(name, f"{' '.join(command)} exited {done.returncode}; install {' '.join(missing)} first")
