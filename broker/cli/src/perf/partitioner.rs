//! Which partition a key belongs to: Kafka's murmur2, as its producer's default partitioner counts. Spreads no records without keys.

const MIX: u32 = 0x5bd1_e995;

/// The hash of Kafka's clients. Its seed is part of the contract: another one sends a key to another partition.
pub fn murmur2(bytes: &[u8]) -> u32 {
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut value = u32::from_le_bytes(*word).wrapping_mul(MIX);
        value ^= value >> 24;
        hash = hash.wrapping_mul(MIX) ^ value.wrapping_mul(MIX);
    }
    if !tail.is_empty() {
        let value = tail.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        hash = (hash ^ value).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ hash >> 15
}

/// The partition of `key` among `partitions`, 0 when there are none.
pub fn partition_of(key: &[u8], partitions: usize) -> usize {
    let positive = (murmur2(key) & 0x7fff_ffff) as usize;
    positive.checked_rem(partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_kafkas_clients() {
        // Values that Kafka's own clients give.
        let known = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_partition_is_always_one_that_exists() {
        for number in 0..1_000_u64 {
            assert!(partition_of(&number.to_be_bytes(), 7) < 7);
        }
        assert_eq!(partition_of(b"key", 0), 0);
    }
}
