//! Retention: whole segments leave at the log's old end, by age, by size, or because the log's start was raised past them.
//! They leave the log at once and the disk a while later, so that readers that hold them finish.

use std::path::PathBuf;
use std::sync::Arc;

use barnabas_types::{Offset, Timestamp};

use crate::error::ChangeError;
use crate::files;
use crate::fs::{Disk, IoError};
use crate::log::Log;
use crate::segment::SealedSegment;

/// Why segments left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All of the segment's records are older than `retention.ms`.
    Age,
    /// The log is larger than `retention.bytes`.
    Size,
    /// The segment lies below the log's start.
    LogStart,
    /// Compaction has put another one in its place.
    Compacted,
}

/// Files under their last name, to be removed when `file.delete.delay.ms` has passed.
#[derive(Debug)]
#[must_use = "the files stay on disk until they are removed"]
pub struct Doomed {
    disk: Arc<Disk>,
    files: Vec<PathBuf>,
    /// The segment's first offset.
    pub base_offset: Offset,
    /// Bytes of batches that go.
    pub size: u64,
    /// Why.
    pub reason: Reason,
}

impl Doomed {
    /// `files`, under their last names, of `segment`.
    pub(crate) fn new(disk: &Arc<Disk>, files: Vec<PathBuf>, segment: &SealedSegment, reason: Reason) -> Self {
        Self { disk: Arc::clone(disk), files, base_offset: segment.base_offset, size: segment.size, reason }
    }

    /// Removes the files. Those already gone are no error.
    pub fn remove(&self) -> Result<(), IoError> {
        self.files.iter().try_for_each(|path| self.disk.fs().remove_file(path))
    }
}

impl Log {
    /// Takes out the segments that retention lets go, oldest first, only ones wholly below `high_watermark`; raises the log's
    /// start to the first one left. If all must go, a new segment begins first.
    pub fn apply_retention(&mut self, high_watermark: Offset, now: Timestamp) -> Result<Vec<Doomed>, ChangeError> {
        if self.offline {
            return Err(ChangeError::Offline);
        }
        match self.roll_if_expired(high_watermark, now) {
            // What frees space must not wait for it: the sealed segments go, and the next round rolls.
            Err(error) if error.is_out_of_space() => {}
            rolled => rolled?,
        }
        let mut surplus = match u64::try_from(self.config.retention_bytes) {
            Ok(limit) if self.config.delete => self.size().saturating_sub(limit),
            _ => 0,
        };
        let mut doomed = Vec::new();
        while let Some(segment) = self.sealed.first().map(Arc::clone) {
            let Some(reason) = self.reason_to_go(&segment, surplus, now) else {
                break;
            };
            if segment.end_offset > high_watermark {
                break;
            }
            self.abandon_swap()?;
            surplus = surplus.saturating_sub(segment.size);
            doomed.push(self.take_out(&segment, reason)?);
        }
        if !doomed.is_empty() {
            self.disk.fs().sync_directory(&self.directory)?;
        }
        Ok(doomed)
    }

    fn reason_to_go(&self, segment: &SealedSegment, surplus: u64, now: Timestamp) -> Option<Reason> {
        if segment.end_offset <= self.log_start {
            return Some(Reason::LogStart);
        }
        if !self.config.delete {
            return None;
        }
        if self.is_expired(segment.retention_timestamp(), now) {
            return Some(Reason::Age);
        }
        (segment.size > 0 && surplus >= segment.size).then_some(Reason::Size)
    }

    fn is_expired(&self, newest: Timestamp, now: Timestamp) -> bool {
        self.config.retention_ms >= 0 && now.0.saturating_sub(newest.0) > self.config.retention_ms
    }

    /// The active segment cannot go, but its records must when they are old.
    fn roll_if_expired(&mut self, high_watermark: Offset, now: Timestamp) -> Result<(), IoError> {
        let newest = self.active.newest.timestamp;
        let expired = self.config.delete && newest.0 >= 0 && self.is_expired(newest, now);
        let below_start = self.active.next_offset <= self.log_start;
        let emptied = self.active.size > 0 && self.active.next_offset <= high_watermark && (expired || below_start);
        let all_before_go = self
            .sealed
            .iter()
            .all(|segment| segment.end_offset <= self.log_start || self.is_expired(segment.retention_timestamp(), now));
        if emptied && all_before_go { self.roll(now) } else { Ok(()) }
    }

    fn take_out(&mut self, segment: &SealedSegment, reason: Reason) -> Result<Doomed, IoError> {
        let fs = self.disk.fs();
        let rename = |suffix: &str| {
            let to = files::path(&self.directory, segment.base_offset, &format!("{suffix}{}", files::DELETED));
            fs.rename(&segment.path(suffix), &to).map(|()| to)
        };
        let mut renamed = vec![rename(files::LOG)?];
        // From here on the segment is gone. An index that keeps its name is an orphan, removed when the log is opened.
        let indexes = [files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX];
        renamed.extend(indexes.into_iter().filter_map(|suffix| rename(suffix).ok()));
        self.disk.forget(segment.owner);
        self.sealed.retain(|kept| kept.base_offset != segment.base_offset);
        self.raise_log_start(segment.end_offset);
        self.producers.remove_snapshots(self.disk.fs(), &self.directory, |offset| offset <= segment.base_offset)?;
        Ok(Doomed::new(&self.disk, renamed, segment, reason))
    }
}
