//! Keeps logs from growing for ever: lets old segments go, forgets silent producers, removes files whose time has come.
//! What goes is decided by the log and its settings; this is the clock that asks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::{ChangeError, Doomed};
use barnabas_types::Timestamp;

use super::DoomedDirectory;
use crate::replica::Partition;
use crate::runtime::Runtime;

/// Lets go what has to go of one partition. Renames files, so it may block a little.
///
/// # Errors
/// The disk failed or the log is offline.
pub fn apply(partition: &Partition, now: Timestamp) -> Result<Vec<Doomed>, ChangeError> {
    let high_watermark = partition.marks().high_watermark;
    let applied = partition.with_log(|log| {
        log.expire_producers(now);
        if log.is_offline() { Ok(Vec::new()) } else { log.apply_retention(high_watermark, now) }
    });
    applied.inspect_err(|error| {
        if let ChangeError::Io(error) = error {
            partition.condition().noticed(error);
        }
    })
}

/// How many partitions are looked at between two changes of threads, which cost more than the look.
const AT_ONCE: usize = 64;

/// One round over `partitions`: what goes is removed after each topic's `file.delete.delay.ms`. Returns the number of segments.
pub async fn round(runtime: &Runtime, partitions: Vec<Arc<Partition>>) -> usize {
    let mut count = 0;
    for some in partitions.chunks(AT_ONCE) {
        let (now, asked) = (runtime.wall(), some.to_vec());
        let look = move || asked.iter().map(|partition| guarded(partition, now)).collect::<Vec<_>>();
        match runtime.spawn_blocking(look).await {
            Ok(doomed) => {
                count += doomed.iter().map(Vec::len).sum::<usize>();
                some.iter().zip(doomed).for_each(|(partition, doomed)| let_go(runtime, partition, doomed));
            }
            Err(error) => tracing::error!(%error, "a round of retention broke off; the next one comes in its time"),
        }
    }
    count
}

/// What goes of one partition; nothing where that failed. A panic costs this partition its turn, and no other.
fn guarded(partition: &Partition, now: Timestamp) -> Vec<Doomed> {
    match catch_unwind(AssertUnwindSafe(|| apply(partition, now))) {
        Ok(Ok(doomed)) => return doomed,
        Ok(Err(error)) => {
            tracing::error!(partition = %partition.name, %error, "old segments could not be let go; tried again with the next round");
        }
        Err(_) => {
            tracing::error!(partition = %partition.name, "the round of retention broke off for this partition");
        }
    }
    Vec::new()
}

fn let_go(runtime: &Runtime, partition: &Partition, doomed: Vec<Doomed>) {
    for segment in &doomed {
        let (base_offset, size, reason) = (segment.base_offset, segment.size, segment.reason);
        tracing::info!(partition = %partition.name, %base_offset, size, ?reason, "a segment goes");
    }
    if !doomed.is_empty() {
        remove_segments_later(runtime, doomed, partition.config().file_delete_delay_ms);
    }
}

/// Removes files of segments after `file_delete_delay_ms`.
pub fn remove_segments_later(runtime: &Runtime, doomed: Vec<Doomed>, file_delete_delay_ms: i64) {
    remove_later(runtime, delay(file_delete_delay_ms), move || doomed.iter().try_for_each(Doomed::remove));
}

/// Removes a deleted partition's directory after `file_delete_delay_ms`.
pub fn remove_directory_later(runtime: &Runtime, doomed: DoomedDirectory, file_delete_delay_ms: i64) {
    remove_later(runtime, delay(file_delete_delay_ms), move || doomed.remove());
}

fn delay(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn remove_later(
    runtime: &Runtime,
    delay: Duration,
    remove: impl FnOnce() -> Result<(), barnabas_log::fs::IoError> + Send + 'static,
) {
    let blocking = runtime.clone();
    runtime.spawn_data(async move {
        tokio::time::sleep(delay).await;
        match blocking.spawn_blocking(remove).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "files could not be removed; tried again at the next start"),
            Err(error) => tracing::error!(%error, "removing files broke off; tried again at the next start"),
        }
    });
}
