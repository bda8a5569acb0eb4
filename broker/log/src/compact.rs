//! Compaction: of every key only the last record stays, and of that a tombstone only for a while. A pass builds a map of the dirty
//! part's keys, then writes every segment below anew without what the map has overtaken, several small ones as one, and puts the
//! result in their place. Nothing that takes long happens under the log's lock; a pass that the log has overtaken (it was cut, old
//! segments left) gives up and changes nothing. Decides what to compact, not when: that is the caller's clock.

mod clean;
mod filter;
mod map;
mod plan;
mod source;
mod swap;
mod transactions;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use barnabas_records::{BuildError, RecordError};
use barnabas_types::{Offset, ProducerId, Timestamp};

use crate::LogConfig;
use crate::aborted::AbortedTicket;
use crate::error::ReadError;
use crate::fs::{Disk, IoError};
use crate::log::Log;
use crate::read::damaged;
use crate::retention::Doomed;
use crate::segment::SealedSegment;
use filter::LastBatch;
use plan::Facts;

/// What a pass may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionLimits {
    /// Memory for the map of keys, in bytes (`log.cleaner.dedupe.buffer.size` by `log.cleaner.threads`). Taken as keys come.
    pub map_bytes: usize,
    /// How full the map may get, 0 to 1 (`log.cleaner.io.buffer.load.factor`).
    pub map_load_factor: f64,
    /// Bytes read and written at once (`log.cleaner.io.buffer.size` by `log.cleaner.threads`).
    pub buffer_bytes: usize,
}

impl Default for CompactionLimits {
    /// Kafka's defaults for one thread.
    fn default() -> Self {
        Self { map_bytes: 128 << 20, map_load_factor: 0.9, buffer_bytes: 256 << 10 }
    }
}

/// Whoever runs a compaction: has the log's lock, the clock and the brake.
pub trait Compactor {
    /// Runs `change` under the log's lock.
    fn with_log<T>(&mut self, change: impl FnOnce(&mut Log) -> T) -> T;
    /// `bytes` were read or written; may sleep. False stops the compaction.
    fn go_on(&mut self, bytes: u64) -> bool;
    /// Takes the files of segments that were replaced, to be removed after `file.delete.delay.ms`.
    fn discard(&mut self, replaced: Doomed);
}

/// What may be compacted of a log. Says whether it is time for it, and how urgent it is.
#[derive(Debug)]
pub struct Cleanable {
    disk: Arc<Disk>,
    config: LogConfig,
    /// All sealed segments that may be compacted, oldest first.
    segments: Vec<Arc<SealedSegment>>,
    first_dirty: Offset,
    now: Timestamp,
    cuts: u64,
    clean_bytes: u64,
    dirty_bytes: u64,
}

/// A compaction that was decided and has to be run outside the log's lock.
#[derive(Debug)]
#[must_use = "nothing is compacted until the ticket is run"]
pub struct CompactionTicket {
    cleanable: Cleanable,
    aborted: AbortedTicket,
    last_batches: Vec<(ProducerId, LastBatch)>,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// The first offset that was dirty, and the first one that still is.
    pub dirty: [Offset; 2],
    /// True when the keys were too many for the map: the next pass goes on where this one ended.
    pub map_was_full: bool,
    /// Keys in the map.
    pub keys: usize,
    /// Segments before and after.
    pub segments: [usize; 2],
    /// Bytes of the segments that were rewritten, before and after.
    pub bytes: [u64; 2],
    /// Records read and kept, those of control batches not counted.
    pub records: [u64; 2],
}

/// A compaction that broke off. The log is as it was, or as far as whole segments were replaced.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A batch is damaged, or its records cannot be read.
    #[error(transparent)]
    Damaged(ReadError),
    /// The records that stay do not make a batch.
    #[error("{}: what stays of the batch at byte {position} makes no batch: {error}", path.display())]
    Unbuildable {
        /// The segment.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// Why not.
        error: BuildError,
    },
    /// [`Compactor::go_on`] said no.
    #[error("compaction was stopped")]
    Stopped,
    /// The log was cut, closed, or lost segments meanwhile.
    #[error("the log changed while it was compacted; the next round begins anew")]
    Overtaken,
}

impl From<ReadError> for CompactionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Io(error),
            other => Self::Damaged(other),
        }
    }
}

impl CompactionError {
    fn in_batch(error: filter::FilterError, path: PathBuf, position: u64) -> Self {
        match error {
            filter::FilterError::Record(error) => Self::in_records(error, path, position),
            filter::FilterError::Build(error) => Self::Unbuildable { path, position, error },
        }
    }

    fn in_records(error: RecordError, path: PathBuf, position: u64) -> Self {
        Self::Damaged(ReadError::DamagedRecords { path, position, error })
    }
}

fn facts(segment: &SealedSegment) -> Facts {
    Facts {
        base_offset: segment.base_offset,
        end_offset: segment.end_offset,
        size: segment.size,
        index_bytes: segment.index_bytes(),
        newest: segment.retention_timestamp(),
    }
}

impl Log {
    /// The first offset that was not compacted.
    #[must_use]
    pub fn first_dirty(&self) -> Offset {
        // A checkpoint past the end is of a log that has lost its tail: nothing is known of what came since.
        if self.cleaned_to > self.log_end() { self.log_start } else { self.cleaned_to.max(self.log_start) }
    }

    /// Everything below this offset was compacted, as far as the log still has it.
    #[must_use]
    pub fn cleaned_to(&self) -> Offset {
        self.cleaned_to
    }

    /// Everything below `offset` was compacted, as the checkpoint says of a log that was just opened.
    pub fn set_cleaned_to(&mut self, offset: Offset) {
        self.cleaned_to = offset;
    }

    /// What may be compacted now: sealed segments below `last_stable`, synced, and old enough. None if `cleanup.policy` does not ask
    /// for compaction, nothing is dirty, or the log is offline.
    #[must_use]
    pub fn cleanable(&self, last_stable: Offset, now: Timestamp) -> Option<Cleanable> {
        if !self.config.compact || self.offline || self.sealed.is_empty() {
            return None;
        }
        let first_dirty = self.first_dirty();
        // What is not synced may yet be lost; what replaces it would not be.
        let limit = last_stable.min(self.durable_end);
        // Those below the log's start are retention's.
        let segments: Vec<_> = self.sealed_from(self.log_start).map(Arc::clone).collect();
        let all: Vec<Facts> = segments.iter().map(|segment| facts(segment)).collect();
        let count = plan::cleanable(&all, first_dirty, limit, &self.config, now);
        let (clean_bytes, dirty_bytes) = plan::bytes(all.get(..count).unwrap_or_default(), first_dirty);
        let mut segments = segments;
        segments.truncate(count);
        (dirty_bytes > 0).then(|| Cleanable {
            disk: Arc::clone(&self.disk),
            config: *self.config,
            segments,
            first_dirty,
            now,
            cuts: self.cuts,
            clean_bytes,
            dirty_bytes,
        })
    }

    /// Decides to compact. None when the log has changed since `cleanable` was taken.
    pub fn prepare_compaction(&self, cleanable: Cleanable) -> Option<CompactionTicket> {
        if self.offline || cleanable.cuts != self.cuts || !self.config.compact {
            return None;
        }
        let (first, last) = (cleanable.segments.first()?, cleanable.segments.last()?);
        let last_batches = self.producers().producers().map(|(id, entry)| {
            let marker = LastBatch::Marker(entry.epoch);
            (id, entry.last_batch().map_or(marker, |batch| LastBatch::Data(batch.last_offset)))
        });
        Some(CompactionTicket {
            // Their markers may lie behind.
            aborted: self.prepare_all_aborted(first.base_offset, last.end_offset),
            last_batches: last_batches.collect(),
            cleanable,
        })
    }
}

impl Cleanable {
    /// The part of the bytes that is dirty, 0 to 1.
    #[must_use]
    pub fn dirty_ratio(&self) -> f64 {
        self.dirty_bytes as f64 / (self.clean_bytes + self.dirty_bytes).max(1) as f64
    }

    /// Bytes that were not compacted and may be.
    #[must_use]
    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes
    }

    /// By how much the oldest dirty record has outstayed `max.compaction.lag.ms`, 0 when it has not. Reads a header of each dirty
    /// segment the first time, if there is such a limit.
    ///
    /// # Errors
    /// The disk failed, or a segment begins with no batch.
    pub fn overdue_ms(&self) -> Result<i64, CompactionError> {
        let lag = self.config.max_compaction_lag_ms;
        let latest = self.now.0.saturating_sub(lag);
        let mut overdue = 0;
        if lag == i64::MAX {
            return Ok(overdue);
        }
        for segment in self.segments.iter().filter(|segment| segment.end_offset > self.first_dirty) {
            let first = segment.first_timestamp(&self.disk);
            let first = first.map_err(|error| damaged(error, || segment.path(crate::files::LOG)))?;
            if first.0 > 0 {
                overdue = overdue.max(latest.saturating_sub(first.0));
            }
        }
        Ok(overdue)
    }

    /// True when enough is dirty or, by [`Cleanable::overdue_ms`], something has been for too long.
    #[must_use]
    pub fn is_due(&self, overdue_ms: i64) -> bool {
        overdue_ms > 0 || self.dirty_ratio() > self.config.min_cleanable_dirty_ratio
    }
}
