"""A producer of numbered records and a consumer of them in a group, by librdkafka with its own defaults; the producer is idempotent, which is no
default of librdkafka's. Says on standard output what came of each record (client.py has the lines), judges nothing. Standard input: "stop"
ends the producing, "end" or its end everything.
"""

import argparse
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

LARGEST_VALUE = 600
FLUSH_SECONDS = 300


class Load:
    def __init__(self, options):
        self.options = options
        self.stopping, self.ending = threading.Event(), threading.Event()
        self.lines, self.lock = [], threading.Lock()

    def say(self, line):
        with self.lock:
            self.lines.append(line)

    def show(self):
        with self.lock:
            taken, self.lines = self.lines, []
        if taken:
            sys.stdout.write("\n".join(taken) + "\n")
            sys.stdout.flush()

    def produce(self):
        """One record to each partition in turn, so many times a second."""
        settings = {"bootstrap.servers": self.options.bootstrap, "enable.idempotence": True, "log_level": 0, "error_cb": self.told}
        producer, sizes, number = Producer(settings), random.Random(self.options.seed), 0
        due = time.monotonic()
        while not self.stopping.is_set():
            for partition in range(self.options.partitions):
                self.send(producer, partition, number, b"v" * sizes.randrange(LARGEST_VALUE))
            number += 1
            due = max(due + 1 / self.options.rate, time.monotonic() - 1)
            producer.poll(max(due - time.monotonic(), 0))
            left = due - time.monotonic()
            if left > 0:
                time.sleep(left)
        unsent = producer.flush(FLUSH_SECONDS)
        if unsent:
            self.say(f"failed -1 {number} {unsent} records without an answer {FLUSH_SECONDS} s after the last was sent")
        for partition in range(self.options.partitions):
            self.say(f"done {partition} {number}")

    def send(self, producer, partition, number, value):
        sent = time.monotonic_ns()

        def delivered(error, message):
            if error is None:
                self.say(f"acked {partition} {number} {message.offset()} {sent} {time.monotonic_ns()}")
            else:
                self.say(f"failed {partition} {number} {error}")

        while not self.ending.is_set():
            try:
                return producer.produce(self.options.topic, value, b"%d" % number, partition, on_delivery=delivered)
            except BufferError:
                producer.poll(0.01)
            except KafkaException as error:
                return self.say(f"failed {partition} {number} {error}")

    def told(self, error):
        """What librdkafka tells of connections is for information, unless it is the end of the client."""
        if error.code() == KafkaError._FATAL or error.fatal():
            self.say(f"failed -1 -1 {error}")

    def consume(self):
        settings = {"bootstrap.servers": self.options.bootstrap, "group.id": self.options.group, "auto.offset.reset": "earliest", "log_level": 0}
        consumer = Consumer(settings)
        consumer.subscribe(
            [self.options.topic],
            on_assign=lambda _, partitions: self.say(f"assigned {len(partitions)}"),
            on_revoke=lambda _, partitions: self.say(f"revoked {len(partitions)}"),
        )
        while not self.ending.is_set():
            try:
                for message in consumer.consume(500, 0.02):
                    if message.error():
                        self.say(f"consumer-error {message.error()}")
                    else:
                        self.say(f"read {message.partition()} {message.offset()} {message.key().decode()} {time.monotonic_ns()}")
            except (KafkaException, RuntimeError) as error:
                self.say(f"consumer-error {error}")
                break
        consumer.close()

    def obey(self):
        for line in sys.stdin:
            self.stopping.set()
            if line.strip() == "end":
                break
        self.stopping.set()
        self.ending.set()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("bootstrap", "topic", "group"):
        arguments.add_argument(f"--{name}", required=True)
    for name in ("partitions", "rate", "seed"):
        arguments.add_argument(f"--{name}", required=True, type=int)
    load = Load(arguments.parse_args())
    threading.Thread(target=load.obey, daemon=True).start()
    working = [threading.Thread(target=work, daemon=True) for work in (load.produce, load.consume)]
    for thread in working:
        thread.start()
    while any(thread.is_alive() for thread in working):
        load.show()
        time.sleep(0.005)
    load.show()


if __name__ == "__main__":
    main()
