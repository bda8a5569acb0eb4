//! Reads a partition of `__consumer_offsets` back into a shard. Blocks on the disk, so it runs on a thread for that.

use barnabas_coordinator::group::GroupShard;
use barnabas_coordinator::{Replayed, Shard, record};
use barnabas_protocol::ErrorCode;
use barnabas_records::control::{ControlError, ControlRecord};
use barnabas_records::{BatchError, BatchView, DecompressLimits, RecordError, Records, batches};
use barnabas_types::{Offset, ProducerId};
use thiserror::Error;

use super::{CoordinatorConfig, OffsetsPartition};
use crate::runtime::Runtime;

/// Why a shard cannot be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The partition is not led here, or its disk fails.
    #[error("the partition cannot be read: {}", .0.name())]
    Partition(ErrorCode),
    /// The log is damaged.
    #[error("the partition holds a batch that cannot be read: {0}")]
    Batch(#[from] BatchError),
    /// The log is damaged.
    #[error("the partition holds a record that cannot be read: {0}")]
    Record(#[from] RecordError),
    /// The log is damaged.
    #[error("the partition holds a control record that cannot be read: {0}")]
    Control(#[from] ControlError),
    /// The log ends before its end, or reading goes in circles.
    #[error("the partition ends at {end}, but nothing can be read from {offset} on")]
    Gap {
        /// From where nothing came.
        offset: Offset,
        /// Where the log ends.
        end: Offset,
    },
    /// Reading panicked.
    #[error("loading failed in a way that it should not")]
    Panicked,
}

/// A shard, as its log says.
pub struct Loaded {
    /// The shard; it has not been told yet that it is loaded.
    pub shard: GroupShard,
    /// Where the log ended.
    pub end: Offset,
    /// How many records were replayed.
    pub records: u64,
    /// How many were left aside because they made no sense.
    pub refused: u64,
}

/// Replays the whole partition, also what is above its watermark. That stands still while too few replicas are in sync, and groups have to be
/// served then. It is safe: only a change of leadership cuts records off, and it ends the shard, whose every answer waits for a partition that
/// this broker has led without a break. An offset that was told and is cut off comes back as an older one, from which a consumer reads again;
/// a generation that is cut off is fenced, because its members have to join anew.
///
/// # Errors
/// All of [`LoadError`]; trying again may help.
pub async fn load<P: OffsetsPartition>(
    runtime: &Runtime,
    partition: &std::sync::Arc<P>,
    config: &CoordinatorConfig,
) -> Result<Loaded, LoadError> {
    let (start, end) = partition.ends().map_err(LoadError::Partition)?;
    let partition = std::sync::Arc::clone(partition);
    let (shard, max_bytes) = (GroupShard::new(config.group.clone()), config.load_buffer_bytes);
    let loading = runtime.spawn_blocking(move || {
        let mut loaded = Loaded { shard, end, records: 0, refused: 0 };
        let mut offset = start;
        while offset < end {
            let bytes = partition.read(offset, max_bytes).map_err(LoadError::Partition)?;
            if bytes.is_empty() {
                // The rest was compacted away.
                break;
            }
            let next = loaded.replay(&bytes, offset)?;
            if next <= offset {
                return Err(LoadError::Gap { offset, end });
            }
            offset = next;
        }
        Ok(loaded)
    });
    loading.await.map_err(|_| LoadError::Panicked)?
}

impl Loaded {
    /// Replays the batches in `bytes` and says where the next ones begin.
    fn replay(&mut self, bytes: &[u8], from: Offset) -> Result<Offset, LoadError> {
        let mut next = from;
        for batch in batches(bytes) {
            let batch = match batch {
                // Cut off by the size of the read: the next one begins with it.
                Err(BatchError::Truncated { .. }) if next > from => break,
                batch => batch?,
            };
            let header = batch.header();
            batch.check_crc()?;
            next = header.next_offset();
            if header.attributes.is_control() {
                self.replay_control(&batch)?;
            } else {
                self.replay_records(&batch, from)?;
            }
        }
        Ok(next)
    }

    fn replay_control(&mut self, batch: &BatchView<'_>) -> Result<(), LoadError> {
        let producer_id = batch.header().producer_id;
        let mut records = Records::new(batch, DecompressLimits::default())?;
        while let Some(record) = records.next()? {
            match ControlRecord::decode(&record)? {
                ControlRecord::Commit(_) => self.shard.replay_transaction_end(producer_id, true),
                ControlRecord::Abort(_) => self.shard.replay_transaction_end(producer_id, false),
                _ => {}
            }
        }
        Ok(())
    }

    fn replay_records(&mut self, batch: &BatchView<'_>, from: Offset) -> Result<(), LoadError> {
        let header = batch.header();
        let producer_id = if header.attributes.is_transactional() { header.producer_id } else { ProducerId::NONE };
        let mut records = Records::new(batch, DecompressLimits::default())?;
        while let Some(found) = records.next()? {
            if found.offset < from {
                continue;
            }
            let replayed = match record::decode(found.key, found.value) {
                Ok(Some(record)) => self.shard.replay(Replayed { record, producer_id }),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match replayed {
                Ok(()) => self.records += 1,
                Err(error) => {
                    // One group's record must not keep all the others from being coordinated.
                    self.refused += 1;
                    tracing::error!(offset = %found.offset, %error, "a coordinator's record is left aside");
                }
            }
        }
        Ok(())
    }
}
