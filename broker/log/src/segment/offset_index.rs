//! The offset index: for some batches, the batch's last offset relative to the segment's base, and where the batch starts.

use super::index::Entry;

/// One entry: i32 relative offset, i32 position, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Last offset of the batch less the segment's base offset.
    pub(crate) relative_offset: u32,
    /// Where the batch starts in the segment's file.
    pub(crate) position: u32,
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.relative_offset.to_be_bytes());
        bytes.extend(self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (offset, position) = bytes.split_first_chunk()?;
        Some(Self {
            relative_offset: u32::from_be_bytes(*offset),
            position: u32::from_be_bytes(position.try_into().ok()?),
        })
    }
}
