//! The time index: the largest timestamp up to some batch, and that batch's last offset. Timestamps grow from entry to entry.

use barnabas_types::{Offset, Timestamp};

use super::index::Entry;

/// One entry: i64 timestamp, i32 relative offset, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// The largest timestamp so far.
    pub(crate) timestamp: i64,
    /// Last offset of the batch that holds it, less the segment's base offset.
    pub(crate) relative_offset: u32,
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (timestamp, offset) = bytes.split_first_chunk()?;
        Some(Self {
            timestamp: i64::from_be_bytes(*timestamp),
            relative_offset: u32::from_be_bytes(offset.try_into().ok()?),
        })
    }
}

/// The newest record of a segment: largest timestamp, and the last offset of the first batch that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// -1 when no record has a timestamp.
    pub(crate) timestamp: Timestamp,
    /// Last offset of the batch.
    pub(crate) offset: Offset,
}
