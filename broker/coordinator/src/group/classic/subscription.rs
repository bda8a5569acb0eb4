//! The one thing that the coordinator reads in a consumer's metadata: the topics it subscribes to. Understands nothing behind them.

use std::collections::BTreeSet;

/// The topics at the head of a ConsumerProtocolSubscription; every version begins as version 0 does: i16 version, i32 count, and
/// per topic an i16 length and UTF-8. None if the bytes are something else.
#[must_use]
pub fn topics(metadata: &[u8]) -> Option<BTreeSet<Box<str>>> {
    let (version, rest) = metadata.split_first_chunk()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk()?;
    let mut topics = BTreeSet::new();
    for _ in 0..u32::try_from(i32::from_be_bytes(*count)).ok()? {
        let (length, tail) = rest.split_first_chunk()?;
        let (topic, tail) = tail.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
        topics.insert(std::str::from_utf8(topic).ok()?.into());
        rest = tail;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::topics;

    /// Version 1, topics `a` and `bc`, then user data and owned partitions that must not matter.
    const SUBSCRIPTION: &[u8] = &[0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 255, 255, 255, 255, 0, 0, 0, 0];

    #[test]
    fn the_topics_of_a_later_version_are_read() {
        let found: Vec<_> = topics(SUBSCRIPTION).unwrap().into_iter().collect();
        assert_eq!(found, ["a".into(), "bc".into()] as [Box<str>; 2]);
    }

    #[test]
    fn every_cut_before_the_end_of_the_topics_is_refused() {
        for end in 0..13 {
            assert_eq!(topics(&SUBSCRIPTION[..end]), None, "cut at {end}");
        }
        assert!(topics(&SUBSCRIPTION[..13]).is_some());
    }

    #[test]
    fn hostile_counts_lengths_and_versions_are_refused() {
        assert_eq!(topics(&[0, 0, 127, 255, 255, 255]), None);
        assert_eq!(topics(&[0, 0, 255, 255, 255, 255]), None);
        assert_eq!(topics(&[0, 0, 0, 0, 0, 1, 255, 255]), None);
        assert_eq!(topics(&[255, 255, 0, 0, 0, 0]), None);
        assert_eq!(topics(&[0, 0, 0, 0, 0, 1, 0, 1, 255]), None);
    }
}
