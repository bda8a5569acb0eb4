"""Turns a good frame into a bad one. Pure: the same random numbers give the same bytes.

Frames that make partitions are damaged only where that cannot ask for more of them: what is looked for is a server that breaks,
not one that does as it is told.
"""

import struct

MAKE_PARTITIONS = {19, 37}
EXTREMES = [-1, 0, -(1 << 31), (1 << 31) - 1, -(1 << 31) + 1, (1 << 31) - 2]
HUGE_VARINT = b"\xff\xff\xff\xff\x0f"
ENDLESS_VARINT = b"\xff" * 12


def framed(body):
    return struct.pack(">i", len(body)) + body


def truncated(body, random):
    """Shorter, and the length says so."""
    return framed(body[: random.randrange(len(body))])


def cut_off(body, random):
    """Shorter than its length says; the rest never comes."""
    return framed(body)[: random.randrange(4, 4 + len(body))]


def wrong_length(body, random):
    """A length that has nothing to do with what follows."""
    length = random.choice([-1, -(1 << 31), 0, 1, 3, (1 << 31) - 1, len(body) - 1, len(body) + 1, 1 << 24, random.getrandbits(31)])
    return struct.pack(">i", length) + body


def flipped(body, random):
    """A few bits turned over."""
    body = bytearray(body)
    for _ in range(random.randrange(1, 9)):
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    return framed(bytes(body))


def extreme(body, random):
    """An extreme number over four bytes: lengths and counts become negative or huge."""
    at = random.randrange(max(1, len(body) - 4))
    return framed(body[:at] + struct.pack(">i", random.choice(EXTREMES)) + body[at + 4 :])


def varint(body, random):
    """A huge or endless varint in place of a byte."""
    at = random.randrange(8, len(body)) if len(body) > 8 else 0
    return framed(body[:at] + random.choice([HUGE_VARINT, ENDLESS_VARINT]) + body[at + 1 :])


def grown(body, random):
    """Random bytes put in somewhere."""
    at = random.randrange(len(body))
    return framed(body[:at] + random.randbytes(random.randrange(1, 200)) + body[at:])


def shrunk(body, random):
    """A piece taken out."""
    at = random.randrange(len(body))
    return framed(body[:at] + body[at + random.randrange(1, 20) :])


def spliced(body, random, other):
    """The beginning of one frame and the end of another."""
    return framed(body[: random.randrange(len(body))] + other[random.randrange(len(other)) :])


def other_version(body, random):
    """Another version of the API, known or not: the bytes no longer mean what they did."""
    return framed(body[:2] + struct.pack(">h", random.choice([random.randrange(20), -1, 99, 32767])) + body[4:])


def other_api(body, random):
    """Another API, known or not."""
    return framed(struct.pack(">h", random.choice([random.randrange(95), -1, 999, 32767])) + body[2:])


def trailing(body, random):
    """Bytes after the end of the message."""
    return framed(body + random.randbytes(random.randrange(1, 50)))


def noise(_, random):
    """No frame at all: random bytes, or another protocol's first words."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)
    return random.choice([random.randbytes(random.randrange(1, 300)), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", hello, b"\x05\x01\x00"])


HARMLESS = [truncated, cut_off, wrong_length, trailing, noise]
ALL = [*HARMLESS, flipped, flipped, flipped, extreme, extreme, varint, grown, shrunk, other_version, other_api]


def mutant(frames, random):
    """One bad frame: the name of what was done to it, the bytes to send."""
    body = random.choice(frames)
    makes_partitions = struct.unpack_from(">h", body)[0] in MAKE_PARTITIONS
    if not makes_partitions and random.random() < 0.05:
        other = random.choice([frame for frame in frames if struct.unpack_from(">h", frame)[0] not in MAKE_PARTITIONS])
        return "spliced", spliced(body, random, other)
    damage = random.choice(HARMLESS if makes_partitions else ALL)
    data = damage(body, random)
    # Another API's key over these bytes must not make partitions either.
    if damage is other_api and struct.unpack_from(">h", data, 4)[0] in MAKE_PARTITIONS:
        return "other_api", framed(struct.pack(">h", 999) + body[2:])
    return damage.__name__, data
