"""Records what real clients send: request frames of every API and version that they use, into frames.txt.

The clients and Apache Kafka's tools run against Apache Kafka through a proxy that listens where the server says it is. Kept are
the smallest frames of each API and version; their topics are kept too, so that a test can make them and put their ids right.
"""

import argparse
import importlib.machinery
import importlib.util
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from under_test.server import Server, free_port

HERE = Path(__file__).resolve().parent
FRAMES = HERE / "frames.txt"
FRAMES_OF_EACH = 2
LARGEST_FRAME = 3000


class Recorder:
    """A proxy on a port of its own; sorts the requests that pass by API key and version."""

    def __init__(self, port, upstream):
        self.upstream = upstream
        self.frames = {}
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.upstream))
            threading.Thread(target=self.pump, args=(client, server, bytearray()), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, None), daemon=True).start()

    def pump(self, source, sink, seen):
        try:
            while data := source.recv(65536):
                if seen is not None:
                    seen += data
                    self.keep(seen)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def keep(self, seen):
        while len(seen) >= 4 and len(seen) >= 4 + struct.unpack_from(">i", seen)[0]:
            (length,) = struct.unpack_from(">i", seen)
            frame = bytes(seen[4 : 4 + length])
            del seen[: 4 + length]
            kept = self.frames.setdefault(struct.unpack_from(">hh", frame), [])
            if length <= LARGEST_FRAME and frame[8:] not in [other[8:] for other in kept]:
                kept.append(frame)
                kept.sort(key=len)
                del kept[FRAMES_OF_EACH:]


def tools_runner():
    loader = importlib.machinery.SourceFileLoader("kafka_tools", str(HERE.parent / "kafka" / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kafka_tools", loader))
    sys.modules["kafka_tools"] = module
    loader.exec_module(module)
    return module


def topic_lines(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [name for name in admin.list_topics(timeout=30).topics if not name.startswith("__")]
    for future in admin.describe_topics(TopicCollection(names)).values():
        topic = future.result(30)
        ids = struct.pack(">QQ", topic.topic_id.get_most_significant_bits() & (2**64 - 1), topic.topic_id.get_least_significant_bits() & (2**64 - 1))
        yield f"topic {topic.name} {len(topic.partitions)} {ids.hex()}"


def spoken_of(line, frames):
    _, name, _, topic_id = line.split()
    return name.encode() in frames or bytes.fromhex(topic_id) in frames


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    port = free_port()
    with Server("apache", {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}"}) as server:
        recorder = Recorder(port, server.port)
        server.bootstrap = f"127.0.0.1:{port}"
        subprocess.run([str(HERE.parent / "clients" / "run"), "--bootstrap", server.bootstrap], check=False)
        tools = tools_runner()
        tools.run_judge([step for step in tools.read_steps() if step.phase == "online"], server)
        frames = b"".join(frame for kept in recorder.frames.values() for frame in kept)
        lines = sorted(line for line in topic_lines(server.bootstrap) if spoken_of(line, frames))
    for (key, version), frames in sorted(recorder.frames.items()):
        lines += [f"frame {key} {version} {frame.hex()}" for frame in frames]
    head = "# Recorded by `e2e/fault/run record`: topics (name, partitions, id) and request frames (API key, version, bytes after the length).\n"
    FRAMES.write_text(head + "\n".join(lines) + "\n")
    print(f"{len(recorder.frames)} APIs and versions, {sum(map(len, recorder.frames.values()))} frames, {FRAMES.stat().st_size} bytes")


main()
