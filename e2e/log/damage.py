"""Damages a copy of a partition's directory in one way each, to show that the judge notices. Refuses to touch what it was not given
to spoil: callers hand it a copy.
"""

import struct


def batches(log):
    """Position and length of each batch of a segment."""
    contents, found, position = log.read_bytes(), [], 0
    while position + 12 <= len(contents):
        length = 12 + struct.unpack_from(">i", contents, position + 8)[0]
        found.append((position, length))
        position += length
    return found


def log_of(directory):
    """The segment with the most batches."""
    return max(sorted(directory.glob("*.log")), key=lambda log: len(batches(log)))


def rewrite(path, change):
    contents = bytearray(path.read_bytes())
    changed = change(contents)
    path.write_bytes(contents if changed is None else changed)


def first(directory, suffix, least_bytes=1):
    """The first file with this suffix and enough in it."""
    return next(path for path in sorted(directory.glob(f"*{suffix}")) if path.stat().st_size >= least_bytes)


def flip(contents, position, random):
    contents[position] ^= 1 << random.randrange(8)


def record_byte(directory, random):
    log = log_of(directory)
    position, length = random.choice(batches(log))
    rewrite(log, lambda contents: flip(contents, position + random.randrange(61, length), random))


def base_offset(directory, random):
    """Outside of what the CRC covers."""
    log = log_of(directory)
    position, _ = random.choice(batches(log)[1:])
    rewrite(log, lambda contents: flip(contents, position + 7, random))


def batch_gone(directory, random):
    log = log_of(directory)
    position, length = random.choice(batches(log)[1:-1])
    rewrite(log, lambda contents: contents[:position] + contents[position + length :])


def batch_twice(directory, random):
    log = log_of(directory)
    position, length = random.choice(batches(log))
    rewrite(log, lambda contents: contents[: position + length] + contents[position:])


def torn_tail(directory, random):
    log = log_of(directory)
    position, length = random.choice(batches(log))
    rewrite(log, lambda contents: contents + contents[position : position + random.randrange(1, length)])


def zeros_behind(directory, random):
    rewrite(log_of(directory), lambda contents: contents + bytes(random.randrange(17, 5000)))


def index_position(directory, random):
    index = first(directory, ".index", 16)
    entry = random.randrange(1, index.stat().st_size // 8)
    rewrite(index, lambda contents: flip(contents, entry * 8 + 7, random))


def index_offset(directory, random):
    index = first(directory, ".index", 16)
    entry = random.randrange(1, index.stat().st_size // 8)
    rewrite(index, lambda contents: flip(contents, entry * 8 + 3, random))


def index_cut(directory, random):
    rewrite(first(directory, ".index", 16), lambda contents: contents[: -random.randrange(1, 8)])


def index_gone(directory, random):
    random.choice(sorted(directory.glob("*.index"))).unlink()


def time_index_timestamp(directory, random):
    index = first(directory, ".timeindex", 24)
    entry = random.randrange(1, index.stat().st_size // 12)
    rewrite(index, lambda contents: flip(contents, entry * 12 + 6, random))


def time_index_cut(directory, random):
    rewrite(first(directory, ".timeindex", 24), lambda contents: contents[: -random.randrange(1, 12)])


def producer_snapshot(directory, random):
    snapshot = first(directory, ".snapshot", 20)
    rewrite(snapshot, lambda contents: flip(contents, random.randrange(2, len(contents)), random))


def undecodable(directory, random):
    """A record's type that no decoder knows, in a batch whose CRC says that it is as it was written."""
    log = log_of(directory)
    position, length = random.choice([each for each in batches(log) if log.read_bytes()[each[0] + 22] == 0])
    contents = bytearray(log.read_bytes())
    # Length, attributes, timestamp and offset deltas, key length: a varint each; then the type, two bytes.
    at = position + 61
    for _ in range(5):
        while contents[at] & 0x80:
            at += 1
        at += 1
    contents[at : at + 2] = b"\x7f\x7f"
    struct.pack_into(">I", contents, position + 17, crc32c(contents[position + 21 : position + length]))
    log.write_bytes(contents)


def crc32c(contents):
    """Castagnoli's CRC, bit by bit: for one batch of a test."""
    crc = 0xFFFFFFFF
    for byte in contents:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# Partition, what is done to it.
DAMAGES = [
    *(("codec-none-0", damage) for damage in (record_byte, base_offset, batch_gone, batch_twice, torn_tail, zeros_behind)),
    *(("codec-none-0", damage) for damage in (index_position, index_offset, index_cut, index_gone)),
    *(("codec-none-0", damage) for damage in (time_index_timestamp, time_index_cut, producer_snapshot)),
    ("codec-zstd-0", record_byte),
    ("__cluster_metadata-0", record_byte),
    ("__consumer_offsets", batch_gone),
    ("__consumer_offsets", record_byte),
    ("__consumer_offsets", undecodable),
]
