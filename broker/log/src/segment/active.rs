//! The segment that is appended to: its indexes of offsets and times in memory, its file open. Knows when it is full; who rolls it is the log.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use barnabas_records::{BatchError, BatchHeader};
use barnabas_types::{Offset, Timestamp};

use super::file::SegmentFile;
use super::index::{Entry, GrowingIndex};
use super::lookup::Span;
use super::offset_index::OffsetEntry;
use super::padding::Padding;
use super::recent::{Place, Recent};
use super::scan::{SEQUENTIAL_BYTES, ScanError, Scanner};
use super::sealed::SealedSegment;
use super::time_index::{Newest, TimeEntry};
use super::transaction_index::{AbortedTransaction, TransactionIndex};
use crate::LogConfig;
use crate::files;
use crate::fs::{Disk, File, Fs, IoError, write_all_at};
use crate::leftovers::FoundSegment;
use crate::log::Dirty;

/// The active segment.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) base_offset: Offset,
    /// The offset that the next batch gets at least.
    pub(crate) next_offset: Offset,
    file: SegmentFile,
    /// Bytes of whole batches; what the file may hold beyond is not the log's.
    pub(crate) size: u64,
    pub(crate) newest: Newest,
    /// The largest timestamp of the first batch, none while empty.
    first_timestamp: Option<Timestamp>,
    created: Timestamp,
    directory: Arc<Path>,
    /// What its files' names end with while it is being written in the place of others.
    ending: &'static str,
    offsets: GrowingIndex<OffsetEntry>,
    times: GrowingIndex<TimeEntry>,
    pub(crate) transactions: TransactionIndex,
    bytes_since_index_entry: u64,
    padding: Padding,
    /// None while nothing was appended: most segments rest.
    recent: Option<Box<Recent>>,
}

/// What made [`ActiveSegment::rebuild`] stop before the end of the file.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Where the bytes begin that are no batch.
    pub(crate) position: u64,
    /// Why they are none.
    pub(crate) error: BatchError,
    /// The lowest offset that they may hold.
    pub(crate) offset: Offset,
}

impl ActiveSegment {
    /// An empty segment from `base_offset` on; what lay under its names before is gone.
    pub(crate) fn create(
        disk: &Disk,
        directory: &Arc<Path>,
        base_offset: Offset,
        now: Timestamp,
    ) -> Result<Self, IoError> {
        Self::create_as(disk, directory, base_offset, "", now)
    }

    /// As [`ActiveSegment::create`], with `ending` behind the names of its files.
    pub(crate) fn create_as(
        disk: &Disk,
        directory: &Arc<Path>,
        base_offset: Offset,
        ending: &'static str,
        now: Timestamp,
    ) -> Result<Self, IoError> {
        let path = |suffix| files::path(directory, base_offset, &format!("{suffix}{ending}"));
        Ok(Self {
            base_offset,
            next_offset: base_offset,
            file: match ending {
                "" => SegmentFile::create(disk, &path(files::LOG))?,
                _ => SegmentFile::create_apart(disk, &path(files::LOG))?,
            },
            size: 0,
            newest: Newest { timestamp: Timestamp::NONE, offset: base_offset },
            first_timestamp: None,
            created: now,
            directory: Arc::clone(directory),
            ending,
            offsets: GrowingIndex::create(disk.fs(), &path(files::INDEX))?,
            times: GrowingIndex::create(disk.fs(), &path(files::TIME_INDEX))?,
            transactions: TransactionIndex::default(),
            bytes_since_index_entry: 0,
            padding: Padding::default(),
            recent: None,
        })
    }

    /// Takes up the segment whose files lie under its names, as one that is empty.
    fn attach(
        disk: &Disk,
        directory: &Arc<Path>,
        found: &FoundSegment,
        [offsets, times]: [Option<u64>; 2],
    ) -> Result<Self, IoError> {
        let FoundSegment { base_offset, modified, .. } = *found;
        let path = |suffix| files::path(directory, base_offset, suffix);
        Ok(Self {
            base_offset,
            next_offset: base_offset,
            file: SegmentFile::at_rest(disk),
            size: 0,
            newest: Newest { timestamp: Timestamp::NONE, offset: base_offset },
            first_timestamp: None,
            created: modified,
            directory: Arc::clone(directory),
            ending: "",
            offsets: GrowingIndex::open(disk.fs(), &path(files::INDEX), offsets)?,
            times: GrowingIndex::open(disk.fs(), &path(files::TIME_INDEX), times)?,
            transactions: TransactionIndex::default(),
            bytes_since_index_entry: 0,
            padding: Padding::default(),
            recent: None,
        })
    }

    /// Opens a segment after a clean shutdown, trusting its indexes as far as they can be checked: walks only
    /// the batches after the last index entry. None when that shows that indexes or batches are not sound.
    pub(crate) fn open(disk: &Disk, directory: &Arc<Path>, found: &FoundSegment) -> Result<Option<Self>, IoError> {
        let mut segment = Self::attach(disk, directory, found, [found.index_bytes, found.time_index_bytes])?;
        segment.size = found.size;
        match segment.find_end(disk) {
            Ok(true) => {}
            Ok(false) | Err(ScanError::Batch { .. }) => return Ok(None),
            Err(ScanError::Io(error)) => return Err(error),
        }
        if !found.has_transactions {
            return Ok(Some(segment));
        }
        let offsets = [found.base_offset, segment.next_offset];
        Ok(TransactionIndex::open(disk.fs(), &segment.transaction_path(), offsets)?.map(|transactions| {
            segment.transactions = transactions;
            segment
        }))
    }

    fn find_end(&mut self, disk: &Disk) -> Result<bool, ScanError> {
        if self.size == 0 {
            return Ok(self.offsets.entries().is_empty() && self.times.entries().is_empty());
        }
        let file = self.file(disk)?;
        let last = match self.offsets.entries().last().map(|entry| u64::from(entry.position)) {
            Some(past) if past >= self.size => return Ok(false),
            last => last.unwrap_or(0),
        };
        let mut scanner = Scanner::looking_up(&*file, last, self.size);
        let mut expected = None;
        while let Some(batch) = scanner.next()? {
            let header = &batch.header;
            if header.base_offset < expected.unwrap_or(self.base_offset) || header.last_offset_delta < 0 {
                return Ok(false);
            }
            expected = Some(header.next_offset());
        }
        self.next_offset = expected.unwrap_or(self.base_offset);
        if let Some(first) = Scanner::looking_up(&*file, 0, self.size).next()? {
            self.first_timestamp = Some(first.header.max_timestamp);
        }
        let entries = self.times.entries();
        let sorted = entries.is_sorted_by(|left, right| left.timestamp < right.timestamp);
        let inside =
            entries.iter().all(|entry| self.base_offset.plus(i64::from(entry.relative_offset)) < self.next_offset);
        if sorted && inside {
            self.find_newest(&*file)?;
        }
        Ok(sorted && inside)
    }

    /// Reads the whole segment, checks every batch, and builds its indexes anew, but for the aborted
    /// transactions, which only a replay of producers tells. Stops at the first bytes that are no sound batch in sequence; what
    /// follows them is not the segment's. `note` sees every sound batch.
    pub(crate) fn rebuild(
        disk: &Disk,
        directory: &Arc<Path>,
        found: &FoundSegment,
        config: &LogConfig,
        mut note: impl FnMut(&BatchHeader),
    ) -> Result<(Self, Option<Stop>), IoError> {
        let FoundSegment { base_offset, size, .. } = *found;
        let path = |suffix| files::path(directory, base_offset, suffix);
        if found.has_transactions {
            disk.fs().remove_file(&path(files::TRANSACTION_INDEX))?;
        }
        // Those of a segment that was never closed are there, and empty.
        let empty = [found.index_bytes, found.time_index_bytes].map(|bytes| bytes.filter(|bytes| *bytes == 0));
        let mut segment = Self::attach(disk, directory, found, empty)?;
        let file = segment.file.keep_open(disk, found.size, || path(files::LOG))?;
        let mut before_gap = None;
        let mut scanner = Scanner::new(&*file, 0, size, SEQUENTIAL_BYTES);
        loop {
            let batch = scanner.next().and_then(|batch| match batch {
                Some(batch) => scanner.check_crc(&batch).map(|()| Some(batch)),
                None => Ok(None),
            });
            let batch = match batch {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok((segment, None)),
                Err(ScanError::Io(error)) => return Err(error),
                Err(ScanError::Batch { position, error }) => {
                    let offset = segment.next_offset;
                    return Ok((segment, Some(Stop { position, error, offset })));
                }
            };
            let header = &batch.header;
            let relative = header.last_offset().0.saturating_sub(base_offset.0);
            if header.base_offset < segment.next_offset
                || header.last_offset_delta < 0
                || relative > i64::from(i32::MAX)
            {
                let error = BatchError::Length { position: 0, length: header.last_offset_delta };
                // No CRC covers a base offset: it may be the batch before that jumped ahead, if there is a gap before it.
                let offset = before_gap.map_or(segment.next_offset, |before| header.base_offset.max(before));
                return Ok((segment, Some(Stop { position: batch.position, error, offset })));
            }
            before_gap = Some(segment.next_offset).filter(|next| header.base_offset > *next);
            segment.note(config, header);
            segment.transactions.incomplete |= header.attributes.is_control() && header.attributes.is_transactional();
            note(header);
        }
    }

    /// The batches, open for reading and writing.
    pub(crate) fn file(&self, disk: &Disk) -> Result<Arc<dyn File>, IoError> {
        self.file.open(disk, self.size, || self.path(files::LOG))
    }

    /// The batches, if they are open.
    pub(crate) fn opened_file(&self) -> Option<Arc<dyn File>> {
        self.file.opened()
    }

    pub(crate) fn path(&self, suffix: &str) -> PathBuf {
        if self.ending.is_empty() {
            return files::path(&self.directory, self.base_offset, suffix);
        }
        files::path(&self.directory, self.base_offset, &format!("{suffix}{}", self.ending))
    }

    /// What may be looked at of `file`, which is this segment's.
    pub(crate) fn span<'f>(&self, file: &'f dyn File) -> Span<'f> {
        Span { file, base_offset: self.base_offset, size: self.size }
    }

    /// True when a batch of `size` bytes with this `header` must go to a new segment.
    pub(crate) fn must_roll(&self, config: &LogConfig, header: &BatchHeader, size: u64, now: Timestamp) -> bool {
        if self.size == 0 {
            return false;
        }
        let waited = match self.first_timestamp {
            Some(first) if first.0 >= 0 => header.max_timestamp.0.saturating_sub(first.0),
            _ => now.0.saturating_sub(self.created.0),
        };
        let relative = header.last_offset().0.saturating_sub(self.base_offset.0);
        let index_bytes = config.segment_index_bytes as usize;
        self.size.saturating_add(size) > u64::from(config.segment_bytes)
            || waited > config.roll_ms().saturating_sub(self.jitter_ms(config))
            || relative > i64::from(i32::MAX)
            || self.offsets.size_bytes() + OffsetEntry::BYTES > index_bytes
            || self.times.size_bytes() + 2 * TimeEntry::BYTES > index_bytes
    }

    /// Spreads the rolls of segments that began together. Derived from the names, so that it needs no randomness.
    fn jitter_ms(&self, config: &LogConfig) -> i64 {
        let mut seed = self.base_offset.0.cast_unsigned();
        for byte in self.directory.as_os_str().as_encoded_bytes() {
            seed = (seed ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        match config.segment_jitter_ms.min(config.roll_ms()) {
            limit if limit > 0 => (seed >> 1).cast_signed() % limit,
            _ => 0,
        }
    }

    /// Appends the batch of `header`, whose bytes, header included, are `pieces`, and which may be the marker of the transaction
    /// `aborted`; nothing is noted unless all were written.
    pub(crate) fn append(
        &mut self,
        disk: &Disk,
        config: &LogConfig,
        header: &BatchHeader,
        pieces: &mut [IoSlice<'_>],
        aborted: Option<AbortedTransaction>,
    ) -> Result<(), IoError> {
        let size = header.size_bytes() as u64;
        if let Some(aborted) = aborted {
            self.stage(disk.fs(), aborted)?;
        }
        let (directory, base_offset) = (&self.directory, self.base_offset);
        let file = self.file.keep_open(disk, self.size, || files::path(directory, base_offset, files::LOG))?;
        if config.preallocate {
            self.padding.allocate(&*file, self.size, u64::from(config.segment_bytes))?;
        }
        if !self.padding.write(&*file, pieces, self.size, size)
            && let Err(error) = write_all_at(&*file, pieces, self.size)
        {
            // What did get written lies past the log's end: the next append overwrites it and recovery cuts it off.
            if file.set_length(self.size).is_ok() {
                self.padding.forget();
            }
            return Err(error);
        }
        self.note(config, header);
        // One that was staged by an append which then failed does not count.
        if aborted.is_some() {
            self.transactions.count_staged();
        }
        Ok(())
    }

    fn stage(&mut self, fs: &dyn Fs, aborted: AbortedTransaction) -> Result<(), IoError> {
        let path = self.transaction_path();
        self.transactions.stage(fs, &path, aborted)
    }

    /// Adds transactions that a replay has found, whose markers the segment holds: the index is complete then.
    pub(crate) fn complete_transactions(&mut self, fs: &dyn Fs, aborted: &[AbortedTransaction]) -> Result<(), IoError> {
        for transaction in aborted {
            self.stage(fs, *transaction)?;
            self.transactions.count_staged();
        }
        self.transactions.incomplete = false;
        Ok(())
    }

    pub(crate) fn transaction_path(&self) -> PathBuf {
        self.path(files::TRANSACTION_INDEX)
    }

    /// Gives the next `bytes` bytes their place on the disk, unless the next `needed` ones have it.
    pub(crate) fn reserve(&mut self, disk: &Disk, bytes: u64, needed: u64) -> Result<(), IoError> {
        let end = |bytes: u64| self.size.saturating_add(bytes);
        if self.padding.reaches(end(needed)) {
            return Ok(());
        }
        let (file, all, least) = (self.file(disk)?, end(bytes), end(needed));
        match self.padding.allocate(&*file, self.size, all) {
            Err(error) if error.is_out_of_space() => self.padding.allocate(&*file, self.size, least),
            allocated => allocated,
        }
    }

    /// A sync covered the first `size` bytes.
    pub(crate) fn synced(&mut self, size: u64) {
        self.padding.synced(size);
    }

    /// Takes away what lies in the file past the batches.
    pub(crate) fn trim(&mut self, disk: &Disk) -> Result<(), IoError> {
        if !self.padding.is_there(self.size) {
            return Ok(());
        }
        let file = self.file(disk)?;
        self.padding.take_off(&*file, self.size)
    }

    fn relative(&self, offset: Offset) -> u32 {
        u32::try_from(offset.0.saturating_sub(self.base_offset.0)).unwrap_or(u32::MAX)
    }

    /// Notes the batch of `header`, the next in the file, whoever has written or will write its bytes there.
    pub(crate) fn note(&mut self, config: &LogConfig, header: &BatchHeader) {
        let (position, size) = (self.size, header.size_bytes() as u64);
        let (base_offset, last_offset) = (header.base_offset, header.last_offset());
        self.recent.get_or_insert_default().push(Place { base_offset, last_offset, position, bytes: size });
        self.size += size;
        self.next_offset = header.next_offset();
        self.first_timestamp.get_or_insert(header.max_timestamp);
        if header.max_timestamp > self.newest.timestamp {
            self.newest = Newest { timestamp: header.max_timestamp, offset: header.last_offset() };
        }
        let due = self.bytes_since_index_entry > u64::from(config.index_interval_bytes);
        self.bytes_since_index_entry = if due { size } else { self.bytes_since_index_entry + size };
        if due {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            self.offsets.push(OffsetEntry { relative_offset: self.relative(header.last_offset()), position });
            self.note_time();
        }
    }

    /// Adds the newest record to the time index unless it is there.
    fn note_time(&mut self) {
        let last = self.times.entries().last().map_or(-1, |entry| entry.timestamp);
        if self.newest.timestamp.0 > last {
            let relative_offset = self.relative(self.newest.offset);
            self.times.push(TimeEntry { timestamp: self.newest.timestamp.0, relative_offset });
        }
    }

    /// Where the batch with `offset` lies, if it is one of the newest.
    pub(crate) fn place(&self, offset: Offset) -> Option<Place> {
        self.recent.as_ref()?.holding(offset)
    }

    /// Where to start looking for `offset`.
    pub(crate) fn hint(&self, offset: Offset) -> u64 {
        let relative = self.relative(offset);
        let entries = self.offsets.entries();
        let after = entries.partition_point(|entry| entry.relative_offset <= relative);
        after.checked_sub(1).and_then(|index| entries.get(index)).map_or(0, |entry| u64::from(entry.position))
    }

    /// A batch's position from which on at least `bytes` bytes follow, as far as the index knows one.
    pub(crate) fn tail_hint(&self, bytes: u64) -> u64 {
        let latest = self.size.saturating_sub(bytes);
        let entries = self.offsets.entries();
        let after = entries.partition_point(|entry| u64::from(entry.position) <= latest);
        after.checked_sub(1).and_then(|index| entries.get(index)).map_or(0, |entry| u64::from(entry.position))
    }

    /// An offset from which on nothing lies below byte `position`, as far as the index knows one.
    pub(crate) fn offset_bound(&self, position: u64) -> Offset {
        let entries = self.offsets.entries();
        let from = entries.partition_point(|entry| u64::from(entry.position) < position);
        let entry = entries.get(from);
        entry.map_or(self.next_offset, |entry| self.base_offset.plus(i64::from(entry.relative_offset)))
    }

    /// An offset at or before which no record of this segment has `timestamp` or a later one.
    pub(crate) fn offset_before(&self, timestamp: Timestamp) -> Offset {
        let entries = self.times.entries();
        let after = entries.partition_point(|entry| entry.timestamp < timestamp.0);
        let entry = after.checked_sub(1).and_then(|index| entries.get(index));
        entry.map_or(self.base_offset, |entry| self.base_offset.plus(i64::from(entry.relative_offset)))
    }

    /// Writes the indexes out, complete: the newest record closes the time index.
    pub(crate) fn write_indexes(&mut self, fs: &dyn Fs) -> Result<(), IoError> {
        self.note_time();
        self.offsets.write_out(fs, &self.path(files::INDEX))?;
        self.times.write_out(fs, &self.path(files::TIME_INDEX))?;
        let path = self.transaction_path();
        self.transactions.trim(fs, &path)
    }

    /// What has to be synced for the segment to be durable, once [`ActiveSegment::write_indexes`] has run.
    pub(crate) fn dirty(&self) -> impl Iterator<Item = Dirty> {
        let batches = match self.opened_file() {
            Some(file) => Dirty::File(file),
            None => Dirty::Path(self.path(files::LOG)),
        };
        let transactions = (self.transactions.entries > 0).then(|| Dirty::Path(self.transaction_path()));
        let indexes = [files::INDEX, files::TIME_INDEX].map(|suffix| Dirty::Path(self.path(suffix)));
        std::iter::once(batches).chain(indexes).chain(transactions)
    }

    /// What remains when another segment becomes the active one.
    pub(crate) fn seal(&self, end_offset: Offset, now: Timestamp) -> SealedSegment {
        SealedSegment {
            owner: self.file.owner,
            base_offset: self.base_offset,
            end_offset,
            size: self.size,
            index_entries: self.offsets.entries().len() as u64,
            time_index_entries: self.times.entries().len() as u64,
            transactions: self.transactions,
            newest: self.newest,
            first_timestamp: self.first_timestamp.map_or_else(OnceLock::new, OnceLock::from),
            replaced: AtomicBool::new(false),
            modified: now,
            directory: Arc::clone(&self.directory),
        }
    }

    /// Cuts the segment at `position`, where the batch with `next_offset` or a later one began.
    pub(crate) fn truncate(&mut self, disk: &Disk, position: u64, next_offset: Offset) -> Result<(), ScanError> {
        let (relative, fs, file) = (self.relative(next_offset), disk.fs(), self.file(disk)?);
        file.set_length(position)?;
        self.padding = Padding::default();
        self.recent = None;
        self.size = position;
        self.next_offset = next_offset;
        let kept = self.offsets.entries().partition_point(|entry| entry.relative_offset < relative);
        self.offsets.truncate(fs, &self.path(files::INDEX), kept)?;
        let kept = self.times.entries().partition_point(|entry| entry.relative_offset < relative);
        self.times.truncate(fs, &self.path(files::TIME_INDEX), kept)?;
        let path = self.transaction_path();
        self.transactions.truncate(fs, &path, next_offset)?;
        self.bytes_since_index_entry = 0;
        self.find_newest(&*file)?;
        if position == 0 {
            self.first_timestamp = None;
        }
        Ok(())
    }

    /// What the time index knows, and whatever newer batch follows its last entry.
    fn find_newest(&mut self, file: &dyn File) -> Result<(), ScanError> {
        self.newest = match self.times.entries().last() {
            Some(last) => Newest {
                timestamp: Timestamp(last.timestamp),
                offset: self.base_offset.plus(i64::from(last.relative_offset)),
            },
            None => Newest { timestamp: Timestamp::NONE, offset: self.base_offset },
        };
        let mut newest = self.newest;
        let mut scanner = Scanner::looking_up(file, self.hint(newest.offset), self.size);
        while let Some(batch) = scanner.next()? {
            if batch.header.max_timestamp > newest.timestamp {
                newest = Newest { timestamp: batch.header.max_timestamp, offset: batch.header.last_offset() };
            }
        }
        self.newest = newest;
        Ok(())
    }

    /// The paths of the segment's files.
    pub(crate) fn paths(&self) -> [PathBuf; 4] {
        [files::LOG, files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX].map(|suffix| self.path(suffix))
    }
}
