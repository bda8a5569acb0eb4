//! Builds one batch out of records: for what the broker writes itself (metadata, coordinator state, control records) and
//! for clients. Never used to pass on what a producer sent; that goes to the log as it came.

use barnabas_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::compression::{CompressError, Compression, compress};
use crate::header::{
    Attributes, BATCH_HEADER_BYTES, BatchError, BatchHeader, LENGTH_PREFIX_BYTES, NO_SEQUENCE, TimestampType,
};
use crate::record::Header;
use crate::varint::{put_varint, put_varlong, varlong_bytes};

/// Why a batch cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A batch holds at least one record.
    #[error("a batch without records cannot be built")]
    Empty,
    /// The batch would pass what its 32-bit length can say.
    #[error("a batch of {size_bytes} bytes cannot be built, at most 2147483647 fit")]
    TooLarge {
        /// The size it would have.
        size_bytes: usize,
    },
    /// Offsets in a batch grow, and by less than 2^31.
    #[error("offset {offset} cannot follow offset {last_offset} in a batch that begins at {base_offset}")]
    OffsetOrder {
        /// The refused offset.
        offset: Offset,
        /// The last accepted offset.
        last_offset: Offset,
        /// The batch's base offset.
        base_offset: Offset,
    },
    /// The codec refused.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

/// Collects records. Offsets are given in order from the base offset on unless [`BatchBuilder::append_at`] says otherwise.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    compression: Compression,
    log_append_time: Option<Timestamp>,
    /// What the batch says its last offset is, whichever records it holds.
    last_offset_delta: Option<i32>,
    records: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch that begins at `base_offset`, without a producer, in no leader epoch.
    #[must_use]
    pub fn new(base_offset: Offset, compression: Compression) -> Self {
        let header = BatchHeader {
            base_offset,
            batch_length: 0,
            partition_leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::default().with_codec(compression.codec()),
            last_offset_delta: -1,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(-1),
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        };
        Self { header, compression, log_append_time: None, last_offset_delta: None, records: Vec::new() }
    }

    /// A batch in place of the one with `header`, for compaction: some of that one's records at their old offsets, and its first
    /// and last offset, sequences, producer, epoch, codec and flags. With a `delete_horizon` it says from when on its tombstones
    /// may go (KIP-534).
    ///
    /// # Errors
    /// [`BatchError::Codec`].
    pub fn in_place_of(header: &BatchHeader, delete_horizon: Option<Timestamp>) -> Result<Self, BatchError> {
        let is_append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        Ok(Self {
            header: BatchHeader {
                attributes: header.attributes.with_delete_horizon(delete_horizon.is_some()),
                base_timestamp: delete_horizon.unwrap_or(Timestamp::NONE),
                max_timestamp: Timestamp::NONE,
                last_offset_delta: -1,
                record_count: 0,
                ..*header
            },
            compression: Compression::of(header.codec()?),
            log_append_time: is_append_time.then_some(header.max_timestamp),
            last_offset_delta: Some(header.last_offset_delta),
            records: Vec::new(),
        })
    }

    /// Sets the epoch of the leader that appends.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> Self {
        self.header.partition_leader_epoch = epoch;
        self
    }

    /// Makes the batch an idempotent producer's.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.with_transactional(true);
        self
    }

    /// Makes the batch one of control records.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.header.attributes = self.header.attributes.with_control(true);
        self
    }

    /// Gives every record the broker's time instead of its own.
    #[must_use]
    pub fn log_append_time(mut self, now: Timestamp) -> Self {
        self.log_append_time = Some(now);
        self
    }

    /// True before the first record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Records so far.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Bytes of the batch before compression.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.records.len()
    }

    /// The offset that [`BatchBuilder::append`] gives next.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.header.next_offset()
    }

    /// Adds a record at the next offset, and says which that was.
    ///
    /// # Errors
    /// [`BuildError::OffsetOrder`] after 2^31 offsets, [`BuildError::TooLarge`].
    pub fn append(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<Offset, BuildError> {
        let offset = self.next_offset();
        self.append_at(offset, timestamp, key, value, headers)?;
        Ok(offset)
    }

    /// Adds a record at `offset`, which may leave out some, as compaction does.
    ///
    /// # Errors
    /// [`BuildError::OffsetOrder`], [`BuildError::TooLarge`]; the batch is as it was.
    pub fn append_at(
        &mut self,
        offset: Offset,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BuildError> {
        let offset_delta = self.offset_delta(offset)?;
        let is_base = self.is_empty() && !self.header.attributes.has_delete_horizon();
        let base_timestamp = if is_base { timestamp } else { self.header.base_timestamp };
        let timestamp_delta = timestamp.0.wrapping_sub(base_timestamp.0);
        let body_bytes = body_bytes(timestamp_delta, offset_delta, key, value, headers);
        // The record's length prefix takes up to five bytes.
        let size_bytes = self.size_bytes().saturating_add(body_bytes).saturating_add(5);
        let length = i32::try_from(size_bytes).and_then(|_| i32::try_from(body_bytes));
        let length = length.map_err(|_| BuildError::TooLarge { size_bytes })?;

        self.header.base_timestamp = base_timestamp;
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        let output = &mut self.records;
        output.reserve(body_bytes + 5);
        put_varint(output, length);
        output.push(0);
        put_varlong(output, timestamp_delta);
        put_varint(output, offset_delta);
        put_bytes(output, key);
        put_bytes(output, value);
        put_varint(output, headers.len() as i32);
        for header in headers {
            put_bytes(output, Some(header.key));
            put_bytes(output, header.value);
        }
        Ok(())
    }

    fn offset_delta(&self, offset: Offset) -> Result<i32, BuildError> {
        let (base_offset, last_offset) = (self.header.base_offset, self.header.last_offset());
        let delta = offset.0.checked_sub(base_offset.0).and_then(|delta| i32::try_from(delta).ok());
        // The record count is an i32 too, so that the last delta must leave room for counting it.
        match delta {
            Some(delta) if delta > self.header.last_offset_delta && delta < i32::MAX => Ok(delta),
            _ => Err(BuildError::OffsetOrder { offset, last_offset, base_offset }),
        }
    }

    /// Compresses the records and puts the header in front.
    ///
    /// # Errors
    /// [`BuildError::Empty`], [`BuildError::Compress`], [`BuildError::TooLarge`].
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        if self.is_empty() {
            return Err(BuildError::Empty);
        }
        let mut header = self.header;
        let records = match self.compression {
            Compression::None => self.records,
            compression => compress(compression, &self.records)?,
        };
        let size_bytes = BATCH_HEADER_BYTES + records.len();
        header.batch_length =
            i32::try_from(size_bytes - LENGTH_PREFIX_BYTES).map_err(|_| BuildError::TooLarge { size_bytes })?;
        if let Some(now) = self.log_append_time {
            header.set_log_append_time(now);
        }
        header.last_offset_delta = self.last_offset_delta.unwrap_or(header.last_offset_delta);
        header.refresh_crc(&records);
        let mut batch = Vec::with_capacity(size_bytes);
        batch.extend_from_slice(&header.encode());
        batch.extend_from_slice(&records);
        Ok(batch)
    }
}

fn body_bytes(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
) -> usize {
    let mut bytes = 1 + varlong_bytes(timestamp_delta) + varlong_bytes(i64::from(offset_delta));
    bytes = bytes.saturating_add(field_bytes(key)).saturating_add(field_bytes(value));
    bytes += varlong_bytes(headers.len() as i64);
    for header in headers {
        bytes = bytes.saturating_add(field_bytes(Some(header.key))).saturating_add(field_bytes(header.value));
    }
    bytes
}

fn field_bytes(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varlong_bytes(bytes.len() as i64).saturating_add(bytes.len()))
}

/// Writes a field whose length was checked to fit the batch, and so an `i32`.
fn put_bytes(output: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(bytes) => {
            put_varint(output, bytes.len() as i32);
            output.extend_from_slice(bytes);
        }
        None => put_varint(output, -1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchView, Codec, DecompressLimits, Records};

    fn original(compression: Compression, append_time: bool) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset(100), compression)
            .leader_epoch(LeaderEpoch(7))
            .producer(ProducerId(9), ProducerEpoch(4), 50)
            .transactional();
        for index in 0..4 {
            builder.append(Timestamp(1000 + index), Some(&[index as u8]), Some(b"value"), &[]).unwrap();
        }
        if append_time { builder.log_append_time(Timestamp(5000)) } else { builder }.build().unwrap()
    }

    #[test]
    fn a_batch_in_place_of_another_keeps_all_but_the_records_left_out() {
        for (compression, append_time) in [(Compression::None, false), (Compression::Zstd { level: 3 }, true)] {
            let bytes = original(compression, append_time);
            let before = BatchView::parse(&bytes).unwrap();
            let mut builder = BatchBuilder::in_place_of(before.header(), Some(Timestamp(90_000))).unwrap();
            let mut records = Records::new(&before, DecompressLimits::default()).unwrap();
            while let Some(record) = records.next().unwrap() {
                if record.offset.0 == 102 {
                    builder.append_at(record.offset, record.timestamp, record.key, record.value, &[]).unwrap();
                }
            }
            let bytes = builder.build().unwrap();
            let after = BatchView::parse(&bytes).unwrap();
            after.check_crc().unwrap();
            let (before, header) = (before.header(), after.header());
            assert_eq!((header.base_offset, header.last_offset()), (Offset(100), Offset(103)));
            assert_eq!((header.base_sequence, header.last_sequence(), header.record_count), (50, 53, 1));
            assert_eq!((header.partition_leader_epoch, header.producer_id), (LeaderEpoch(7), ProducerId(9)));
            assert_eq!(header.delete_horizon(), Some(Timestamp(90_000)));
            assert_eq!(header.attributes.with_delete_horizon(false), before.attributes);
            let expected = if append_time { Timestamp(5000) } else { Timestamp(1002) };
            assert_eq!(header.max_timestamp, expected);
            let mut records = Records::new(&after, DecompressLimits::default()).unwrap();
            let record = records.next().unwrap().unwrap();
            assert_eq!((record.offset, record.timestamp, record.key), (Offset(102), expected, Some(&[2][..])));
            assert!(records.next().unwrap().is_none());
        }
    }

    #[test]
    fn an_emptied_batch_is_a_header_that_says_what_it_said() {
        let bytes = original(Compression::Lz4, false);
        let before = *BatchView::parse(&bytes).unwrap().header();
        let bytes = before.emptied().encode();
        let after = BatchView::parse(&bytes).unwrap();
        after.check_crc().unwrap();
        assert_eq!((after.bytes().len(), after.header().record_count), (BATCH_HEADER_BYTES, 0));
        assert_eq!(after.header().last_offset(), before.last_offset());
        assert_eq!(after.header().last_sequence(), before.last_sequence());
        assert_eq!(after.header().max_timestamp, before.max_timestamp);
        assert_eq!(after.header().attributes, before.attributes.with_codec(Codec::None));
        assert!(Records::new(&after, DecompressLimits::default()).unwrap().next().unwrap().is_none());
    }
}
