//! Why a log refuses. One enum per operation; mapping to Kafka's error codes is the server's.

use std::path::PathBuf;

use barnabas_records::{BatchError, RecordError};
use barnabas_types::Offset;

use crate::fs::IoError;
use crate::producer::SequenceError;
use crate::text::TextFileError;

/// A log that cannot be opened. Nothing of it was changed that a later attempt would miss.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Producers could not be replayed from the batches.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A checkpoint of the partition is malformed.
    #[error(transparent)]
    Text(#[from] TextFileError),
    /// A batch that was durable is damaged: cutting here would lose acknowledged records.
    #[error(
        "{} is damaged at byte {position} (offset {offset}), below offset {recovery_point} up to which it was synced: {error}; \
         restore the partition's directory from a replica or a backup, or accept the loss of all records from {offset} on by \
         lowering the partition's line in recovery-point-offset-checkpoint",
        path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the damaged batch starts.
        position: u64,
        /// The offset that is expected there.
        offset: Offset,
        /// Up to where the log was synced.
        recovery_point: Offset,
        /// What is wrong.
        error: BatchError,
    },
    /// A batch of the message formats 0 or 1.
    #[error(
        "{} holds a batch of message format {magic} at byte {position}; only format 2 is supported: \
         let Apache Kafka 3.x rewrite or expire it first",
        path.display()
    )]
    OldFormat {
        /// The segment.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// The format.
        magic: i8,
    },
    /// A segment is larger than a 32-bit position can address.
    #[error("{} has {size} bytes, more than a segment can have (2147483647)", path.display())]
    TooLarge {
        /// The segment.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
}

/// A batch that was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk failed. The log is as it was before.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An earlier sync failed or a change broke off, so that nobody knows what the disk holds.
    #[error("the log is offline since a sync failed or a change broke off; restart the broker once its disk is sound")]
    Offline,
    /// The producer's sequence or epoch does not fit.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The bytes are not whole, sound batches.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A follower was given a batch that does not continue its log.
    #[error("a batch of base offset {base_offset} does not continue a log that ends at {log_end}")]
    NotContinuing {
        /// The batch's base offset.
        base_offset: Offset,
        /// Where the log ends.
        log_end: Offset,
    },
    /// The batch is larger than a segment may be.
    #[error("a batch of {size} bytes does not fit into a segment of {segment_bytes} bytes (segment.bytes)")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The configured limit.
        segment_bytes: u32,
    },
    /// Kafka's offsets end at 2^63 - 1, and each batch's within its base offset plus 2^31 - 1.
    #[error("a batch with last offset delta {last_offset_delta} cannot follow offset {log_end}")]
    OffsetOverflow {
        /// Where the log ends.
        log_end: Offset,
        /// The batch's last offset delta.
        last_offset_delta: i32,
    },
}

/// Records that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The offset is not in the log (Kafka's OFFSET_OUT_OF_RANGE).
    #[error("offset {offset} is not in the log, which holds {log_start} to {log_end}")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// The first offset kept.
        log_start: Offset,
        /// The offset after the last record.
        log_end: Offset,
    },
    /// Compaction has replaced a segment while it was read.
    #[error("a segment was replaced by compaction while it was read; read again")]
    Replaced,
    /// The bytes on disk are not batches any more.
    #[error("{} is damaged at byte {position}: {error}; restore the partition from a replica or a backup", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the damaged batch starts.
        position: u64,
        /// What is wrong.
        error: BatchError,
    },
    /// The records of a batch cannot be read.
    #[error("{}: the batch at byte {position} holds records that cannot be read: {error}", path.display())]
    DamagedRecords {
        /// The segment.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// What is wrong.
        error: RecordError,
    },
}

/// A log that could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The bytes on disk could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An earlier sync failed or a change broke off, so that nobody knows what the disk holds.
    #[error("the log is offline since a sync failed or a change broke off; restart the broker once its disk is sound")]
    Offline,
}
