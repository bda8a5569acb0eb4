//! Writes down, for every partition of a directory, up to where its log is durable and compacted, where it starts, and its high watermark:
//! every minute, when records were deleted, and when the broker stops. Never forgets a partition that is not open now.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use barnabas_log::fs::IoError;
use barnabas_log::{ChangeError, checkpoint, empty_logs, identity};
use barnabas_types::{Offset, Uuid};

use super::dirs::Checkpoints;
use super::{LogDirectories, LogDirectory};
use crate::replica::Partition;

/// How many partitions are closed before they are synced.
const CLOSED_TOGETHER: usize = 1_000;

/// What a partition writes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Noted {
    durable_end: Offset,
    /// Only where the log does not simply start with its first segment.
    log_start: Option<Offset>,
    high_watermark: Offset,
    /// Only where something was compacted.
    cleaned_to: Option<Offset>,
}

fn noted(partition: &Partition) -> Noted {
    let high_watermark = partition.marks().high_watermark;
    partition.with_log(|log| {
        let first = log.segment_base_offsets().next().unwrap_or_default();
        let log_start = Some(log.log_start()).filter(|start| *start > first);
        let cleaned_to = Some(log.cleaned_to()).filter(|offset| offset.0 > 0);
        Noted { durable_end: log.durable_end(), log_start, high_watermark, cleaned_to }
    })
}

/// Notes all of `partitions` and writes the files of their directories, except where the disk has failed: nobody knows what it keeps.
/// Blocks.
///
/// # Errors
/// A disk failed; the files of the others are written all the same, and the first error is returned.
pub fn write(directories: &LogDirectories, partitions: &[Arc<Partition>]) -> Result<(), IoError> {
    let mut result = Ok(());
    for (directory, partitions) in by_directory(directories, partitions) {
        result = result.and(write_one(directories, directory, &partitions));
    }
    result
}

/// The directories that have not failed, each with its own of `partitions`.
pub(super) fn by_directory<'a>(
    directories: &'a LogDirectories,
    partitions: &'a [Arc<Partition>],
) -> impl Iterator<Item = (&'a LogDirectory, Vec<&'a Arc<Partition>>)> {
    let mut by_directory: BTreeMap<Uuid, Vec<&Arc<Partition>>> = BTreeMap::new();
    for partition in partitions {
        by_directory.entry(partition.directory).or_default().push(partition);
    }
    let online = directories.all().iter().filter(|directory| !directory.condition.is_offline());
    online.map(move |directory| (&**directory, by_directory.remove(&directory.id).unwrap_or_default()))
}

/// Notes something of logs, and locks the checkpoints for writing it down: held while writing, so that a slower write of older
/// offsets does not replace a newer one. A partition's lock is never taken under it.
fn note_and_lock<T>(directory: &LogDirectory, note: impl Fn() -> T) -> (T, MutexGuard<'_, Checkpoints>) {
    loop {
        let cuts = directory.checkpoints().cuts;
        let noted = note();
        let checkpoints = directory.checkpoints();
        if checkpoints.cuts == cuts {
            return (noted, checkpoints);
        }
    }
}

fn write_one(
    directories: &LogDirectories,
    directory: &LogDirectory,
    partitions: &[&Arc<Partition>],
) -> Result<(), IoError> {
    let note = || partitions.iter().map(|partition| (&partition.name, noted(partition))).collect::<Vec<_>>();
    let (noted, mut checkpoints) = note_and_lock(directory, note);
    for (name, noted) in noted {
        checkpoints.recovery_points.set(name, Some(noted.durable_end));
        checkpoints.high_watermarks.set(name, Some(noted.high_watermark));
        checkpoints.log_starts.set(name, noted.log_start);
        checkpoints.cleaned.set(name, noted.cleaned_to);
    }
    let (disk, path) = (directories.disk(), |file: &str| directory.path.join(file));
    let written = (checkpoints.recovery_points.write(disk, &path(checkpoint::RECOVERY_POINT)))
        .and_then(|()| checkpoints.log_starts.write(disk, &path(checkpoint::LOG_START_OFFSET)))
        .and_then(|()| checkpoints.high_watermarks.write(disk, &path(checkpoint::REPLICATION_OFFSET)))
        .and_then(|()| checkpoints.cleaned.write(disk, &path(checkpoint::CLEANER_OFFSET)));
    written.inspect_err(|error| directory.condition.noticed(error))
}

/// Writes down that the partition's log ends at `limit` at the lowest, for [`barnabas_log::Log::truncate_to`], which calls it under
/// the partition's lock: from then on no checkpoint names a higher offset. Blocks.
///
/// # Errors
/// The disk failed.
pub fn lower(directories: &LogDirectories, partition: &Partition, limit: Offset) -> Result<(), IoError> {
    let Some(directory) = directories.get(partition.directory) else { return Ok(()) };
    let mut checkpoints = directory.checkpoints();
    checkpoints.cuts += 1;
    let Checkpoints { recovery_points, log_starts, high_watermarks, cleaned, .. } = &mut *checkpoints;
    let files = [
        (recovery_points, checkpoint::RECOVERY_POINT),
        (log_starts, checkpoint::LOG_START_OFFSET),
        (high_watermarks, checkpoint::REPLICATION_OFFSET),
        (cleaned, checkpoint::CLEANER_OFFSET),
    ];
    for (offsets, file) in files {
        let before = offsets.get(&partition.name);
        if before > limit {
            offsets.set(&partition.name, Some(limit));
            let written = offsets.write(directories.disk(), &directory.path.join(file));
            written.inspect_err(|error| {
                // Whoever tries again writes it.
                offsets.set(&partition.name, Some(before));
                directory.condition.noticed(error);
            })?;
        }
    }
    Ok(())
}

/// Writes down up to where the partition's log is durable, unless that is known. Blocks.
///
/// # Errors
/// The disk failed.
pub fn raise_recovery_point(directories: &LogDirectories, partition: &Partition) -> Result<(), IoError> {
    let Some(directory) = directories.get(partition.directory) else { return Ok(()) };
    let (durable_end, mut checkpoints) = note_and_lock(directory, || partition.with_log(|log| log.durable_end()));
    if checkpoints.recovery_points.get(&partition.name) < durable_end {
        checkpoints.recovery_points.set(&partition.name, Some(durable_end));
        let path = directory.path.join(checkpoint::RECOVERY_POINT);
        let written = checkpoints.recovery_points.write(directories.disk(), &path);
        return written.inspect_err(|error| directory.condition.noticed(error));
    }
    Ok(())
}

/// Writes down how far the partition's log is compacted. Blocks.
///
/// # Errors
/// The disk failed.
pub fn write_cleaned(directories: &LogDirectories, partition: &Partition) -> Result<(), IoError> {
    let Some(directory) = directories.get(partition.directory) else { return Ok(()) };
    let (cleaned_to, mut checkpoints) = note_and_lock(directory, || partition.with_log(|log| log.cleaned_to()));
    checkpoints.cleaned.set(&partition.name, Some(cleaned_to));
    let written = checkpoints.cleaned.write(directories.disk(), &directory.path.join(checkpoint::CLEANER_OFFSET));
    written.inspect_err(|error| directory.condition.noticed(error))
}

/// Closes the logs of `partitions`, which take no more writes, writes the checkpoints, and leaves the sign of a clean shutdown
/// with `broker_epoch` (-1: none) in every directory all of whose logs were open and closed. Blocks; `monotonic` is the flushers' clock.
///
/// # Errors
/// A disk failed. What could be closed is closed, and the directories of the rest are recovered at the next start.
pub fn close(
    directories: &LogDirectories,
    partitions: &[Arc<Partition>],
    broker_epoch: i64,
    monotonic: impl Fn() -> Duration,
) -> Result<(), ChangeError> {
    let mut closed = Ok(());
    for (directory, partitions) in by_directory(directories, partitions) {
        let all = partitions.chunks(CLOSED_TOGETHER).map(|some| close_some(directory, some, &monotonic));
        let all = all.fold(Ok(()), Result::and);
        // Without checkpoints nobody would know what was synced, so that the directory is not clean.
        let left = write_one(directories, directory, &partitions).and_then(|()| {
            if all.is_err() || directory.has_unopened.load(Ordering::Relaxed) {
                return Ok(());
            }
            identity::write_clean_shutdown(directories.disk().fs(), &directory.path, broker_epoch)?;
            list_empty(directories, directory, &partitions)
        });
        closed = closed.and(all).and(left.map_err(ChangeError::from));
    }
    let is_lost = partitions.iter().any(|partition| partition.condition().is_offline());
    closed.and(if is_lost { Err(ChangeError::Offline) } else { Ok(()) })
}

/// Lists the logs to which nothing was ever written, so that the next start need not look at their files.
fn list_empty(
    directories: &LogDirectories,
    directory: &LogDirectory,
    partitions: &[&Arc<Partition>],
) -> Result<(), IoError> {
    let untouched = |partition: &&&Arc<Partition>| partition.with_log(|log| log.is_untouched());
    let logs = partitions.iter().filter(untouched).map(|partition| (&partition.name, partition.key.topic_id));
    empty_logs::write(directories.disk().fs(), &directory.path, logs)
}

/// Closes partitions of one directory and syncs them together. The first error is returned, all are told.
fn close_some(
    directory: &LogDirectory,
    partitions: &[&Arc<Partition>],
    monotonic: &impl Fn() -> Duration,
) -> Result<(), ChangeError> {
    let mut closed = Ok(());
    let mut unsynced = Vec::new();
    for &partition in partitions {
        match partition.with_log(barnabas_log::Log::close_unsynced) {
            Ok(()) => unsynced.push(Arc::clone(partition)),
            Err(error) => {
                tracing::error!(partition = %partition.name, %error, "the log was not closed; the next start recovers it");
                closed = closed.and(Err(error));
            }
        }
    }
    directory.flusher.sync_all(&unsynced, monotonic);
    for partition in unsynced {
        if partition.with_log(|log| log.is_offline() || log.is_unsynced()) {
            tracing::error!(partition = %partition.name, "the log was not synced; the next start recovers it");
            closed = closed.and(Err(ChangeError::Offline));
        }
    }
    closed
}
