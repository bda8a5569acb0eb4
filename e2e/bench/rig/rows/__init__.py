"""All rows, in the order they are measured: first those that share a warm JVM, then those that need brokers of their own."""

from rig.rows import cross_check, image, later, latency, memory, scale, start, throughput

ALL = [*throughput.ROWS, *latency.ROWS, *scale.ROWS, *cross_check.ROWS, *memory.ROWS, *start.ROWS, *image.ROWS, *later.ROWS]
