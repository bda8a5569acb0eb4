//! One pass: the map of the dirty part's keys, then group after group of segments written anew and put in place. Runs outside the
//! log's lock and takes it for the moments in which names change.

use std::collections::HashMap;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use barnabas_records::control::ControlRecord;
use barnabas_records::{BatchHeader, BatchView, BuildError, DecompressLimits, RecordError, Records};
use barnabas_types::{Offset, ProducerId, Timestamp};

use super::filter::{Filter, LastBatch, Left};
use super::map::OffsetMap;
use super::source::Source;
use super::swap::{Written, remove_written};
use super::transactions::{Part, Transactions};
use super::{Cleanable, Compacted, CompactionError, CompactionLimits, CompactionTicket, Compactor, facts, plan};
use crate::LogConfig;
use crate::files;
use crate::fs::{Disk, IoError, OpenMode, Operation, write_all_at};
use crate::log::Log;
use crate::read::damaged;
use crate::segment::{AbortedTransaction, ActiveSegment, SealedSegment, batch_at_or_after};

impl CompactionTicket {
    /// Compacts, and tells the log how far. Reads and writes whole segments; [`Compactor::go_on`] says how fast.
    ///
    /// # Errors
    /// See [`CompactionError`]. What was not replaced is as it was.
    pub fn run<C: Compactor>(self, limits: &CompactionLimits, compactor: &mut C) -> Result<Compacted, CompactionError> {
        let Self { cleanable, aborted, last_batches } = self;
        let (cuts, segments) = (cleanable.cuts, cleanable.segments.clone());
        let result = aborted.run().map_err(CompactionError::from).and_then(|aborted| {
            let aborted = aborted.ok_or(CompactionError::Overtaken)?;
            let round_end = segments.last().map_or(cleanable.first_dirty, |last| last.end_offset);
            let last_batches = last_batches.into_iter().collect();
            Pass { cleanable, limits: *limits, aborted, last_batches, round_end, compactor }.run()
        });
        match result {
            // What was read may have been cut short or removed: it says nothing about the log.
            Err(_) if compactor.with_log(|log| log.cuts != cuts || !log.has_all(&segments)) => {
                Err(CompactionError::Overtaken)
            }
            result => result,
        }
    }
}

impl Log {
    /// A pass is through: all below `offset` is clean, unless the log was cut meanwhile.
    fn cleaned(&mut self, offset: Offset, cuts: u64) -> bool {
        let holds = !self.offline && self.cuts == cuts;
        if holds {
            self.cleaned_to = offset;
        }
        holds
    }

    /// True while the log has all of `segments` that compaction has not replaced.
    fn has_all(&self, segments: &[Arc<SealedSegment>]) -> bool {
        let has = |segment: &Arc<SealedSegment>| self.sealed.iter().any(|other| Arc::ptr_eq(segment, other));
        segments.iter().all(|segment| segment.is_replaced() || has(segment))
    }
}

struct Pass<'c, C> {
    cleanable: Cleanable,
    limits: CompactionLimits,
    aborted: Vec<AbortedTransaction>,
    last_batches: HashMap<ProducerId, LastBatch>,
    /// Where what may be compacted ends.
    round_end: Offset,
    compactor: &'c mut C,
}

/// What a batch of control records begins with; none when an earlier pass has emptied it.
fn first_control(batch: &BatchView<'_>) -> Result<Option<ControlRecord>, RecordError> {
    let mut records = Records::new(batch, DecompressLimits::default())?;
    // One that cannot be understood ends nothing, and stays.
    let unknown = ControlRecord::Unknown { control_type: -1 };
    Ok(records.next()?.map(|record| ControlRecord::decode(&record).unwrap_or(unknown)))
}

fn part(transactions: &mut Transactions, batch: &BatchView<'_>) -> Result<Part, RecordError> {
    let header = batch.header();
    if header.attributes.is_control() {
        Ok(transactions.control(header, first_control(batch)?.as_ref()))
    } else {
        Ok(transactions.data(header))
    }
}

impl<C: Compactor> Pass<'_, C> {
    fn run(mut self) -> Result<Compacted, CompactionError> {
        let (map, mapped_end) = self.map()?;
        let mut done = Compacted {
            dirty: [self.cleanable.first_dirty, mapped_end],
            map_was_full: mapped_end < self.round_end,
            keys: map.len(),
            ..Compacted::default()
        };
        self.clean(&map, mapped_end, &mut done)?;
        let cuts = self.cleanable.cuts;
        let holds = self.compactor.with_log(|log| log.cleaned(mapped_end, cuts));
        if holds { Ok(done) } else { Err(CompactionError::Overtaken) }
    }

    fn go_on(&mut self, bytes: u64) -> Result<(), CompactionError> {
        if bytes == 0 || self.compactor.go_on(bytes) { Ok(()) } else { Err(CompactionError::Stopped) }
    }

    /// The last offset of each key from the first dirty offset on, as far as there is room, and up to where that is.
    fn map(&mut self) -> Result<(OffsetMap, Offset), CompactionError> {
        let first_dirty = self.cleanable.first_dirty;
        let mut map = OffsetMap::new(self.limits.map_bytes, self.limits.map_load_factor);
        let ahead = self.aborted.iter().filter(|transaction| transaction.last_offset >= first_dirty);
        let mut transactions = Transactions::new(ahead.copied().collect());
        let dirty = self.cleanable.segments.iter().filter(|segment| segment.end_offset > first_dirty);
        for segment in dirty.map(Arc::clone).collect::<Vec<_>>() {
            if let Some(end) = self.map_segment(&segment, &mut map, &mut transactions)? {
                return Ok((map, end));
            }
        }
        Ok((map, self.round_end))
    }

    /// Puts the segment's keys into the map; the offset of the first record for which there was no room.
    fn map_segment(
        &mut self,
        segment: &SealedSegment,
        map: &mut OffsetMap,
        transactions: &mut Transactions,
    ) -> Result<Option<Offset>, CompactionError> {
        let (first_dirty, path) = (self.cleanable.first_dirty, segment.path(files::LOG));
        let file = segment.open_file(&self.cleanable.disk)?;
        let hint = segment.hint(&self.cleanable.disk, first_dirty)?;
        let first = batch_at_or_after(segment.span(&*file), hint, first_dirty);
        let Some(first) = first.map_err(|error| damaged(error, || path.clone()))? else { return Ok(None) };
        let mut source = Source::new(&*file, &path, first.position, segment.size, self.limits.buffer_bytes);
        while let Some((position, batch)) = source.next()? {
            let in_records = |error| CompactionError::in_records(error, path.clone(), position);
            let is_control = batch.header().attributes.is_control();
            if part(transactions, &batch).map_err(in_records)? != Part::Aborted && !is_control {
                let full = put_keys(&batch, first_dirty, map).map_err(in_records)?;
                if full.is_some() {
                    return Ok(full);
                }
            }
            let bytes = source.take_read_bytes();
            self.go_on(bytes)?;
        }
        Ok(None)
    }

    /// Writes every segment anew in which the map may have overtaken something.
    fn clean(&mut self, map: &OffsetMap, mapped_end: Offset, done: &mut Compacted) -> Result<(), CompactionError> {
        let mut segments = self.cleanable.segments.clone();
        segments.retain(|segment| segment.base_offset < mapped_end);
        let all: Vec<_> = segments.iter().map(|segment| facts(segment)).collect();
        let last_batches = std::mem::take(&mut self.last_batches);
        let filter = Filter {
            map,
            mapped_end,
            round_end: self.round_end,
            now: self.cleanable.now,
            delete_retention_ms: self.cleanable.config.delete_retention_ms,
            last_batches: &last_batches,
        };
        let mut transactions = Transactions::new(std::mem::take(&mut self.aborted));
        for range in plan::groups(&all, &self.cleanable.config) {
            let group = segments.get(range).unwrap_or_default();
            let written = self.write(group, &filter, &mut transactions, done);
            if written.is_err()
                && let Some(first) = group.first()
            {
                // What stays behind if this fails too is removed when the log is opened.
                _ = remove_written(self.cleanable.disk.fs(), &first.directory, first.base_offset);
            }
            if let Some(written) = written? {
                self.swap(written)?;
            }
        }
        Ok(())
    }

    /// Writes a group as one segment. None when it is one segment already and all of it stays.
    fn write(
        &mut self,
        group: &[Arc<SealedSegment>],
        filter: &Filter<'_>,
        transactions: &mut Transactions,
        done: &mut Compacted,
    ) -> Result<Option<Written>, CompactionError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(None) };
        let (disk, config) = (Arc::clone(&self.cleanable.disk), self.cleanable.config);
        let mut target = Target::create(&disk, &first.directory, first.base_offset, last.modified)?;
        let mut changed = group.len() > 1;
        for segment in group {
            let (file, path) = (segment.open_file(&disk)?, segment.path(files::LOG));
            let mut source = Source::new(&*file, &path, 0, segment.size, self.limits.buffer_bytes);
            while let Some((position, batch)) = source.next()? {
                let in_records = |error| CompactionError::in_records(error, path.clone(), position);
                let in_batch = |error| CompactionError::in_batch(error, path.clone(), position);
                let part = part(transactions, &batch).map_err(in_records)?;
                target.aborted.extend(part.aborted());
                let (left, kept) = filter.apply(&batch, part).map_err(in_batch)?;
                changed |= left != Left::All;
                if !batch.header().attributes.is_control() {
                    count(&mut done.records, u64::try_from(batch.header().record_count).unwrap_or(0), kept);
                }
                target.take(&config, &batch, left).map_err(|error| in_batch(error.into()))?;
                let mut bytes = source.take_read_bytes();
                if target.buffer.len() >= self.limits.buffer_bytes {
                    bytes += target.write_out(&disk)?;
                }
                self.go_on(bytes)?;
            }
        }
        count(&mut done.bytes, group.iter().map(|segment| segment.size).sum(), target.segment.size);
        let [before, after] = &mut done.segments;
        (*before, *after) = (*before + group.len(), *after + 1);
        if !changed {
            remove_written(disk.fs(), &first.directory, first.base_offset)?;
            return Ok(None);
        }
        let bytes = target.write_out(&disk)?;
        self.go_on(bytes)?;
        let segment = target.finish(&disk, last.end_offset, last.modified)?;
        Ok(Some(Written { segment, replaces: group.to_vec(), cuts: self.cleanable.cuts }))
    }

    fn swap(&mut self, written: Written) -> Result<(), CompactionError> {
        let disk = Arc::clone(&self.cleanable.disk);
        let (directory, base_offset) = (Arc::clone(&written.segment.directory), written.segment.base_offset);
        let synced = match self.compactor.with_log(|log| log.begin_swap(&written)) {
            Ok(true) => disk.fs().sync_directory(&directory),
            Ok(false) => return self.give_up(&disk, &directory, base_offset, CompactionError::Overtaken),
            Err(error) => return self.give_up(&disk, &directory, base_offset, error.into()),
        };
        if let Err(error) = synced {
            self.compactor.with_log(Log::take_offline);
            return self.give_up(&disk, &directory, base_offset, error.into());
        }
        let Some(replaced) = self.compactor.with_log(|log| log.finish_swap(written))? else {
            return self.give_up(&disk, &directory, base_offset, CompactionError::Overtaken);
        };
        if let Err(error) = disk.fs().sync_directory(&directory) {
            self.compactor.with_log(Log::take_offline);
            return Err(error.into());
        }
        replaced.into_iter().for_each(|old| self.compactor.discard(old));
        Ok(())
    }

    /// Removes what was written and is of no use.
    fn give_up(
        &mut self,
        disk: &Disk,
        directory: &Path,
        base_offset: Offset,
        error: CompactionError,
    ) -> Result<(), CompactionError> {
        self.compactor.with_log(|log| {
            let removed = log.abandon_swap().and_then(|()| remove_written(disk.fs(), directory, base_offset));
            if removed.is_err() {
                // It may yet count after a crash, so that nothing may change before the log is opened again.
                log.take_offline();
            }
        });
        Err(error)
    }
}

fn count([before, after]: &mut [u64; 2], more_before: u64, more_after: u64) {
    *before += more_before;
    *after += more_after;
}

/// Puts the keys of a batch's records from `from` on into `map`; the offset of the first one for which there is no room.
fn put_keys(batch: &BatchView<'_>, from: Offset, map: &mut OffsetMap) -> Result<Option<Offset>, RecordError> {
    let mut records = Records::new(batch, DecompressLimits::default())?;
    while let Some(record) = records.next()? {
        let Some(key) = record.key.filter(|_| record.offset >= from) else { continue };
        if !map.put(key, record.offset) {
            return Ok(Some(record.offset));
        }
    }
    Ok(None)
}

/// The segment that is written.
struct Target {
    segment: ActiveSegment,
    buffer: Vec<u8>,
    written: u64,
    aborted: Vec<AbortedTransaction>,
}

impl Target {
    fn create(disk: &Disk, directory: &Arc<Path>, base_offset: Offset, now: Timestamp) -> Result<Self, IoError> {
        let segment = ActiveSegment::create_as(disk, directory, base_offset, files::CLEANED, now)?;
        Ok(Self { segment, buffer: Vec::new(), written: 0, aborted: Vec::new() })
    }

    /// Takes what is left of a batch.
    fn take(&mut self, config: &LogConfig, batch: &BatchView<'_>, left: Left) -> Result<(), BuildError> {
        let instead = match left {
            Left::Nothing => return Ok(()),
            Left::All => None,
            Left::Instead(bytes) => Some(bytes),
        };
        let bytes = instead.as_deref().unwrap_or(batch.bytes());
        let header = BatchHeader::parse(bytes).unwrap_or(*batch.header());
        let size_bytes = usize::try_from(self.segment.size).unwrap_or(usize::MAX).saturating_add(bytes.len());
        // A batch may grow: its records' times count from the delete horizon, or it compresses less well.
        if size_bytes > i32::MAX as usize {
            return Err(BuildError::TooLarge { size_bytes });
        }
        self.segment.note(config, &header);
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what was taken; the number of bytes.
    fn write_out(&mut self, disk: &Disk) -> Result<u64, IoError> {
        let bytes = self.buffer.len() as u64;
        write_all_at(&*self.segment.file(disk)?, &mut [IoSlice::new(&self.buffer)], self.written)?;
        self.written += bytes;
        self.buffer.clear();
        Ok(bytes)
    }

    /// Completes the files and syncs them. They look as old as what they replace: retention goes by that where records have no time.
    fn finish(mut self, disk: &Disk, end_offset: Offset, modified: Timestamp) -> Result<SealedSegment, IoError> {
        let fs = disk.fs();
        self.segment.write_indexes(fs)?;
        let [log, offsets, times, transactions] = self.segment.paths();
        self.segment.complete_transactions(fs, &self.aborted)?;
        let file = self.segment.file(disk)?;
        if let Ok(age) = u64::try_from(modified.0) {
            let set = file.handle().set_modified(UNIX_EPOCH + Duration::from_millis(age));
            set.map_err(|source| IoError::new(Operation::Write, &log, source))?;
        }
        file.sync()?;
        let aborted = (!self.aborted.is_empty()).then_some(transactions);
        for path in [offsets, times].into_iter().chain(aborted) {
            fs.open(&path, OpenMode::Write)?.sync()?;
        }
        Ok(self.segment.seal(end_offset, modified))
    }
}
