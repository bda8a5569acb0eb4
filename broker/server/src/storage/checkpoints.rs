//! Writes down, for every partition of a directory, up to where its log is durable, where it starts, and its high watermark:
//! every minute, when records were deleted, and when the broker stops. Never forgets a partition that is not open now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use barnabas_log::checkpoint;
use barnabas_log::fs::IoError;
use barnabas_log::{ChangeError, identity};
use barnabas_types::{Offset, Uuid};

use super::{LogDirectories, LogDirectory};
use crate::replica::Partition;

/// What a partition writes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Noted {
    durable_end: Offset,
    /// Only where the log does not simply start with its first segment.
    log_start: Option<Offset>,
    high_watermark: Offset,
}

fn noted(partition: &Partition) -> Noted {
    let high_watermark = partition.marks().high_watermark;
    partition.with_log(|log| {
        let first = log.segment_base_offsets().next().unwrap_or_default();
        let log_start = Some(log.log_start()).filter(|start| *start > first);
        Noted { durable_end: log.durable_end(), log_start, high_watermark }
    })
}

/// Notes all of `partitions` and writes the files of their directories. Blocks.
///
/// # Errors
/// A disk failed; the files of the others are written all the same, and the first error is returned.
pub fn write(directories: &LogDirectories, partitions: &[Arc<Partition>]) -> Result<(), IoError> {
    let mut by_directory: BTreeMap<Uuid, Vec<&Arc<Partition>>> = BTreeMap::new();
    for partition in partitions {
        by_directory.entry(partition.directory).or_default().push(partition);
    }
    let mut result = Ok(());
    for directory in directories.all() {
        let partitions = by_directory.remove(&directory.id).unwrap_or_default();
        let written = write_one(directories, directory, &partitions);
        result = result.and(written);
    }
    result
}

fn write_one(
    directories: &LogDirectories,
    directory: &LogDirectory,
    partitions: &[&Arc<Partition>],
) -> Result<(), IoError> {
    let noted: Vec<_> = partitions.iter().map(|partition| (&partition.name, noted(partition))).collect();
    // Held while writing: a slower write of older offsets must not replace a newer one.
    let mut checkpoints = directory.checkpoints();
    for (name, noted) in noted {
        checkpoints.recovery_points.set(name, Some(noted.durable_end));
        checkpoints.high_watermarks.set(name, Some(noted.high_watermark));
        checkpoints.log_starts.set(name, noted.log_start);
    }
    let (disk, path) = (directories.disk(), |file: &str| directory.path.join(file));
    checkpoints.recovery_points.write(disk, &path(checkpoint::RECOVERY_POINT))?;
    checkpoints.log_starts.write(disk, &path(checkpoint::LOG_START_OFFSET))?;
    checkpoints.high_watermarks.write(disk, &path(checkpoint::REPLICATION_OFFSET))
}

/// Closes the logs of `partitions`, which take no more writes, writes the checkpoints, and leaves the sign of a clean shutdown
/// with `broker_epoch` (-1: none) in every directory all of whose logs were open and closed. Blocks.
///
/// # Errors
/// A disk failed. What could be closed is closed, and the directories of the rest are recovered at the next start.
pub fn close(
    directories: &LogDirectories,
    partitions: &[Arc<Partition>],
    broker_epoch: i64,
) -> Result<(), ChangeError> {
    let mut unclean = Vec::new();
    let mut closed = Ok(());
    for partition in partitions {
        if let Err(error) = partition.with_log(barnabas_log::Log::close) {
            tracing::error!(partition = %partition.name, %error, "the log was not closed; the next start recovers it");
            unclean.push(partition.directory);
            closed = closed.and(Err(error));
        }
    }
    // Without checkpoints nobody would know what was synced, so that no directory is clean.
    write(directories, partitions)?;
    let clean =
        |directory: &LogDirectory| !unclean.contains(&directory.id) && !directory.has_unopened.load(Ordering::Relaxed);
    for directory in directories.all().iter().filter(|directory| clean(directory)) {
        identity::write_clean_shutdown(directories.disk().fs(), &directory.path, broker_epoch)?;
    }
    closed
}
