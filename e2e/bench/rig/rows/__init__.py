"""All rows, in the order they are measured: first those that share a warm JVM, then those that need brokers of their own. A disk that
was just written to as fast as it takes it answers late for many seconds, so that latencies come before whatever fills it.
"""

from rig.rows import cross_check, image, later, latency, memory, replication, scale, start, throughput

LOADED = [*latency.ALONE, *throughput.AT_A_RATE, *scale.ROWS, *latency.BESIDE_LOAD, *throughput.SATURATED]
ALL = [*LOADED, *cross_check.ROWS, *memory.ROWS, *start.ROWS, *replication.ROWS, *image.ROWS, *later.ROWS]
