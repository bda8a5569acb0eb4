//! From a timestamp to an offset, as ListOffsets asks. Decided under the log's lock, run outside it: it reads index and headers,
//! and decompresses one batch.

use std::sync::Arc;

use barnabas_records::{BatchView, DecompressLimits, Records, TimestampType};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use crate::error::ReadError;
use crate::files;
use crate::fs::{Disk, File, IoError};
use crate::log::Log;
use crate::read::damaged;
use crate::segment::{Located, Newest, ScanError, Scanner, SealedSegment, Span, batch_at_or_after};

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The record's offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The epoch it was written in.
    pub leader_epoch: LeaderEpoch,
}

/// A search that was decided and has to be run outside the log's lock.
#[derive(Debug)]
pub struct TimestampTicket {
    disk: Arc<Disk>,
    wanted: Wanted,
    log_start: Offset,
    sealed: Vec<Arc<SealedSegment>>,
    active: Option<Active>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// The first record of this time or later.
    From(Timestamp),
    /// The first record of those with the largest timestamp.
    Largest,
}

#[derive(Debug)]
struct Active {
    file: Arc<dyn File>,
    base_offset: Offset,
    size: u64,
    start: Offset,
    hint: u64,
}

impl Log {
    /// Decides about a search for the first record of `timestamp` or later.
    ///
    /// # Errors
    /// The active segment's file cannot be opened.
    pub fn prepare_offset_for_timestamp(&self, timestamp: Timestamp) -> Result<TimestampTicket, ReadError> {
        let reaches = |newest: Newest| newest.timestamp >= timestamp;
        let sealed = self.sealed_from(self.log_start).filter(|segment| reaches(segment.newest));
        let active = reaches(self.active.newest).then(|| self.active_from(self.active.offset_before(timestamp)));
        Ok(self.timestamp_ticket(Wanted::From(timestamp), sealed.map(Arc::clone).collect(), active.transpose()?))
    }

    /// Decides about a search for the record with the largest timestamp.
    ///
    /// # Errors
    /// The active segment's file cannot be opened.
    pub fn prepare_offset_of_largest_timestamp(&self) -> Result<TimestampTicket, ReadError> {
        // A segment's newest record may lie below the log's start, which only a walk can tell from what is left.
        let holds_start = |base: Offset| base < self.log_start;
        let sealed = self.sealed_from(self.log_start);
        let largest = sealed.clone().map(|segment| segment.newest).chain([self.active.newest]);
        let largest = largest.filter(|newest| newest.offset >= self.log_start).map(|newest| newest.timestamp).max();
        let chosen = |base, newest: Newest| {
            holds_start(base) || (newest.timestamp.0 >= 0 && largest.is_some_and(|largest| newest.timestamp >= largest))
        };
        let sealed = sealed.filter(|segment| chosen(segment.base_offset, segment.newest)).map(Arc::clone).collect();
        let active = chosen(self.active.base_offset, self.active.newest).then(|| {
            // The time index may say how far the batch is at the least, unless that lies below the log's start.
            self.active_from(self.active.offset_before(self.active.newest.timestamp))
        });
        Ok(self.timestamp_ticket(Wanted::Largest, sealed, active.transpose()?))
    }

    fn active_from(&self, start: Offset) -> Result<Active, IoError> {
        let start = start.max(self.log_start);
        let active = &self.active;
        let (file, hint) = (active.file(&self.disk)?, active.hint(start));
        Ok(Active { file, base_offset: active.base_offset, size: active.size, start, hint })
    }

    fn timestamp_ticket(
        &self,
        wanted: Wanted,
        sealed: Vec<Arc<SealedSegment>>,
        active: Option<Active>,
    ) -> TimestampTicket {
        TimestampTicket { disk: Arc::clone(&self.disk), wanted, log_start: self.log_start, sealed, active }
    }
}

impl TimestampTicket {
    /// Searches; blocks if pages are not in memory. None when no record qualifies.
    ///
    /// # Errors
    /// [`ReadError::Replaced`] when compaction came in between: a new ticket will do.
    pub fn run(self) -> Result<Option<TimestampedOffset>, ReadError> {
        match self.walk() {
            _ if self.sealed.iter().any(|segment| segment.is_replaced()) => Err(ReadError::Replaced),
            found => found,
        }
    }

    fn walk(&self) -> Result<Option<TimestampedOffset>, ReadError> {
        let mut best: Option<TimestampedOffset> = None;
        for segment in &self.sealed {
            let file = segment.open_file(&self.disk)?;
            let start = match self.wanted {
                Wanted::From(timestamp) => segment.offset_before(&self.disk, timestamp)?,
                Wanted::Largest => segment.offset_before(&self.disk, segment.newest.timestamp)?,
            };
            let start = start.max(self.log_start);
            let hint = segment.hint(&self.disk, start)?;
            let found = self.search(segment.span(&*file), hint, start, || segment.path(files::LOG))?;
            best = better(best, found);
            if best.is_some() && self.wanted != Wanted::Largest {
                return Ok(best);
            }
        }
        if let Some(active) = &self.active {
            let span = Span { file: &*active.file, base_offset: active.base_offset, size: active.size };
            let found = self.search(span, active.hint, active.start, || active.file.path().to_path_buf())?;
            best = better(best, found);
        }
        Ok(best)
    }

    fn search(
        &self,
        span: Span<'_>,
        hint: u64,
        start: Offset,
        path: impl Fn() -> std::path::PathBuf,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let mut best = None;
        let at = |error| damaged(error, &path);
        let Some(first) = batch_at_or_after(span, hint, start).map_err(at)? else {
            return Ok(None);
        };
        let mut scanner = Scanner::looking_up(span.file, first.position, span.size);
        while let Some(batch) = scanner.next().map_err(at)? {
            let least = match (self.wanted, best) {
                (Wanted::From(timestamp), _) => timestamp,
                (Wanted::Largest, None) => Timestamp(0),
                (Wanted::Largest, Some(TimestampedOffset { timestamp, .. })) => {
                    Timestamp(timestamp.0.saturating_add(1))
                }
            };
            if batch.header.max_timestamp < least {
                continue;
            }
            let found = self.record_in(&scanner, &batch, least).map_err(|error| match error {
                InBatch::Scan(error) => damaged(error, &path),
                InBatch::Records(error) => ReadError::DamagedRecords { path: path(), position: batch.position, error },
            })?;
            best = better(best, found);
            if best.is_some() && self.wanted != Wanted::Largest {
                break;
            }
        }
        Ok(best)
    }

    /// In `batch`: the first record of `least` or later, or the first of the newest ones if those are wanted.
    fn record_in(
        &self,
        scanner: &Scanner<'_>,
        batch: &Located,
        least: Timestamp,
    ) -> Result<Option<TimestampedOffset>, InBatch> {
        let leader_epoch = batch.header.partition_leader_epoch;
        if batch.header.attributes.timestamp_type() == TimestampType::LogAppendTime {
            // All its records have the batch's time.
            let offset = batch.header.base_offset.max(self.log_start);
            return Ok(Some(TimestampedOffset { offset, timestamp: batch.header.max_timestamp, leader_epoch }));
        }
        let bytes = scanner.read(batch).map_err(ScanError::from)?;
        let in_header = |error| ScanError::Batch { position: batch.position, error };
        let view = BatchView::parse(&bytes).map_err(in_header)?;
        let mut records = Records::new(&view, DecompressLimits::default())?;
        let mut best = None;
        while let Some(record) = records.next()? {
            if record.offset < self.log_start || record.timestamp < least {
                continue;
            }
            best = better(
                best,
                Some(TimestampedOffset { offset: record.offset, timestamp: record.timestamp, leader_epoch }),
            );
            if self.wanted != Wanted::Largest {
                break;
            }
        }
        Ok(best)
    }
}

/// Why a record could not be found in a batch.
enum InBatch {
    Scan(ScanError),
    Records(barnabas_records::RecordError),
}

impl From<ScanError> for InBatch {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl From<barnabas_records::RecordError> for InBatch {
    fn from(error: barnabas_records::RecordError) -> Self {
        Self::Records(error)
    }
}

/// The newer of two, the earlier of equals.
fn better(best: Option<TimestampedOffset>, found: Option<TimestampedOffset>) -> Option<TimestampedOffset> {
    match (best, found) {
        (Some(best), Some(found)) if found.timestamp > best.timestamp => Some(found),
        (Some(best), _) => Some(best),
        (None, found) => found,
    }
}
