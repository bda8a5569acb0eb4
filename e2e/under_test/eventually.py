"""Calls of librdkafka that it does not repeat by itself: connections and coordinators come back a moment after their server. Repeats
them for a while, and hides no error that lasts.
"""

import time

from confluent_kafka import KafkaException

DEADLINE_SECONDS = 60
PAUSE_SECONDS = 0.05


def eventually(call):
    """The result of the first call that does not raise; after the deadline, what the last one raised."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return call()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
