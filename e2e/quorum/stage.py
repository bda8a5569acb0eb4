"""How each program of this directory begins: artifacts are made while there is a network to get them from, then it goes on in name
spaces of its own. SKIPPED, in plain words, where a machine has none.
"""

import os
import random
import subprocess
import sys

import network
from under_test import artifacts

SEED = "BARNABAS_QUORUM_SEED"


def enter(name, kinds, seed=None):
    """Returns in the name spaces, with chance seeded; ends the program where there are none."""
    if not os.environ.get(network.MARK):
        reason = network.can_be_apart()
        if reason:
            print(f"SKIPPED {name}: {reason}\n0 passed, 0 failed, 1 skipped")
            sys.exit(0)
        artifacts.judge_class_path()
        if "barnabas" in kinds:
            os.environ["BARNABAS_BINARY"] = str(artifacts.barnabas_binary())
        os.environ[SEED] = str(random.randrange(1 << 32) if seed is None else seed)
    network.apart()
    random.seed(int(os.environ[SEED]))
    print(f"seed {os.environ[SEED]}", flush=True)


def keep(cluster, place):
    """After a failure: the nodes' logs and directories, and how their connections stand, where --keep says."""
    if place:
        os.makedirs(place, exist_ok=True)
        for node in cluster.nodes.values():
            with open(node.directory / "connections", "w") as said:
                subprocess.run(cluster.network.enter(node.node, ["ss", "-tnio"]), stdout=said, check=False)
        os.system(f"cp -a --sparse=always {cluster.directory} {place}/")
        print(f"kept in {place}", flush=True)
