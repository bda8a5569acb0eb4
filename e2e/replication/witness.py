"""A group of nobody, whose offsets are committed by hand: what its coordinator acknowledged before a fault is what it says after it. Groups that read
commit by themselves, and nobody knows what of that was acknowledged."""

import kill

from under_test.eventually import eventually


class Witness:
    """Refuses to go on after a commit that was acknowledged is not what the coordinator says."""

    def __init__(self, bootstrap, topic):
        self.consumer = kill.Consumer({"bootstrap.servers": bootstrap, "group.id": "witness", "enable.auto.commit": False, "log_level": 0})
        self.topic, self.acknowledged = topic, 0

    def place(self, *offset):
        return kill.TopicPartition(self.topic, 0, *offset)

    def commit(self):
        """The next offset is committed and acknowledged."""
        wanted = self.acknowledged + 1
        eventually(lambda: self.consumer.commit(offsets=[self.place(wanted)], asynchronous=False))
        self.acknowledged = wanted

    def check(self):
        """What is wrong; nothing if nothing."""
        if not self.acknowledged:
            return ""
        said = eventually(lambda: self.consumer.committed([self.place()], kill.DEADLINE_SECONDS))[0].offset
        return "" if said == self.acknowledged else f"offset {self.acknowledged} was committed and acknowledged, and the coordinator says {said}"

    def close(self):
        self.consumer.close()
