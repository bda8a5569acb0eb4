"""What has to be shipped. Pulls no image: ours is weighed as it is packed, Apache Kafka's as its jars and the JVM on this machine."""

from rig.brokers import BARNABAS, barnabas_binary, file_bytes, java_home
from rig.row import ONE_POLICY, Measured, Metric, Row
from under_test import artifacts


def image(_rig, side):
    if side.kind == BARNABAS:
        return Measured({"mib": file_bytes(barnabas_binary()) / 2**20})
    jars = sum(file_bytes(path[:-1]) for path in artifacts.judge_class_path().split(":") if path.endswith("/*"))
    java = file_bytes(java_home())
    return Measured({"mib": (jars + java) / 2**20}, details={"jars_bytes": jars, "java_bytes": java})


ROWS = [
    Row(
        "image-size",
        "what an image must hold, uncompressed: our static binary; Apache Kafka's jars and a JVM (both without an operating system)",
        (Metric("mib", "files of the image", "MiB"),),
        image,
        {},
        ONE_POLICY,
        pairs=1,
    )
]
