"""What the metadata log says happened to brokers and partitions, as Apache Kafka's own dump tool reads it. For whatever kind of server wrote it."""

import json
import re
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

LOG = "__cluster_metadata-0"


HEADER_BYTES = 12  # of a batch, up to the end of its length


def whole_batches(data):
    """What a node that goes on writing has written so far: without room that was taken ahead, and without a batch that is not whole yet."""
    at = 0
    while at + HEADER_BYTES <= len(data):
        (length,) = struct.unpack_from(">i", data, at + 8)
        if length <= 0 or at + HEADER_BYTES + length > len(data):
            break
        at += HEADER_BYTES + length
    return data[:at]


@dataclass
class Happened:
    fenced: list = field(default_factory=list)  # brokers, once for each time
    led_anew: list = field(default_factory=list)  # partitions that got another leader, or none
    isr_changes: int = 0
    unclean: list = field(default_factory=list)  # partitions that were given to a replica that was not in sync
    records: int = 0


def since(tools, node, offset):
    """What happened from `offset` on, by the log of `node`."""
    with tempfile.TemporaryDirectory(prefix="metadata-log-") as place:
        files = []
        for segment in sorted((node.data / LOG).glob("*.log")):
            copied = Path(place) / segment.name
            copied.write_bytes(whole_batches(segment.read_bytes()))
            files.append(str(copied))
        if not files:
            raise RuntimeError(f"node {node.node} has no metadata log in {node.data}")
        text = tools.call("dump", ["dump-log", "--files", ",".join(files), "--deep-iteration", "--cluster-metadata-decoder"])
    if not text.endswith("--- exit 0\n"):
        raise RuntimeError(f"the dump tool complains of the metadata log of node {node.node}:\n{text[-2000:]}")
    happened, found = Happened(), re.findall(r"offset: (\d+) .* payload: (\{.*\})$", text, re.MULTILINE)
    if not found:
        raise RuntimeError(f"the dump tool printed no record of the metadata log of node {node.node}:\n{text[:2000]}")
    for at, payload in found:
        if int(at) >= offset:
            take(happened, json.loads(payload))
    return happened


def take(happened, record):
    kind, data = record["type"], record["data"]
    happened.records += 1
    if kind == "FENCE_BROKER_RECORD" or (kind == "BROKER_REGISTRATION_CHANGE_RECORD" and data.get("fenced") == 1):
        happened.fenced.append(data.get("brokerId", data.get("id")))
    elif kind == "PARTITION_CHANGE_RECORD":
        name = f"{data['topicId']}-{data['partitionId']}"
        if data.get("leader", -2) != -2:
            happened.led_anew.append(name)
        if data.get("isr") is not None:
            happened.isr_changes += 1
        if data.get("leaderRecoveryState") == 1:
            happened.unclean.append(name)
