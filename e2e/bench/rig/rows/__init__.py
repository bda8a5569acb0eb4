"""All rows, in the order they are measured: first those that share a warm JVM, then those that need brokers of their own."""

from rig.rows import image, memory, start

ALL = [*memory.ROWS, *start.ROWS, *image.ROWS]
