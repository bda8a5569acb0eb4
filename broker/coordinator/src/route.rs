//! Which partition coordinates a group. Decides nothing about who leads that partition.

/// The partition of `__consumer_offsets` that holds the group, transaction or share key `key`: Java's `String.hashCode`, made
/// non-negative, modulo `partitions`. None if there are no partitions.
#[must_use]
pub fn partition_for(key: &str, partitions: i32) -> Option<i32> {
    let hash = key.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's own absolute value: i32::MIN has none and becomes 0.
    hash.checked_abs().unwrap_or(0).checked_rem(partitions).filter(|_| partitions > 0)
}

#[cfg(test)]
mod tests {
    use super::partition_for;

    #[test]
    fn keys_go_where_java_sends_them() {
        // From jshell: Math.abs("...".hashCode()) % 50.
        for (key, expected) in [("", 0), ("a", 47), ("console-consumer-1", 24), ("grüße-😀", 27)] {
            assert_eq!(partition_for(key, 50), Some(expected), "{key}");
        }
    }

    #[test]
    fn the_smallest_hash_does_not_overflow() {
        assert_eq!(partition_for("polygenelubricants", 50), Some(0));
    }

    #[test]
    fn no_partitions_means_no_coordinator() {
        assert_eq!(partition_for("a", 0), None);
    }
}
