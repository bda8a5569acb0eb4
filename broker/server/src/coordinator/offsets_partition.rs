//! What a shard needs of its partition: append, wait until it is kept, read back. The seam at which tests put a partition that
//! fails. Decides nothing.

use std::sync::Arc;

use barnabas_log::AppendError as LogError;
use barnabas_protocol::ErrorCode;
use barnabas_types::{LeaderEpoch, Offset, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::replica::{AppendError, FetchFrom, Isolation, Partition, Reader};

/// A partition of `__consumer_offsets` as its shard sees it.
pub trait OffsetsPartition: Send + Sync + 'static {
    /// Appends one batch and says where the log ends now. Does not wait for it to be kept.
    ///
    /// # Errors
    /// Kafka's code; nothing was appended, or it is not known whether it was.
    fn append(&self, batch: &[u8], now: Timestamp) -> Result<Offset, ErrorCode>;

    /// Waits until everything below `end` is kept.
    fn replicated(&self, end: Offset, deadline: Instant) -> BoxFuture<'static, Result<(), ErrorCode>>;

    /// Waits until everything below `end` is committed, by however few, or no longer can be: too few replicas are in sync.
    fn settled(&self, end: Offset, deadline: Instant) -> BoxFuture<'static, Result<(), ErrorCode>>;

    /// Whether enough replicas are in sync for an append.
    fn has_min_isr(&self) -> bool;

    /// The first offset, and the offset after the last.
    ///
    /// # Errors
    /// Kafka's code, if this broker does not lead the partition.
    fn ends(&self) -> Result<(Offset, Offset), ErrorCode>;

    /// Batches from `offset` on, above the watermark, too: the first one whole, else at most `max_bytes`, with which the last may be cut off;
    /// nothing at the end. May block on the disk.
    ///
    /// # Errors
    /// Kafka's code.
    fn read(&self, offset: Offset, max_bytes: u32) -> Result<Vec<u8>, ErrorCode>;
}

/// A partition for as long as this broker leads it without a break: what was appended before is not to be taken for kept after one.
pub struct LedPartition {
    partition: Arc<Partition>,
    since: LeaderEpoch,
}

impl LedPartition {
    /// The partition, if this broker leads it now.
    #[must_use]
    pub fn of(partition: Arc<Partition>) -> Self {
        let since = partition.led_since();
        Self { partition, since }
    }
}

impl OffsetsPartition for LedPartition {
    fn append(&self, batch: &[u8], now: Timestamp) -> Result<Offset, ErrorCode> {
        match self.partition.append_internal(batch, now) {
            Ok(appended) if appended.led_since != self.since => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            Ok(appended) => Ok(appended.end_offset),
            Err(AppendError::NotLeading(code)) => Err(code),
            // Told once, by the directory.
            Err(AppendError::Refused(_)) => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Err(AppendError::Log(LogError::Io(error))) if error.is_out_of_space() => {
                Err(ErrorCode::KAFKA_STORAGE_ERROR)
            }
            Err(error @ (AppendError::Invalid(_) | AppendError::Log(_))) => {
                tracing::error!(partition = %self.partition.name, %error, "a coordinator's append failed");
                Err(ErrorCode::KAFKA_STORAGE_ERROR)
            }
        }
    }

    fn replicated(&self, end: Offset, deadline: Instant) -> BoxFuture<'static, Result<(), ErrorCode>> {
        Arc::clone(&self.partition).replicated(end, self.since, deadline).boxed()
    }

    fn settled(&self, end: Offset, deadline: Instant) -> BoxFuture<'static, Result<(), ErrorCode>> {
        Arc::clone(&self.partition).settled(end, self.since, deadline).boxed()
    }

    fn has_min_isr(&self) -> bool {
        self.partition.has_min_isr()
    }

    fn ends(&self) -> Result<(Offset, Offset), ErrorCode> {
        let marks = self.partition.marks_in(-1)?;
        Ok((marks.log_start, marks.log_end))
    }

    fn read(&self, offset: Offset, max_bytes: u32) -> Result<Vec<u8>, ErrorCode> {
        let committed = FetchFrom::batches(offset, max_bytes, Isolation::ReadUncommitted);
        let from = FetchFrom { reader: Reader::Own, ..committed };
        let Some(region) = self.partition.fetch(from)?.region else { return Ok(Vec::new()) };
        region.bytes().map_err(|error| {
            tracing::error!(partition = %self.partition.name, %offset, %error, "a coordinator's partition cannot be read");
            ErrorCode::KAFKA_STORAGE_ERROR
        })
    }
}

#[cfg(test)]
mod tests {
    use barnabas_types::BrokerId;

    use super::*;
    use crate::coordinator::CoordinatorConfig;
    use crate::coordinator::loader::load;
    use crate::replica::tests::{append_one, partition};
    use crate::runtime::Runtime;

    #[test]
    fn a_shard_reads_what_its_partition_says_that_it_has_wherever_the_watermark_is() {
        let (_directory, partition) = partition(Arc::default(), Default::default());
        partition.assign_to(LeaderEpoch(4), BrokerId(1), &[BrokerId(1), BrokerId(2)]);
        append_one(&partition);
        assert_eq!(partition.marks().high_watermark, Offset(0), "the other one has not fetched");
        let led = LedPartition::of(partition);
        assert_eq!(led.ends(), Ok((Offset(0), Offset(1))));
        assert!(!led.read(Offset(0), 1).unwrap().is_empty());
        assert!(led.read(Offset(1), 1).unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_shard_is_loaded_by_as_many_reads_as_it_takes() {
        let (_directory, partition) = partition(Arc::default(), Default::default());
        (0..7).for_each(|_| append_one(&partition));
        let led = Arc::new(LedPartition::of(partition));
        let batch_bytes = u32::try_from(led.read(Offset(6), 1).unwrap().len()).unwrap();
        for load_buffer_bytes in [1, batch_bytes, batch_bytes + 1, batch_bytes * 5 / 2] {
            let config = CoordinatorConfig { load_buffer_bytes, ..CoordinatorConfig::default() };
            let loaded = load(&Runtime::current(), &led, &config).await;
            let loaded = loaded.unwrap_or_else(|error| panic!("{load_buffer_bytes}: {error}"));
            assert_eq!((loaded.end, loaded.records + loaded.refused), (Offset(7), 7));
        }
    }
}
