"""librdkafka as a load generator: a fixed rate of records through its newest Python binding, one JSON object at the end.

Runs in the environment that has the binding. Latency is from when a record was due to its delivery report, as `barnabas perf` counts.
"""

import argparse
import json
import os
import time

from confluent_kafka import Producer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--bootstrap-server", "--topic"):
        parser.add_argument(name, required=True)
    for name in ("--record-size", "--batch-size", "--linger-ms", "--throughput"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--warm-up-seconds", "--duration-seconds"):
        parser.add_argument(name, type=float, required=True)
    options = parser.parse_args()
    producer = Producer({
        "bootstrap.servers": options.bootstrap_server,
        "acks": "all",
        "linger.ms": options.linger_ms,
        "batch.size": options.batch_size,
        "queue.buffering.max.messages": 1_000_000,
    })
    value = os.urandom(options.record_size)
    latencies, failed = [], []
    begin = time.monotonic()
    warm, end = begin + options.warm_up_seconds, begin + options.duration_seconds
    interval, due = 1 / options.throughput, begin

    def delivered(due):
        def report(error, _message):
            if error is not None:
                failed.append(str(error))
            elif due >= warm:
                latencies.append(time.monotonic() - due)

        return report

    while due < end:
        while due <= time.monotonic() and due < end:
            producer.produce(options.topic, value, on_delivery=delivered(due))
            due += interval
        producer.poll(0.0005)
    producer.flush(60)
    took = time.monotonic() - warm
    latencies.sort()
    at = {name: latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1e6 for name, share in (("p50", 0.5), ("p99", 0.99))}
    cpu = time.process_time() / (time.monotonic() - begin)
    print(json.dumps({"records": len(latencies), "measured_seconds": took, "latency_us": at, "failed": failed[:3], "core_fraction": cpu}))


main()
