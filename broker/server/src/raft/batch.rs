//! Batches of the metadata log and its snapshots: records to bytes and back. Touches no file.

use barnabas_metadata::{fit, record_version};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_protocol::{DecodeError, EncodeError};
use barnabas_records::control::{ControlError, ControlRecord};
use barnabas_records::{
    BatchBuilder, BatchError, BatchView, BuildError, Compression, DecompressLimits, RecordError, Records,
};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

/// The largest batch that is written or read: Kafka's limit for the metadata log.
pub const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Records that do not become a batch.
#[derive(Debug, thiserror::Error)]
pub enum EncodeBatchError {
    /// A record that its version cannot carry.
    #[error(transparent)]
    Record(#[from] EncodeError),
    /// A batch that does not fit its format.
    #[error(transparent)]
    Batch(#[from] BuildError),
    /// More than one batch may hold.
    #[error("the records need {bytes} bytes, more than a batch may have ({MAX_BATCH_BYTES}); change less at a time")]
    TooLarge {
        /// What they need.
        bytes: usize,
    },
}

/// The batch of `records`, and how many they are.
///
/// # Errors
/// A record that its version cannot carry, no record, or too many.
pub fn encode<'a>(
    base_offset: Offset,
    epoch: LeaderEpoch,
    now: Timestamp,
    metadata_version: i16,
    records: impl Iterator<Item = MetadataRecord<'a>>,
) -> Result<(Vec<u8>, u32), EncodeBatchError> {
    let mut builder = BatchBuilder::new(base_offset, Compression::None).leader_epoch(epoch);
    let mut count = 0;
    for mut record in records {
        fit(&mut record, metadata_version);
        let value = record.encode(record_version(&record, metadata_version))?;
        builder.append(now, None, Some(&value), &[])?;
        count += 1;
        let bytes = builder.size_bytes();
        if bytes > MAX_BATCH_BYTES {
            return Err(EncodeBatchError::TooLarge { bytes });
        }
    }
    Ok((builder.build()?, count))
}

/// One record with its place.
pub struct Entry<'a> {
    /// Its offset.
    pub offset: Offset,
    /// When it was appended.
    pub timestamp: Timestamp,
    /// What it is.
    pub content: Content<'a>,
}

/// What a record is.
pub enum Content<'a> {
    /// A record of the quorum.
    Control(ControlRecord),
    /// A record of the metadata.
    Metadata(MetadataRecord<'a>),
}

/// A batch whose bytes are no such batch.
#[derive(Debug, thiserror::Error)]
pub enum DecodeBatchError {
    /// The batch itself.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A record in it.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A control record.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A batch that does not end where its file does, or is larger than any that is written.
    #[error("a batch of {size} bytes, where {left} are left")]
    Size {
        /// What its header says.
        size: usize,
        /// What is left of the file.
        left: u64,
    },
    /// A record without a value.
    #[error("the record at offset {offset} has no value")]
    NoValue {
        /// Where.
        offset: Offset,
    },
    /// A metadata record.
    #[error(
        "the record at offset {offset} cannot be read ({source}): it may have been written by a newer release, or belong to a feature that this one does not serve"
    )]
    Metadata {
        /// Where.
        offset: Offset,
        /// What is wrong.
        source: DecodeError,
    },
}

/// Hands every record of `batch` to `visit`, in order, after checking the batch's CRC.
///
/// # Errors
/// Damaged bytes, or the first error of `visit`.
pub fn for_each<E: From<DecodeBatchError>>(
    batch: &BatchView<'_>,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<(), E> {
    batch.check_crc().map_err(DecodeBatchError::from)?;
    let is_control = batch.header().attributes.is_control();
    let limits = DecompressLimits { output_bytes: MAX_BATCH_BYTES as u64, ..DecompressLimits::default() };
    let mut records = Records::new(batch, limits).map_err(DecodeBatchError::from)?;
    while let Some(record) = records.next().map_err(DecodeBatchError::from)? {
        let (offset, timestamp) = (record.offset, record.timestamp);
        let content = if is_control {
            Content::Control(ControlRecord::decode(&record).map_err(DecodeBatchError::from)?)
        } else {
            let value = record.value.ok_or(DecodeBatchError::NoValue { offset })?;
            let decoded = MetadataRecord::decode(value);
            Content::Metadata(decoded.map_err(|source| DecodeBatchError::Metadata { offset, source })?)
        };
        visit(Entry { offset, timestamp, content })?;
    }
    Ok(())
}
