//! A batch as it lies in memory: header decoded once, everything else borrowed. Decompresses nothing and builds no record.

use std::iter::FusedIterator;

use crate::header::{BATCH_HEADER_BYTES, BatchError, BatchHeader, CRC_FROM, crc32c};

/// One whole batch, borrowed from a frame, a file's bytes or a buffer.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The batch at the front of `bytes`, which may go on behind it. Checks magic and lengths, not the CRC.
    ///
    /// # Errors
    /// [`BatchError::Truncated`], [`BatchError::Length`], [`BatchError::Magic`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        Self::parse_at(bytes, 0)
    }

    fn parse_at(bytes: &'a [u8], position: usize) -> Result<Self, BatchError> {
        let header = BatchHeader::parse_at(bytes, position)?;
        let needed = header.size_bytes();
        match bytes.get(..needed) {
            Some(bytes) => Ok(Self { header, bytes }),
            None => Err(BatchError::Truncated { position, needed, available: bytes.len() }),
        }
    }

    /// The decoded header.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch, header and records.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records as they are stored, compressed where the header says so.
    #[must_use]
    pub fn stored_records(&self) -> &'a [u8] {
        self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default()
    }

    /// Compares the CRC in the header with that of the contents.
    ///
    /// # Errors
    /// [`BatchError::Crc`].
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c(self.bytes.get(CRC_FROM..).unwrap_or_default());
        let stored = self.header.crc;
        if computed == stored {
            return Ok(());
        }
        Err(BatchError::Crc { base_offset: self.header.base_offset, stored, computed })
    }
}

/// The batches that lie back to back in `bytes`, as in a segment, a Produce request or a Fetch response.
#[must_use]
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes, position: 0 }
}

/// Iterator over batches; ends after the first error, because nothing tells where the next batch would start.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    position: usize,
}

impl Batches<'_> {
    /// Bytes of the whole batches handed out so far: where the next one starts, or where the torn tail begins.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = BatchView::parse_at(self.rest, self.position);
        match &parsed {
            Ok(batch) => {
                self.rest = self.rest.get(batch.bytes.len()..).unwrap_or_default();
                self.position += batch.bytes.len();
            }
            Err(_) => self.rest = &[],
        }
        Some(parsed)
    }
}

impl FusedIterator for Batches<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{Attributes, Codec, MAGIC_V2, TimestampType};
    use barnabas_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

    fn batch(base_offset: i64, records: &[u8]) -> Vec<u8> {
        let mut header = BatchHeader {
            base_offset: Offset(base_offset),
            batch_length: 49 + records.len() as i32,
            partition_leader_epoch: LeaderEpoch(7),
            crc: 0,
            attributes: Attributes::default().with_codec(Codec::Zstd).with_transactional(true),
            last_offset_delta: 2,
            base_timestamp: Timestamp(1_000),
            max_timestamp: Timestamp(1_002),
            producer_id: ProducerId(9),
            producer_epoch: ProducerEpoch(1),
            base_sequence: i32::MAX - 1,
            record_count: 3,
        };
        header.refresh_crc(records);
        [header.encode().as_slice(), records].concat()
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let bytes = batch(40, b"records");
        let view = BatchView::parse(&bytes).unwrap();
        let header = view.header();
        assert_eq!(header.encode(), bytes[..61]);
        assert_eq!(
            (header.base_offset, header.last_offset(), header.next_offset()),
            (Offset(40), Offset(42), Offset(43))
        );
        assert_eq!(header.codec(), Ok(Codec::Zstd));
        assert!(header.attributes.is_transactional() && !header.attributes.is_control());
        assert_eq!(header.attributes.timestamp_type(), TimestampType::CreateTime);
        assert_eq!(header.last_sequence(), 0, "sequences wrap to 0");
        assert_eq!(view.stored_records(), b"records");
        view.check_crc().unwrap();
    }

    #[test]
    fn batches_follow_each_other_until_the_bytes_end() {
        let bytes = [batch(0, b"a"), batch(3, b""), batch(6, b"ccc")].concat();
        let mut iterator = batches(&bytes);
        let offsets: Vec<i64> = iterator.by_ref().map(|batch| batch.unwrap().header().base_offset.0).collect();
        assert_eq!(offsets, [0, 3, 6]);
        assert_eq!(iterator.position(), bytes.len());
    }

    #[test]
    fn a_torn_tail_is_an_error_at_its_position_and_ends_the_iteration() {
        let first = batch(0, b"whole");
        let second = batch(3, b"torn");
        for cut in 1..second.len() {
            let bytes = [first.as_slice(), &second[..cut]].concat();
            let mut iterator = batches(&bytes);
            assert!(iterator.next().unwrap().is_ok());
            let error = iterator.next().unwrap().unwrap_err();
            assert!(
                matches!(error, BatchError::Truncated { position, .. } if position == first.len()),
                "{cut}: {error}"
            );
            assert!(iterator.next().is_none());
            assert_eq!(iterator.position(), first.len());
        }
    }

    #[test]
    fn every_flipped_bit_behind_the_crc_is_noticed() {
        let good = batch(0, b"payload");
        for bit in 17 * 8..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(BatchView::parse(&bad).unwrap().check_crc().is_err(), "bit {bit}");
        }
    }

    #[test]
    fn old_magics_are_named_even_when_the_message_is_shorter_than_a_header() {
        for magic in [0, 1, 3, -1] {
            let mut bytes = vec![0; 26];
            bytes[16] = i8::to_be_bytes(magic)[0];
            assert_eq!(BatchView::parse(&bytes).unwrap_err(), BatchError::Magic { position: 0, magic });
        }
        assert_eq!(MAGIC_V2, 2);
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for length in [i32::MIN, -1, 0, 48, i32::MAX - 11, i32::MAX] {
            let mut bytes = batch(0, b"");
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            assert_eq!(BatchView::parse(&bytes).unwrap_err(), BatchError::Length { position: 0, length });
        }
    }
}
