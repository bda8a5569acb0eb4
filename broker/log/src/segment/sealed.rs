//! A segment that grows no more. Keeps names and numbers in memory, its files are opened when somebody reads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use barnabas_records::BATCH_HEADER_BYTES;
use barnabas_types::{Offset, Timestamp};

use super::index::{Entry, first_not_below, last_below};
use super::lookup::Span;
use super::offset_index::OffsetEntry;
use super::scan::{ScanError, Scanner};
use super::time_index::{Newest, TimeEntry};
use super::transaction_index::{AbortedTransaction, TransactionIndex};
use crate::files;
use crate::fs::{Disk, File, Fs, IoError, OpenMode, read_exact_at};
use crate::leftovers::FoundSegment;

/// The number of entries in an index file and the last one; none when its length is not one of whole entries.
fn last_entry<E: Entry>(file: &dyn File) -> Result<Option<(u64, Option<E>)>, IoError> {
    let (length, entry_bytes) = (file.length()?, E::BYTES as u64);
    if !length.is_multiple_of(entry_bytes) {
        return Ok(None);
    }
    let Some(position) = length.checked_sub(entry_bytes) else {
        return Ok(Some((0, None)));
    };
    let mut bytes = vec![0; E::BYTES];
    read_exact_at(file, &mut bytes, position)?;
    Ok(Some((length / entry_bytes, E::decode(&bytes))))
}

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct SealedSegment {
    /// Under which the disk keeps its files open.
    pub(crate) owner: u64,
    pub(crate) base_offset: Offset,
    /// The next segment's base offset.
    pub(crate) end_offset: Offset,
    /// Bytes of batches.
    pub(crate) size: u64,
    /// Entries of the offset index.
    pub(crate) index_entries: u64,
    /// Entries of the time index.
    pub(crate) time_index_entries: u64,
    pub(crate) transactions: TransactionIndex,
    pub(crate) newest: Newest,
    /// The largest timestamp of the first batch, once somebody asked.
    pub(crate) first_timestamp: OnceLock<Timestamp>,
    /// Its names are another segment's, or will be in a moment.
    pub(crate) replaced: AtomicBool,
    /// When the file was last written; stands in for the newest record's time where records have none.
    pub(crate) modified: Timestamp,
    pub(crate) directory: Arc<Path>,
}

impl SealedSegment {
    /// Takes up a sealed segment whose indexes look sound: of whole entries, the last of which lie inside the segment and say
    /// what the batch there says. None when they do not, so that they have to be rebuilt.
    pub(crate) fn open(
        disk: &Disk,
        directory: &Arc<Path>,
        end_offset: Offset,
        found: &FoundSegment,
    ) -> Result<Option<Self>, ScanError> {
        let FoundSegment { base_offset, size, modified, has_transactions, .. } = *found;
        let newest = Newest { timestamp: Timestamp::NONE, offset: base_offset };
        let directory = Arc::clone(directory);
        let mut segment = Self {
            owner: disk.new_owner(),
            base_offset,
            end_offset,
            size,
            index_entries: 0,
            time_index_entries: 0,
            transactions: TransactionIndex::default(),
            newest,
            first_timestamp: OnceLock::new(),
            replaced: AtomicBool::new(false),
            modified,
            directory,
        };
        let open = |suffix| match disk.fs().open(&segment.path(suffix), OpenMode::Read) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        };
        let (Some(index), Some(times)) = (open(files::INDEX)?, open(files::TIME_INDEX)?) else {
            return Ok(None);
        };
        let (Some(last), Some(newest)) = (last_entry::<OffsetEntry>(&*index)?, last_entry::<TimeEntry>(&*times)?)
        else {
            return Ok(None);
        };
        (segment.index_entries, segment.time_index_entries) = (last.0, newest.0);
        if let Some(entry) = newest.1 {
            let offset = base_offset.plus(i64::from(entry.relative_offset));
            segment.newest = Newest { timestamp: Timestamp(entry.timestamp), offset };
        }
        if segment.newest.offset >= end_offset && newest.1.is_some() {
            return Ok(None);
        }
        if has_transactions {
            let path = segment.path(files::TRANSACTION_INDEX);
            match TransactionIndex::open(disk.fs(), &path, [base_offset, end_offset])? {
                Some(transactions) => segment.transactions = transactions,
                None => return Ok(None),
            }
        }
        let file = segment.open_file(disk)?;
        let sound = match last.1 {
            Some(entry) => segment.agrees(&*file, entry)?,
            None => true,
        };
        let timed = newest.1.is_some() || !segment.first_has_timestamp(&*file)?;
        Ok((sound && timed).then_some(segment))
    }

    /// True when the segment's first batch has a timestamp, so that there must be a time index.
    fn first_has_timestamp(&self, file: &dyn File) -> Result<bool, ScanError> {
        let first = Scanner::new(file, 0, self.size, BATCH_HEADER_BYTES).next()?;
        Ok(first.is_some_and(|batch| batch.header.max_timestamp.0 >= 0))
    }

    /// The largest timestamp of the first batch; -1 when there is none. Read from the file the first time.
    pub(crate) fn first_timestamp(&self, disk: &Disk) -> Result<Timestamp, ScanError> {
        if let Some(known) = self.first_timestamp.get() {
            return Ok(*known);
        }
        let file = self.open_file(disk)?;
        let first = Scanner::new(&*file, 0, self.size, BATCH_HEADER_BYTES).next()?;
        let timestamp = first.map_or(Timestamp::NONE, |batch| batch.header.max_timestamp);
        Ok(*self.first_timestamp.get_or_init(|| timestamp))
    }

    /// Bytes of the offset index and of the time index.
    pub(crate) fn index_bytes(&self) -> [u64; 2] {
        [self.index_entries * OffsetEntry::BYTES as u64, self.time_index_entries * TimeEntry::BYTES as u64]
    }

    /// From now on its names may be another segment's.
    pub(crate) fn mark_replaced(&self) {
        self.replaced.store(true, Ordering::SeqCst);
    }

    /// True when what was read under its names may be another segment's. To be asked after reading.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::SeqCst)
    }

    fn agrees(&self, file: &dyn File, entry: OffsetEntry) -> Result<bool, ScanError> {
        let offset = self.base_offset.plus(i64::from(entry.relative_offset));
        let at = u64::from(entry.position);
        if at >= self.size || offset >= self.end_offset {
            return Ok(false);
        }
        match Scanner::new(file, at, self.size, BATCH_HEADER_BYTES).next() {
            Ok(batch) => Ok(batch.is_some_and(|batch| batch.header.last_offset() == offset)),
            Err(ScanError::Batch { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// As it would be found in its directory.
    pub(crate) fn found(&self) -> FoundSegment {
        FoundSegment {
            base_offset: self.base_offset,
            size: self.size,
            modified: self.modified,
            has_transactions: self.transactions.entries > 0,
            index_bytes: Some(self.index_entries * OffsetEntry::BYTES as u64),
            time_index_bytes: Some(self.time_index_entries * TimeEntry::BYTES as u64),
        }
    }

    pub(crate) fn path(&self, suffix: &str) -> PathBuf {
        files::path(&self.directory, self.base_offset, suffix)
    }

    /// The batches, open for reading.
    pub(crate) fn open_file(&self, disk: &Disk) -> Result<Arc<dyn File>, IoError> {
        disk.reader(self.owner, files::LOG, &self.path(files::LOG))
    }

    /// What may be looked at of `file`, which is this segment's.
    pub(crate) fn span<'f>(&self, file: &'f dyn File) -> Span<'f> {
        Span { file, base_offset: self.base_offset, size: self.size }
    }

    /// Where to start looking for `offset`.
    pub(crate) fn hint(&self, disk: &Disk, offset: Offset) -> Result<u64, IoError> {
        if self.index_entries == 0 {
            return Ok(0);
        }
        let index = disk.reader(self.owner, files::INDEX, &self.path(files::INDEX))?;
        let relative = u32::try_from(offset.0.saturating_sub(self.base_offset.0)).unwrap_or(u32::MAX);
        let count = self.index_entries.min(index.length()? / OffsetEntry::BYTES as u64);
        let entry = last_below(&*index, count, |entry: &OffsetEntry| entry.relative_offset <= relative)?;
        Ok(entry.map_or(0, |entry| u64::from(entry.position)))
    }

    /// A batch's position from which on at least `bytes` bytes follow, as far as the index knows one.
    pub(crate) fn tail_hint(&self, disk: &Disk, bytes: u64) -> Result<u64, IoError> {
        let latest = self.size.saturating_sub(bytes);
        if latest == 0 || self.index_entries == 0 {
            return Ok(0);
        }
        let index = disk.reader(self.owner, files::INDEX, &self.path(files::INDEX))?;
        let count = self.index_entries.min(index.length()? / OffsetEntry::BYTES as u64);
        let entry = last_below(&*index, count, |entry: &OffsetEntry| u64::from(entry.position) <= latest)?;
        Ok(entry.map_or(0, |entry| u64::from(entry.position)))
    }

    /// An offset from which on nothing lies below byte `position`, as far as the index knows one.
    pub(crate) fn offset_bound(&self, disk: &Disk, position: u64) -> Result<Offset, IoError> {
        if self.index_entries == 0 {
            return Ok(self.end_offset);
        }
        let index = disk.reader(self.owner, files::INDEX, &self.path(files::INDEX))?;
        let count = self.index_entries.min(index.length()? / OffsetEntry::BYTES as u64);
        let entry = first_not_below(&*index, count, |entry: &OffsetEntry| u64::from(entry.position) < position)?;
        Ok(entry.map_or(self.end_offset, |entry| self.base_offset.plus(i64::from(entry.relative_offset))))
    }

    /// Adds transactions that a replay has found, whose markers the segment holds: the index is complete then.
    pub(crate) fn complete_transactions(&mut self, fs: &dyn Fs, aborted: &[AbortedTransaction]) -> Result<(), IoError> {
        let path = self.path(files::TRANSACTION_INDEX);
        for transaction in aborted {
            self.transactions.stage(fs, &path, *transaction)?;
            self.transactions.count_staged();
        }
        self.transactions.incomplete = false;
        Ok(())
    }

    /// An offset at or before which no record of this segment has `timestamp` or a later one.
    pub(crate) fn offset_before(&self, disk: &Disk, timestamp: Timestamp) -> Result<Offset, IoError> {
        if self.time_index_entries == 0 {
            return Ok(self.base_offset);
        }
        let index = disk.reader(self.owner, files::TIME_INDEX, &self.path(files::TIME_INDEX))?;
        let count = self.time_index_entries.min(index.length()? / TimeEntry::BYTES as u64);
        let entry = last_below(&*index, count, |entry: &TimeEntry| entry.timestamp < timestamp.0)?;
        Ok(entry.map_or(self.base_offset, |entry| self.base_offset.plus(i64::from(entry.relative_offset))))
    }

    /// The age that retention goes by.
    pub(crate) fn retention_timestamp(&self) -> Timestamp {
        if self.newest.timestamp.0 >= 0 { self.newest.timestamp } else { self.modified }
    }
}
