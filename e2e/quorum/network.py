"""The nodes' network: a name space for each node, joined by a bridge, and cuts of any shape between them, in one direction or both.

A cut is a wrong hardware address for the peer: what is sent leaves and reaches nobody, as behind a broken switch, and no side is told.
Touches nothing outside of the name spaces that `apart` makes; when the process in them ends, however it ends, the kernel takes away
processes, interfaces and mounts. Refuses to run outside of them.
"""

import os
import subprocess
import sys

MARK = "BARNABAS_QUORUM_APART"
PREFIX = "10.90.0"


def can_be_apart():
    """Why this machine cannot make name spaces; nothing where it can."""
    probe = "mount -t tmpfs none /mnt && ip netns list >/dev/null && ip link add probe type veth peer name probe2"
    try:
        done = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", probe], capture_output=True, text=True)
    except FileNotFoundError:
        return "there is no unshare (Debian: util-linux)"
    return "" if done.returncode == 0 else f"no network name spaces here (root? iproute2?): {done.stderr.strip()}"


def apart():
    """Runs this program anew in name spaces of its own; returns only in there."""
    if os.environ.get(MARK):
        subprocess.run(["mkdir", "-p", "/run/netns"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=True)
        return
    sys.stdout.flush()
    os.environ[MARK] = "1"
    spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *spaces, sys.executable, *sys.argv])


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


def address(node):
    return f"{PREFIX}.{node}"


def hardware_address(node):
    return f"02:00:00:00:00:{node:02x}"


NOBODY = hardware_address(255)


class Network:
    """`nodes` are numbers from 1 to 250; the program itself is at the bridge and reaches them all, always."""

    def __init__(self, nodes):
        self.nodes = list(nodes)
        self.cuts, self.unplugged = set(), set()
        ip("link", "set", "lo", "up")
        ip("link", "add", "hub", "type", "bridge")
        ip("addr", "add", f"{PREFIX}.254/24", "dev", "hub")
        ip("link", "set", "hub", "up")
        for node in self.nodes:
            space = self.space(node)
            ip("netns", "add", space)
            ip("link", "add", f"port{node}", "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", f"port{node}", "master", "hub", "up")
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "link", "set", "eth0", "address", hardware_address(node), "up")
            ip("-n", space, "addr", "add", f"{address(node)}/24", "dev", "eth0")
        self.apply({(source, target) for source in self.nodes for target in self.nodes if source != target}, hardware_address)

    @staticmethod
    def space(node):
        return f"node{node}"

    def enter(self, node, command):
        """`command` in the name space of a node; its process is the command's own."""
        return ["ip", "netns", "exec", self.space(node), *command]

    def apply(self, links, hardware_address_of):
        """What each source of `links` takes for its target's hardware address from now on."""
        for source in sorted({source for source, _ in links}):
            lines = [
                f"neigh replace {address(target)} lladdr {hardware_address_of(target)} dev eth0 nud permanent\n"
                for at, target in sorted(links)
                if at == source
            ]
            subprocess.run(["ip", "-n", self.space(source), "-batch", "-"], input="".join(lines), text=True, check=True)

    def cut(self, links):
        """Nothing goes from source to target any more, for each pair of `links`."""
        self.apply(set(links), lambda _: NOBODY)
        self.cuts |= set(links)

    def heal(self):
        """Everybody reaches everybody."""
        self.apply(self.cuts, hardware_address)
        self.cuts = set()

    def unplug(self, node):
        """Nothing reaches the node and nothing comes from it, whoever sends: its cable is out."""
        ip("link", "set", f"port{node}", "nomaster")
        self.unplugged.add(node)

    def plug(self):
        """Every cable is in again."""
        for node in self.unplugged:
            ip("link", "set", f"port{node}", "master", "hub")
        self.unplugged = set()

    def close(self):
        """Takes the interfaces away, for a next network of this process."""
        for node in self.nodes:
            subprocess.run(["ip", "netns", "delete", self.space(node)], check=False)
            subprocess.run(["ip", "link", "delete", f"port{node}"], check=False, stderr=subprocess.DEVNULL)
        ip("link", "delete", "hub")
