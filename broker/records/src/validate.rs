//! What a broker checks of a batch that a client produces, and what it changes on the way to the log: one pass over the
//! records, streamed through the decompressor, which keeps none of them. Knows nothing of the log, so that sequences
//! against earlier batches, transactions and leadership are checked elsewhere. The first fault refuses the batch whole.

use std::borrow::Cow;
use std::io::BufRead;

use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use crate::compression::{CompressError, Compression, DecompressLimits, Decompressor, recompress};
use crate::header::{BATCH_HEADER_BYTES, BatchError, BatchHeader, Codec, LENGTH_PREFIX_BYTES, TimestampType};
use crate::record::{RecordError, RecordPrefix, at_end, explain};
use crate::varint::{FieldError, FieldReader};
use crate::view::{BatchView, batches};

/// Why a produced batch is refused. Each variant names Kafka's error.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBatch {
    /// CORRUPT_MESSAGE for lengths and CRC, INVALID_RECORD for magic and codec.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// INVALID_RECORD: a partition of a Produce request holds exactly one batch.
    #[error("a partition's records must be exactly one batch, there are {batch_count}")]
    BatchCount {
        /// 0, or 2 for two and more.
        batch_count: usize,
    },
    /// MESSAGE_TOO_LARGE: beyond `max.message.bytes`.
    #[error("the batch has {size_bytes} bytes, max.message.bytes allows {max_bytes}")]
    TooLarge {
        /// The batch's size, after compression where the topic has its own.
        size_bytes: usize,
        /// The topic's limit.
        max_bytes: usize,
    },
    /// INVALID_RECORD: a producer numbers its batches from 0.
    #[error("the batch begins at offset {base_offset}, a produced batch begins at 0")]
    BaseOffset {
        /// The batch's base offset.
        base_offset: Offset,
    },
    /// INVALID_RECORD: no records, or a count that the last offset delta contradicts.
    #[error("the batch declares {record_count} records and a last offset delta of {last_offset_delta}")]
    Count {
        /// Declared records.
        record_count: i32,
        /// Declared last offset delta.
        last_offset_delta: i32,
    },
    /// INVALID_RECORD: a producer id needs a sequence.
    #[error("the batch of an idempotent producer has sequence {base_sequence}")]
    Sequence {
        /// The batch's base sequence.
        base_sequence: i32,
    },
    /// INVALID_RECORD: control records are the brokers'.
    #[error("clients may not write control records")]
    Control,
    /// INVALID_TIMESTAMP: LogAppendTime is the broker's to set.
    #[error("producers may not set the timestamp type LogAppendTime")]
    LogAppendTime,
    /// INVALID_TIMESTAMP: outside `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`.
    #[error("record {record_index} has timestamp {timestamp}, at {now} the topic allows {earliest} to {latest}")]
    Timestamp {
        /// Which record, from 0.
        record_index: i32,
        /// Its timestamp.
        timestamp: Timestamp,
        /// The broker's time.
        now: Timestamp,
        /// The earliest allowed.
        earliest: Timestamp,
        /// The latest allowed.
        latest: Timestamp,
    },
    /// INVALID_RECORD: compaction works by key.
    #[error("record {record_index} has no key, a compacted topic needs one")]
    KeyMissing {
        /// Which record, from 0.
        record_index: i32,
    },
    /// INVALID_RECORD: a producer's offset deltas are 0, 1, 2 and so on.
    #[error("record {record_index} has offset delta {offset_delta}")]
    OffsetDelta {
        /// Which record, from 0, and so the delta that it should have.
        record_index: i32,
        /// The delta that it has.
        offset_delta: i32,
    },
    /// INVALID_RECORD: the records are damaged or decompress beyond the limit.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// UNKNOWN_SERVER_ERROR: the topic's own compression failed.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

impl InvalidBatch {
    /// The record at fault, for the record errors of a Produce response (KIP-467).
    #[must_use]
    pub fn record_index(&self) -> Option<i32> {
        match self {
            Self::Timestamp { record_index, .. }
            | Self::KeyMissing { record_index }
            | Self::OffsetDelta { record_index, .. } => Some(*record_index),
            Self::Record(error) => error.record_index(),
            Self::Batch(_)
            | Self::BatchCount { .. }
            | Self::TooLarge { .. }
            | Self::BaseOffset { .. }
            | Self::Count { .. }
            | Self::Sequence { .. }
            | Self::Control
            | Self::LogAppendTime
            | Self::Compress(_) => None,
        }
    }
}

/// What the topic asks of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendRules {
    /// `max.message.bytes`.
    pub max_batch_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` includes `compact`.
    pub key_required: bool,
    /// `compression.type` where it is not `producer`.
    pub compression: Option<Compression>,
    /// What decompressing one batch may use up.
    pub limits: DecompressLimits,
}

impl Default for AppendRules {
    /// Those of a topic without configuration of its own.
    fn default() -> Self {
        Self {
            max_batch_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            key_required: false,
            compression: None,
            limits: DecompressLimits::default(),
        }
    }
}

/// A batch that may be appended, once base offset and leader epoch are set in its header (both lie outside the CRC).
#[derive(Clone, Debug)]
pub struct ValidBatch<'a> {
    /// The header as it goes to the log.
    pub header: BatchHeader,
    /// The records as they go to the log: the producer's bytes, unless the topic has a codec of its own.
    pub records: Cow<'a, [u8]>,
    /// The highest timestamp, -1 if no record has one.
    pub max_timestamp: Timestamp,
    /// Which record is the first with that timestamp; -1 if none has one, 0 under LogAppendTime.
    pub offset_delta_of_max_timestamp: i32,
}

impl ValidBatch<'_> {
    /// The batch as one piece, at its place in the log.
    #[must_use]
    pub fn to_bytes(&self, base_offset: Offset, partition_leader_epoch: LeaderEpoch) -> Vec<u8> {
        let header = BatchHeader { base_offset, partition_leader_epoch, ..self.header };
        let mut bytes = Vec::with_capacity(BATCH_HEADER_BYTES + self.records.len());
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(&self.records);
        bytes
    }
}

/// The batch of one partition of a Produce request, whose `records` must be just that.
///
/// # Errors
/// [`InvalidBatch::Batch`], [`InvalidBatch::BatchCount`].
pub fn single_batch(records: &[u8]) -> Result<BatchView<'_>, InvalidBatch> {
    let mut batches = batches(records);
    let batch = batches.next().ok_or(InvalidBatch::BatchCount { batch_count: 0 })??;
    match batches.next() {
        None => Ok(batch),
        Some(Ok(_)) => Err(InvalidBatch::BatchCount { batch_count: 2 }),
        Some(Err(error)) => Err(error.into()),
    }
}

/// Checks a produced batch against the topic's rules and prepares it for the log.
///
/// # Errors
/// All of [`InvalidBatch`] but the batch count.
pub fn validate<'a>(
    batch: &BatchView<'a>,
    rules: &AppendRules,
    now: Timestamp,
) -> Result<ValidBatch<'a>, InvalidBatch> {
    check_size(batch.bytes().len(), rules)?;
    batch.check_crc()?;
    check_header(batch.header())?;
    let source_codec = batch.header().codec()?;
    let seen = check_records(batch, source_codec, rules, now)?;

    let mut header = *batch.header();
    let mut records = Cow::Borrowed(batch.stored_records());
    if let Some(compression) = rules.compression
        && compression.codec() != source_codec
    {
        records = Cow::Owned(recompress(source_codec, &records, compression, rules.limits)?);
        let size_bytes = BATCH_HEADER_BYTES + records.len();
        check_size(size_bytes, rules)?;
        header.attributes = header.attributes.with_codec(compression.codec());
        let too_large = InvalidBatch::TooLarge { size_bytes, max_bytes: rules.max_batch_bytes };
        header.batch_length = i32::try_from(size_bytes - LENGTH_PREFIX_BYTES).map_err(|_| too_large)?;
    }
    let (max_timestamp, offset_delta_of_max_timestamp) = match rules.timestamp_type {
        TimestampType::CreateTime => {
            header.max_timestamp = seen.max_timestamp;
            (seen.max_timestamp, seen.offset_delta_of_max_timestamp)
        }
        TimestampType::LogAppendTime => {
            header.set_log_append_time(now);
            (now, 0)
        }
    };
    if header != *batch.header() {
        header.refresh_crc(&records);
    }
    Ok(ValidBatch { header, records, max_timestamp, offset_delta_of_max_timestamp })
}

fn check_size(size_bytes: usize, rules: &AppendRules) -> Result<(), InvalidBatch> {
    let max_bytes = rules.max_batch_bytes;
    if size_bytes > max_bytes { Err(InvalidBatch::TooLarge { size_bytes, max_bytes }) } else { Ok(()) }
}

fn check_header(header: &BatchHeader) -> Result<(), InvalidBatch> {
    let BatchHeader { base_offset, record_count, last_offset_delta, base_sequence, .. } = *header;
    if base_offset.0 != 0 {
        return Err(InvalidBatch::BaseOffset { base_offset });
    }
    if record_count <= 0 || last_offset_delta != record_count - 1 {
        return Err(InvalidBatch::Count { record_count, last_offset_delta });
    }
    if header.has_producer() && base_sequence < 0 {
        return Err(InvalidBatch::Sequence { base_sequence });
    }
    if header.attributes.is_control() {
        return Err(InvalidBatch::Control);
    }
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(InvalidBatch::LogAppendTime);
    }
    Ok(())
}

/// What the pass over the records found out.
struct Seen {
    max_timestamp: Timestamp,
    offset_delta_of_max_timestamp: i32,
}

/// Goes through the records of one batch.
struct Check<'r> {
    header: &'r BatchHeader,
    rules: &'r AppendRules,
    now: Timestamp,
    seen: Seen,
}

/// A field that cannot be read, or a record that may not be there.
enum Fault {
    Field(FieldError),
    Unused(usize),
    Refused(InvalidBatch),
}

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

fn check_records(
    batch: &BatchView<'_>,
    codec: Codec,
    rules: &AppendRules,
    now: Timestamp,
) -> Result<Seen, InvalidBatch> {
    let header = batch.header();
    let seen = Seen { max_timestamp: Timestamp::NONE, offset_delta_of_max_timestamp: -1 };
    let mut check = Check { header, rules, now, seen };
    let record_count = header.record_count;
    let stored = batch.stored_records();
    let all_read = match codec {
        Codec::None => {
            let mut rest = stored;
            for record_index in 0..record_count {
                let outcome = check.record(&mut rest, record_index);
                outcome.map_err(|fault| fault.into_invalid(record_index, RecordError::of_field))?;
            }
            rest.is_empty()
        }
        codec => {
            let stream = Decompressor::new(codec, stored, rules.limits).map_err(RecordError::from)?;
            let mut stream = stream.buffered();
            for record_index in 0..record_count {
                let outcome = check.record(&mut stream, record_index);
                outcome
                    .map_err(|fault| fault.into_invalid(record_index, |error, index| explain(&stream, error, index)))?;
            }
            at_end(&mut stream).map_err(RecordError::from)?
        }
    };
    if !all_read {
        return Err(RecordError::TrailingBytes { record_count }.into());
    }
    Ok(check.seen)
}

impl Fault {
    fn into_invalid(self, record_index: i32, explain: impl Fn(FieldError, i32) -> RecordError) -> InvalidBatch {
        match self {
            Self::Field(error) => explain(error, record_index).into(),
            Self::Unused(unused) => RecordError::RecordTooLong { record_index, unused }.into(),
            Self::Refused(invalid) => invalid,
        }
    }
}

impl Check<'_> {
    /// Reads one record, keeping nothing of it but its times.
    fn record<R: BufRead>(&mut self, source: &mut R, record_index: i32) -> Result<(), Fault> {
        let length = FieldReader::new(source, usize::MAX).length()?;
        let mut fields = FieldReader::new(source, length);
        let prefix = RecordPrefix::read(&mut fields)?;
        let key_bytes = fields.nullable_length()?;
        fields.skip(key_bytes.unwrap_or(0))?;
        let value_bytes = fields.nullable_length()?;
        fields.skip(value_bytes.unwrap_or(0))?;
        for _ in 0..fields.length()? {
            let header_key_bytes = fields.length()?;
            fields.skip(header_key_bytes)?;
            let header_value_bytes = fields.nullable_length()?;
            fields.skip(header_value_bytes.unwrap_or(0))?;
        }
        if fields.left > 0 {
            return Err(Fault::Unused(fields.left));
        }
        self.judge(&prefix, key_bytes.is_some(), record_index).map_err(Fault::Refused)
    }

    fn judge(&mut self, prefix: &RecordPrefix, has_key: bool, record_index: i32) -> Result<(), InvalidBatch> {
        if prefix.offset_delta != record_index {
            return Err(InvalidBatch::OffsetDelta { record_index, offset_delta: prefix.offset_delta });
        }
        if self.rules.key_required && !has_key {
            return Err(InvalidBatch::KeyMissing { record_index });
        }
        let timestamp = prefix.timestamp(self.header);
        if self.rules.timestamp_type == TimestampType::CreateTime && timestamp != Timestamp::NONE {
            let earliest = Timestamp(self.now.0.saturating_sub(self.rules.timestamp_before_max_ms));
            let latest = Timestamp(self.now.0.saturating_add(self.rules.timestamp_after_max_ms));
            if timestamp < earliest || timestamp > latest {
                return Err(InvalidBatch::Timestamp { record_index, timestamp, now: self.now, earliest, latest });
            }
        }
        if timestamp > self.seen.max_timestamp {
            self.seen = Seen { max_timestamp: timestamp, offset_delta_of_max_timestamp: record_index };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
