//! The 61-byte header of a batch: read, check what can be checked without the records, write. Copies nothing but the
//! header itself and trusts no length in it further than the bytes that are really there.

use barnabas_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crc_fast::{CrcAlgorithm, Digest};

/// Bytes of a batch before its records.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes of base offset and batch length, which the batch length does not count.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The only format that is accepted and written.
pub const MAGIC_V2: i8 = 2;
/// The base sequence of a batch without an idempotent producer.
pub const NO_SEQUENCE: i32 = -1;

/// Where the CRC's coverage begins.
pub(crate) const CRC_FROM: usize = 21;
const MAGIC_AT: usize = 16;

/// Why bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header or the batch length ask for. At the end of a log: a torn tail; in a request: corrupt.
    #[error("batch at position {position} needs {needed} bytes, {available} are there")]
    Truncated {
        /// Where the batch starts in the bytes that were given.
        position: usize,
        /// What the batch needs in all.
        needed: usize,
        /// What is there.
        available: usize,
    },
    /// The batch length is smaller than a header, or beyond what an `i32` position can address.
    #[error("batch at position {position} declares a length of {length} bytes, allowed are 49 to 2147483635")]
    Length {
        /// Where the batch starts in the bytes that were given.
        position: usize,
        /// The declared length.
        length: i32,
    },
    /// Message formats 0 and 1, and whatever else is not 2. Kafka's INVALID_RECORD.
    #[error("batch at position {position} has magic {magic}, only 2 is supported: use a client newer than Kafka 0.11")]
    Magic {
        /// Where the batch starts in the bytes that were given.
        position: usize,
        /// The magic byte.
        magic: i8,
    },
    /// The contents are not what the producer or the log wrote. Kafka's CORRUPT_MESSAGE.
    #[error("batch of base offset {base_offset} has CRC {stored:#010x}, its contents have {computed:#010x}")]
    Crc {
        /// The batch's base offset.
        base_offset: Offset,
        /// The CRC in the header.
        stored: u32,
        /// The CRC of the contents.
        computed: u32,
    },
    /// Bits 0-2 of the attributes name no codec. Kafka's INVALID_RECORD.
    #[error("batch of base offset {base_offset} names codec {codec}, known are 0 to 4")]
    Codec {
        /// The batch's base offset.
        base_offset: Offset,
        /// The codec's number.
        codec: u8,
    },
}

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// A gzip stream (RFC 1952).
    Gzip,
    /// Snappy blocks in snappy-java's framing, or one raw block.
    Snappy,
    /// An LZ4 frame.
    Lz4,
    /// A Zstandard frame (KIP-110).
    Zstd,
}

impl Codec {
    /// The number in the attributes.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec of a number, if there is one.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// Kafka's name in DumpLogSegments and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Who set the timestamps of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer, record by record.
    #[default]
    CreateTime,
    /// The broker: the batch's max timestamp is every record's.
    LogAppendTime,
}

/// The attributes of a batch: codec, timestamp type and flags. Unknown bits are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Attributes(pub u16);

impl Attributes {
    const CODEC: u16 = 0b111;
    const LOG_APPEND_TIME: u16 = 1 << 3;
    const TRANSACTIONAL: u16 = 1 << 4;
    const CONTROL: u16 = 1 << 5;
    const DELETE_HORIZON: u16 = 1 << 6;

    /// The codec, or the number that names none.
    pub const fn codec(self) -> Result<Codec, u8> {
        let id = (self.0 & Self::CODEC) as u8;
        match Codec::from_id(id) {
            Some(codec) => Ok(codec),
            None => Err(id),
        }
    }

    /// Who set the timestamps.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// Part of a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// Holds control records, which consumers never see.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// The base timestamp is the time after which compaction may drop tombstones (KIP-534).
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// The same with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !Self::CODEC | codec.id() as u16)
    }

    /// The same with another timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(Self::LOG_APPEND_TIME, matches!(timestamp_type, TimestampType::LogAppendTime))
    }

    /// The same, transactional or not.
    #[must_use]
    pub const fn with_transactional(self, transactional: bool) -> Self {
        self.with(Self::TRANSACTIONAL, transactional)
    }

    /// The same, control or not.
    #[must_use]
    pub const fn with_control(self, control: bool) -> Self {
        self.with(Self::CONTROL, control)
    }

    /// The same, with or without a delete horizon.
    #[must_use]
    pub const fn with_delete_horizon(self, delete_horizon: bool) -> Self {
        self.with(Self::DELETE_HORIZON, delete_horizon)
    }

    const fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }

    const fn with(self, bit: u16, set: bool) -> Self {
        Self(if set { self.0 | bit } else { self.0 & !bit })
    }
}

/// A batch's header, decoded. Changing a field and encoding again is how a header is patched on its way to the log;
/// whatever lies behind the CRC's start needs [`BatchHeader::refresh_crc`] too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; the broker's to set, outside the CRC.
    pub base_offset: Offset,
    /// Bytes after this field: 49 and the records.
    pub batch_length: i32,
    /// Epoch of the leader that appended; the broker's to set, outside the CRC.
    pub partition_leader_epoch: LeaderEpoch,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: Attributes,
    /// Offset of the last record, relative to the base offset; compaction keeps it when it drops records.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from, or the delete horizon.
    pub base_timestamp: Timestamp,
    /// The highest timestamp of the batch.
    pub max_timestamp: Timestamp,
    /// The idempotent producer, -1 without one.
    pub producer_id: ProducerId,
    /// Its epoch, -1 without one.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, -1 without a producer and in control batches.
    pub base_sequence: i32,
    /// How many records follow.
    pub record_count: i32,
}

/// Takes big-endian fields off the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}

/// Puts big-endian fields into a header.
struct Sink<'a>(&'a mut [u8]);

impl Sink<'_> {
    fn put<const N: usize>(&mut self, field: [u8; N]) {
        let bytes = std::mem::take(&mut self.0);
        if let Some((head, rest)) = bytes.split_first_chunk_mut::<N>() {
            *head = field;
            self.0 = rest;
        }
    }
}

impl BatchHeader {
    /// Reads and checks the header at the front of `bytes`: magic and declared length, not the CRC, and not whether the
    /// whole batch is there (that is [`crate::BatchView::parse`]). For a header read on its own, as a log scan does.
    ///
    /// # Errors
    /// [`BatchError::Truncated`], [`BatchError::Length`], [`BatchError::Magic`]; `position` is 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        Self::parse_at(bytes, 0)
    }

    pub(crate) fn parse_at(bytes: &[u8], position: usize) -> Result<Self, BatchError> {
        // The magic is looked at first: what an old client sends may be shorter than a header of today.
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic.cast_signed() != MAGIC_V2
        {
            return Err(BatchError::Magic { position, magic: magic.cast_signed() });
        }
        let header = Self::read(&mut Fields(bytes)).ok_or(BatchError::Truncated {
            position,
            needed: BATCH_HEADER_BYTES,
            available: bytes.len(),
        })?;
        let length = header.batch_length;
        let least = (BATCH_HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32;
        if length < least || length.checked_add(LENGTH_PREFIX_BYTES as i32).is_none() {
            return Err(BatchError::Length { position, length });
        }
        Ok(header)
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let base_offset = Offset(i64::from_be_bytes(fields.take()?));
        let batch_length = i32::from_be_bytes(fields.take()?);
        let partition_leader_epoch = LeaderEpoch(i32::from_be_bytes(fields.take()?));
        let _magic = fields.take::<1>()?;
        Some(Self {
            base_offset,
            batch_length,
            partition_leader_epoch,
            crc: u32::from_be_bytes(fields.take()?),
            attributes: Attributes(u16::from_be_bytes(fields.take()?)),
            last_offset_delta: i32::from_be_bytes(fields.take()?),
            base_timestamp: Timestamp(i64::from_be_bytes(fields.take()?)),
            max_timestamp: Timestamp(i64::from_be_bytes(fields.take()?)),
            producer_id: ProducerId(i64::from_be_bytes(fields.take()?)),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(fields.take()?)),
            base_sequence: i32::from_be_bytes(fields.take()?),
            record_count: i32::from_be_bytes(fields.take()?),
        })
    }

    /// The header as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        let mut sink = Sink(&mut bytes);
        sink.put(self.base_offset.0.to_be_bytes());
        sink.put(self.batch_length.to_be_bytes());
        sink.put(self.partition_leader_epoch.0.to_be_bytes());
        sink.put(MAGIC_V2.to_be_bytes());
        sink.put(self.crc.to_be_bytes());
        sink.put(self.attributes.0.to_be_bytes());
        sink.put(self.last_offset_delta.to_be_bytes());
        sink.put(self.base_timestamp.0.to_be_bytes());
        sink.put(self.max_timestamp.0.to_be_bytes());
        sink.put(self.producer_id.0.to_be_bytes());
        sink.put(self.producer_epoch.0.to_be_bytes());
        sink.put(self.base_sequence.to_be_bytes());
        sink.put(self.record_count.to_be_bytes());
        bytes
    }

    /// Bytes of the whole batch, 61 or more for a header that was parsed.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        usize::try_from(self.batch_length).unwrap_or(0).saturating_add(LENGTH_PREFIX_BYTES)
    }

    /// Offset of the last record. Saturates, so that a hostile delta cannot overflow.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset after the last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// Sequence of the last record. Sequences wrap from `i32::MAX` to 0.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last & i64::from(i32::MAX)) as i32
    }

    /// Written by an idempotent producer.
    #[must_use]
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// [`BatchError::Codec`] where the attributes name none.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        self.attributes.codec().map_err(|codec| BatchError::Codec { base_offset: self.base_offset, codec })
    }

    /// Time after which compaction may drop this batch's tombstones.
    #[must_use]
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// The header that compaction leaves of a batch none of whose records is left: what it says of offsets, sequences and times
    /// stays. It is the whole batch, with its CRC.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let mut header = Self {
            batch_length: (BATCH_HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32,
            attributes: self.attributes.with_codec(Codec::None).with_delete_horizon(false),
            base_timestamp: Timestamp::NONE,
            record_count: 0,
            ..*self
        };
        header.refresh_crc(&[]);
        header
    }

    /// Sets Kafka's LogAppendTime: the type bit and the max timestamp. Needs [`BatchHeader::refresh_crc`] afterwards.
    pub fn set_log_append_time(&mut self, now: Timestamp) {
        self.attributes = self.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self.max_timestamp = now;
    }

    /// Computes the CRC anew over this header and the records as they stand behind it.
    pub fn refresh_crc(&mut self, records: &[u8]) {
        let header = self.encode();
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        digest.update(header.get(CRC_FROM..).unwrap_or_default());
        digest.update(records);
        self.crc = digest.finalize() as u32;
    }
}

/// The CRC-32C of bytes, as a batch, a producer snapshot and a checkpoint carry it.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}
