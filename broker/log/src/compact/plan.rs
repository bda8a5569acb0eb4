//! What of a log is dirty, whether it is time to compact it, and which segments become one. Pure: knows segments by their numbers
//! only and reads nothing.

use std::ops::Range;

use barnabas_types::{Offset, Timestamp};

use crate::LogConfig;

/// No more segments become one at a time: renaming their files happens under the log's lock.
const MOST_SEGMENTS: usize = 64;

/// A sealed segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) base_offset: Offset,
    /// The next segment's base offset.
    pub(super) end_offset: Offset,
    /// Bytes of batches.
    pub(super) size: u64,
    /// Bytes of the offset index and of the time index.
    pub(super) index_bytes: [u64; 2],
    /// The newest record's time, or when the segment was last written if records have none.
    pub(super) newest: Timestamp,
}

/// How many of `segments`, which are all the sealed ones, oldest first, may be compacted: whole ones below `limit`, none from the
/// first dirty one on that holds a record younger than `min.compaction.lag.ms`.
pub(super) fn cleanable(
    segments: &[Facts],
    first_dirty: Offset,
    limit: Offset,
    config: &LogConfig,
    now: Timestamp,
) -> usize {
    let lag = config.min_compaction_lag_ms;
    let too_young =
        |segment: &Facts| lag > 0 && segment.end_offset > first_dirty && segment.newest.0 > now.0.saturating_sub(lag);
    segments.iter().take_while(|segment| segment.end_offset <= limit && !too_young(segment)).count()
}

/// The bytes of `segments` below and from `first_dirty` on; a segment that holds it is dirty.
pub(super) fn bytes(segments: &[Facts], first_dirty: Offset) -> (u64, u64) {
    let sum = |dirty: bool| {
        let wanted = segments.iter().filter(|segment| (segment.end_offset > first_dirty) == dirty);
        wanted.map(|segment| segment.size).sum()
    };
    (sum(false), sum(true))
}

/// Puts neighbours together whose bytes, indexes and offsets fit into one segment, so that what compaction leaves does not end up
/// in ever more, ever smaller files. Index ranges into `segments`, in order, none empty.
pub(super) fn groups(segments: &[Facts], config: &LogConfig) -> Vec<Range<usize>> {
    let most_index_bytes = u64::from(config.segment_index_bytes);
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut size, mut index_bytes, mut base_offset) = (0_u64, [0_u64; 2], Offset(0));
    for (number, segment) in segments.iter().enumerate() {
        let [offsets, times] = index_bytes;
        let [more_offsets, more_times] = segment.index_bytes;
        let joint = [offsets.saturating_add(more_offsets), times.saturating_add(more_times)];
        let last_offset = segment.end_offset.0.saturating_sub(1);
        let fits = size.saturating_add(segment.size) <= u64::from(config.segment_bytes)
            && joint.iter().all(|bytes| *bytes <= most_index_bytes)
            && last_offset.saturating_sub(base_offset.0) <= i64::from(i32::MAX);
        match groups.last_mut().filter(|group| fits && group.len() < MOST_SEGMENTS) {
            Some(group) => {
                group.end = number + 1;
                (size, index_bytes) = (size.saturating_add(segment.size), joint);
            }
            None => {
                groups.push(number..number + 1);
                (size, index_bytes, base_offset) = (segment.size, segment.index_bytes, segment.base_offset);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of 100 offsets each with these sizes; the newest record of number n is of time 1000 n.
    fn segments(sizes: &[u64]) -> Vec<Facts> {
        let segment = |(number, size): (usize, &u64)| {
            let base = number as i64 * 100;
            let newest = Timestamp(number as i64 * 1000);
            Facts {
                base_offset: Offset(base),
                end_offset: Offset(base + 100),
                size: *size,
                index_bytes: [8, 12],
                newest,
            }
        };
        sizes.iter().enumerate().map(segment).collect()
    }

    #[test]
    fn only_whole_segments_below_the_limit_may_be_compacted() {
        let (segments, config) = (segments(&[10; 5]), LogConfig::default());
        for (limit, expected) in [(0, 0), (99, 0), (100, 1), (399, 3), (400, 4), (1000, 5)] {
            let found = cleanable(&segments, Offset(0), Offset(limit), &config, Timestamp(0));
            assert_eq!(found, expected, "{limit}");
        }
    }

    #[test]
    fn a_segment_with_a_young_record_stops_the_pass_unless_it_was_compacted_before() {
        let segments = segments(&[10; 5]);
        let config = LogConfig { min_compaction_lag_ms: 1500, ..LogConfig::default() };
        let found = |first_dirty, now| cleanable(&segments, Offset(first_dirty), Offset(500), &config, Timestamp(now));
        assert_eq!(found(0, 4000), 3, "2000 is old enough, 3000 is not");
        assert_eq!(found(0, 4500), 4, "exactly as old as it must be");
        assert_eq!(found(0, 10_000), 5);
        assert_eq!(found(400, 4000), 4);
        assert_eq!(found(0, 0), 0);
    }

    #[test]
    fn the_segment_that_holds_the_first_dirty_offset_counts_as_dirty() {
        let segments = segments(&[1, 2, 4, 8]);
        for (first_dirty, expected) in [(0, (0, 15)), (99, (0, 15)), (100, (1, 14)), (399, (7, 8)), (400, (15, 0))] {
            assert_eq!(bytes(&segments, Offset(first_dirty)), expected, "{first_dirty}");
        }
    }

    #[test]
    fn neighbours_join_while_bytes_and_indexes_fit() {
        let config = LogConfig { segment_bytes: 100, ..LogConfig::default() };
        assert_eq!(groups(&segments(&[]), &config), []);
        assert_eq!(groups(&segments(&[60, 40, 1, 99, 200, 0]), &config), [0..2, 2..4, 4..5, 5..6]);
        let config = LogConfig { segment_index_bytes: 24, ..LogConfig::default() };
        assert_eq!(groups(&segments(&[1; 5]), &config), [0..2, 2..4, 4..5]);
        assert_eq!(groups(&segments(&[1; 100]), &LogConfig::default()), [0..64, 64..100]);
    }

    #[test]
    fn a_group_spans_no_more_offsets_than_an_index_can_say() {
        let mut segments = segments(&[1, 1, 1]);
        segments[1].end_offset = Offset(1 << 31);
        segments[2] = Facts { base_offset: Offset(1 << 31), end_offset: Offset((1 << 31) + 1), ..segments[2] };
        assert_eq!(groups(&segments, &LogConfig::default()), [0..2, 2..3]);
        segments[1].end_offset = Offset((1 << 31) + 1);
        assert_eq!(groups(&segments, &LogConfig::default()), [0..1, 1..3]);
    }
}
