"""All rows, in the order they are measured: first those that share a warm JVM, then those that need brokers of their own."""

from rig.rows import image, later, latency, memory, scale, start, throughput

ALL = [*throughput.ROWS, *latency.ROWS, *scale.ROWS, *memory.ROWS, *start.ROWS, *image.ROWS, *later.ROWS]
