//! Opening a log. After a clean shutdown the files are believed and nothing is scanned; otherwise every segment that may hold
//! unsynced bytes is read and checked, a torn tail is cut off, and indexes and producers are built anew. A batch that was synced
//! and is damaged is never cut off silently: the log does not open.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_records::{BATCH_HEADER_BYTES, BatchHeader};
use barnabas_types::{Offset, Timestamp};

use crate::LogConfig;
use crate::error::{OpenError, ReadError};
use crate::files;
use crate::fs::{Disk, File, Fs, IoError, OpenMode};
use crate::leader_epochs::LeaderEpochs;
use crate::leftovers::{self, Found, FoundSegment};
use crate::log::{Dirty, Log, Unsynced};
use crate::markers;
use crate::old_format;
use crate::producer::ProducerState;
use crate::read::damaged;
use crate::segment::{
    AbortedTransaction, ActiveSegment, Padding, SEQUENTIAL_BYTES, ScanError, Scanner, SealedSegment, Span, Stop,
    batch_at_or_after,
};

/// How to open a log.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The partition's directory; made when it is missing.
    pub directory: PathBuf,
    /// The settings in force.
    pub config: Arc<LogConfig>,
    /// From the recovery point checkpoint: everything below was synced.
    pub recovery_point: Offset,
    /// From the log start offset checkpoint, 0 when it names no other.
    pub log_start: Offset,
    /// The broker stopped cleanly: everything was synced and closed.
    pub clean: bool,
    /// Nothing was ever written to it, and the directory, with the files of its first segment, was last changed then: nobody looks at them
    /// before they are needed ([`crate::empty_logs`]).
    pub known_empty: Option<Timestamp>,
    /// Wall-clock time.
    pub now: Timestamp,
}

/// What opening a log took, for the log line that tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Segments read from start to end.
    pub scanned_segments: usize,
    /// Bytes read so.
    pub scanned_bytes: u64,
    /// Bytes that were cut off because they were no sound batch, or followed one. Zeros written ahead of small syncs are not counted.
    pub cut_bytes: u64,
    /// Segments whose indexes were missing or wrong and were rebuilt.
    pub rebuilt_indexes: usize,
    /// Batches from which producer state was rebuilt.
    pub replayed_batches: u64,
    /// Synced records that are missing: the log ends below the recovery point, or a segment that was scanned before the next one begins.
    pub missing_records: i64,
}

/// What is found of a log before epochs and producers.
struct Segments {
    sealed: Vec<Arc<SealedSegment>>,
    active: Option<ActiveSegment>,
    /// Files to sync: recovery has read them, perhaps from memory that a power cut would take.
    unsynced: Unsynced,
}

struct Opening<'a> {
    disk: &'a Disk,
    directory: Arc<Path>,
    options: &'a OpenOptions,
    epochs: LeaderEpochs,
    recovery: Recovery,
    found_nothing: bool,
    /// Where the first segment ended that was read anew and ends before the next one begins.
    hole: Option<Offset>,
}

impl Log {
    /// Opens the log, recovering it as needed; everything it then holds is durable.
    pub fn open(disk: &Arc<Disk>, options: &OpenOptions) -> Result<(Self, Recovery), OpenError> {
        let (mut log, recovery) = Self::open_unsynced(disk, options)?;
        log.flush()?;
        Ok((log, recovery))
    }

    /// As [`Log::open`], but leaves the sync to the caller, who may have more logs to sync with it. What was read anew is durable up to the
    /// recovery point, and beyond it once it was flushed.
    pub fn open_unsynced(disk: &Arc<Disk>, options: &OpenOptions) -> Result<(Self, Recovery), OpenError> {
        let fs = disk.fs();
        let directory: Arc<Path> = options.directory.as_path().into();
        let found = match options.known_empty {
            Some(modified) => Found::empty(modified),
            None => leftovers::clear(fs, &directory)?,
        };
        let epochs = match found.has_epochs {
            true => LeaderEpochs::load(fs, &directory)?,
            false => LeaderEpochs::default(),
        };
        let mut opening = Opening {
            disk,
            directory: Arc::clone(&directory),
            options,
            epochs,
            recovery: Recovery::default(),
            found_nothing: found.segments.is_empty(),
            hole: None,
        };
        let mut segments = opening.segments(&found.segments)?;
        let active = match segments.active.take() {
            Some(active) if active.next_offset >= options.log_start => active,
            // Nothing there, or all of it lies below the log's start.
            _ => opening.begin(&mut segments)?,
        };
        let Opening { epochs, recovery, hole, .. } = opening;
        let first = segments.sealed.first().map_or(active.base_offset, |segment| segment.base_offset);
        let mut log = Self {
            disk: Arc::clone(disk),
            directory: Arc::clone(&directory),
            config: Arc::clone(&options.config),
            sealed: segments.sealed,
            log_start: options.log_start.max(first),
            durable_end: match recovery.scanned_segments {
                0 => active.next_offset,
                _ => active.next_offset.min(options.recovery_point.max(options.log_start)),
            },
            active,
            epochs,
            producers: ProducerState::new(found.snapshots),
            unsynced: segments.unsynced,
            cuts: 0,
            offline: false,
            cleaned_to: Offset(0),
            swapping: None,
            opened: None,
        };
        // Compaction may have made the hole, or lost batches: a snapshot from behind it would have their repetition taken for known.
        log.producers.remove_snapshots(disk.fs(), &directory, |offset| hole.is_some_and(|hole| offset > hole))?;
        let recovery = log.finish_opening(options, recovery)?;
        Ok((log, recovery))
    }

    fn finish_opening(&mut self, options: &OpenOptions, mut recovery: Recovery) -> Result<Recovery, OpenError> {
        recovery.missing_records += options.recovery_point.0.saturating_sub(self.log_end().0).max(0);
        let fs = self.disk.fs();
        self.epochs.truncate_from_end(self.log_end());
        self.epochs.truncate_from_start(self.log_start);
        self.epochs.save(fs, &self.directory)?;
        let bases: BTreeSet<Offset> = self.segment_base_offsets().collect();
        let last = self.active.base_offset;
        self.producers.remove_snapshots(fs, &self.directory, |offset| offset < last && !bases.contains(&offset))?;
        recovery.replayed_batches = self.reload_producers(options.now)?;
        if recovery.scanned_segments == 0 {
            self.opened = Some(self.shape());
        }
        Ok(recovery)
    }
}

impl Opening<'_> {
    /// Opens or recovers every segment found.
    fn segments(&mut self, found: &[FoundSegment]) -> Result<Segments, OpenError> {
        let mut segments = Segments { sealed: Vec::new(), active: None, unsynced: Unsynced::default() };
        let point = self.options.recovery_point;
        for (index, segment) in found.iter().enumerate() {
            let mut next = found.get(index + 1);
            if let Some(last) = next.filter(|next| next.size == 0 && index + 2 == found.len())
                && self.outgrows(segment, last)?
            {
                self.remove(found.get(index + 1..).unwrap_or_default())?;
                next = None;
            }
            if segment.size > i32::MAX as u64 {
                return Err(OpenError::TooLarge { path: self.path(segment.base_offset), size: segment.size });
            }
            let synced = self.options.clean
                || self.never_written(segment, found)
                || next.is_some_and(|next| next.base_offset <= point);
            if synced && self.open_sound(segment, next, &mut segments)? {
                if next.is_none() {
                    break;
                }
                continue;
            }
            self.recovery.rebuilt_indexes += usize::from(synced);
            if self.scan(segment, next, &mut segments)? {
                if next.is_some() {
                    self.remove(found.get(index + 1..).unwrap_or_default())?;
                }
                break;
            }
            if next.is_none() {
                break;
            }
        }
        Ok(segments)
    }

    /// True when the segment is all there is, begins where every log does, and is empty: whatever was lost, nothing was ever kept.
    fn never_written(&self, segment: &FoundSegment, found: &[FoundSegment]) -> bool {
        segment.size == 0 && segment.base_offset.0 == 0 && found.len() == 1 && self.options.recovery_point.0 == 0
    }

    /// True when the last segment is an empty one that a failed roll left behind, and the one before went on past it.
    fn outgrows(&self, segment: &FoundSegment, next: &FoundSegment) -> Result<bool, OpenError> {
        let file = self.disk.fs().open(&self.path(segment.base_offset), OpenMode::Read)?;
        let (base_offset, size) = (segment.base_offset, segment.size);
        let walked = SealedSegment::open(self.disk, &self.directory, next.base_offset, segment).and_then(|sound| {
            let hint = match sound {
                Some(sealed) => sealed.hint(self.disk, next.base_offset)?,
                None => 0,
            };
            batch_at_or_after(Span { file: &*file, base_offset, size }, hint, next.base_offset)
        });
        match walked {
            Ok(batch) => Ok(batch.is_some()),
            // A torn tail: what comes before it is below.
            Err(ScanError::Batch { .. }) => Ok(false),
            Err(ScanError::Io(error)) => Err(error.into()),
        }
    }

    fn path(&self, base_offset: Offset) -> PathBuf {
        files::path(&self.directory, base_offset, files::LOG)
    }

    /// Takes up a segment that was closed or synced; false when its indexes do not fit it.
    fn open_sound(
        &self,
        found: &FoundSegment,
        next: Option<&FoundSegment>,
        segments: &mut Segments,
    ) -> Result<bool, OpenError> {
        match next {
            Some(next) => match SealedSegment::open(self.disk, &self.directory, next.base_offset, found) {
                Ok(Some(sealed)) => segments.sealed.push(Arc::new(sealed)),
                Ok(None) | Err(ScanError::Batch { .. }) => return Ok(false),
                Err(ScanError::Io(error)) => return Err(error.into()),
            },
            None => match ActiveSegment::open(self.disk, &self.directory, found)? {
                Some(active) => segments.active = Some(active),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// Reads a segment from start to end. True when the log ends in it, though more segments may follow.
    fn scan(
        &mut self,
        found: &FoundSegment,
        next: Option<&FoundSegment>,
        segments: &mut Segments,
    ) -> Result<bool, OpenError> {
        self.recovery.scanned_segments += 1;
        self.recovery.scanned_bytes += found.size;
        // After a failed sync memory may hold as written what the disk never took, and syncing it again would not write it.
        self.disk.fs().open(&self.path(found.base_offset), OpenMode::Read)?.forget_cached(0, None);
        let epochs = &mut self.epochs;
        let (mut segment, stop) =
            ActiveSegment::rebuild(self.disk, &self.directory, found, &self.options.config, |header| {
                epochs.assign_unsaved(header.partition_leader_epoch, header.base_offset, header.last_offset())
            })?;
        let mut ends = next.is_none();
        if let Some(stop) = stop {
            let file = segment.file(self.disk)?;
            if let Err(error) = self.may_cut(&segment, &*file, stop) {
                // Its indexes were emptied to be built anew: the next attempt must not take the segment for one that has none.
                self.disk.fs().remove_file(&files::path(&self.directory, found.base_offset, files::INDEX))?;
                return Err(error);
            }
            let is_padding = Padding::is_all(&*file, segment.size, found.size)?;
            if !is_padding {
                self.recovery.cut_bytes += found.size - segment.size;
            }
            file.set_length(segment.size)?;
            // A roll cuts off the zeros that were written ahead, and a failed sync may have kept that from the disk: what was appended and synced
            // after the roll begins where they do, and counts.
            ends = next.is_none_or(|next| !is_padding || segment.next_offset != next.base_offset);
        }
        // A sealed segment that ends early at the edge of a batch has lost its tail; what follows was never durable.
        if let Some(next) = next
            && !self.options.config.compact
            && segment.next_offset < next.base_offset
            && segment.next_offset >= self.options.recovery_point
        {
            ends = true;
        }
        if let Some(next) = next.filter(|next| !ends && segment.next_offset < next.base_offset) {
            self.hole.get_or_insert(segment.next_offset);
            if !self.options.config.compact {
                self.recovery.missing_records += next.base_offset.0 - segment.next_offset.0;
            }
        }
        match next.filter(|_| !ends) {
            Some(next) => {
                segment.write_indexes(self.disk.fs())?;
                segments.unsynced.add_all(segment.dirty());
                segments.sealed.push(Arc::new(segment.seal(next.base_offset, found.modified)));
            }
            // Its indexes are written when it is sealed or closed, as ever; a flush syncs its batches.
            None => segments.active = Some(segment),
        }
        Ok(ends)
    }

    /// Only what was never synced may be cut off.
    fn may_cut(&self, segment: &ActiveSegment, file: &dyn File, stop: Stop) -> Result<(), OpenError> {
        let path = self.path(segment.base_offset);
        if let Some(magic) = old_format::magic_at(file, stop.position)? {
            return Err(OpenError::OldFormat { path, position: stop.position, magic });
        }
        let recovery_point = self.options.recovery_point;
        let Stop { position, error, offset } = stop;
        if offset < recovery_point {
            return Err(OpenError::Damaged { path, position, offset, recovery_point, error });
        }
        Ok(())
    }

    /// Removes segments that follow the log's end, newest first.
    fn remove(&mut self, found: &[FoundSegment]) -> Result<(), IoError> {
        for segment in found.iter().rev() {
            self.recovery.cut_bytes += segment.size;
            remove_segment_files(self.disk.fs(), &self.directory, segment.base_offset)?;
        }
        Ok(())
    }

    /// Begins an empty log at its start offset.
    fn begin(&mut self, segments: &mut Segments) -> Result<ActiveSegment, IoError> {
        while let Some(segment) = segments.sealed.pop() {
            remove_segment_files(self.disk.fs(), &self.directory, segment.base_offset)?;
        }
        // The names of a log that was never there need not be kept: without them it is the same.
        if self.options.log_start.0 > 0 || !self.found_nothing {
            segments.unsynced.add(Dirty::Directory);
        }
        leftovers::remove_logs(self.disk.fs(), &self.directory)?;
        ActiveSegment::create(self.disk, &self.directory, self.options.log_start, self.options.now)
    }
}

/// Removes all files of a segment.
pub(crate) fn remove_segment_files(fs: &dyn Fs, directory: &Path, base_offset: Offset) -> Result<(), IoError> {
    let suffixes = [files::LOG, files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX];
    suffixes.into_iter().try_for_each(|suffix| fs.remove_file(&files::path(directory, base_offset, suffix)))
}

/// Makes a sealed segment active again.
pub(crate) fn reopen(
    disk: &Disk,
    directory: &Arc<Path>,
    sealed: &SealedSegment,
    config: &LogConfig,
) -> Result<ActiveSegment, IoError> {
    disk.forget(sealed.owner);
    let found = sealed.found();
    match ActiveSegment::open(disk, directory, &found)? {
        Some(active) => Ok(active),
        None => Ok(ActiveSegment::rebuild(disk, directory, &found, config, |_| {})?.0),
    }
}

/// How far back from a producer snapshot its producers' earlier batches are looked for.
const RECALL_BYTES: u64 = 1024 * 1024;

/// A snapshot keeps one batch per producer, though a producer may send any of its last five again. Finds the others in the
/// bytes just before the snapshot's offset.
pub(crate) fn recall_producers(log: &mut Log) -> Result<(), IoError> {
    let end = log.producers.end();
    if log.producers.is_empty() || end <= log.log_start {
        return Ok(());
    }
    let mut left = RECALL_BYTES;
    if log.active.base_offset < end {
        let file = log.active.file(&log.disk)?;
        let headers = headers_below(log.active.span(&*file), log.active.tail_hint(left), end)?;
        log.producers.recall(&headers);
        left = left.saturating_sub(log.active.size);
    }
    for segment in log.sealed.iter().rev().filter(|segment| segment.base_offset < end) {
        if left == 0 {
            break;
        }
        let file = segment.open_file(&log.disk)?;
        let headers = headers_below(segment.span(&*file), segment.tail_hint(&log.disk, left)?, end)?;
        log.producers.recall(&headers);
        left = left.saturating_sub(segment.size);
    }
    Ok(())
}

/// The headers of the batches from position `hint` on that begin below `end`.
fn headers_below(span: Span<'_>, hint: u64, end: Offset) -> Result<Vec<BatchHeader>, IoError> {
    let mut headers = Vec::new();
    let mut scanner = Scanner::new(span.file, hint, span.size, SEQUENTIAL_BYTES);
    loop {
        match scanner.next() {
            Ok(Some(batch)) if batch.header.base_offset < end => headers.push(batch.header),
            // What is damaged is told to whoever reads it; recalling is a courtesy that must not keep the log closed.
            Ok(_) | Err(ScanError::Batch { .. }) => return Ok(headers),
            Err(ScanError::Io(error)) => return Err(error),
        }
    }
}

/// Notes the producers of all batches from the producer state's end to the log's end, and completes the transaction indexes of
/// segments that were read anew; returns how many batches there were.
pub(crate) fn replay_producers(log: &mut Log, now: Timestamp) -> Result<u64, ReadError> {
    let from = log.producers.end();
    let Log { disk, directory, sealed, active, producers, unsynced, .. } = log;
    let mut replayed = 0;
    for segment in sealed.iter_mut().filter(|segment| segment.end_offset > from) {
        if segment.transactions.incomplete {
            unsynced.add_all(producers.snapshot_at(disk.fs(), directory, segment.base_offset)?.map(Dirty::Path));
        }
        let file = segment.open_file(disk)?;
        let hint = segment.hint(disk, from)?;
        let span = segment.span(&*file);
        let replay = replay_span(producers, span, hint, from, now)
            .map_err(|error| damaged(error, || segment.path(files::LOG)))?;
        replayed += replay.batches;
        // Nobody else has it yet while the log is being opened, and no later replay finds an incomplete one.
        if let Some(segment) = Arc::get_mut(segment).filter(|segment| segment.transactions.incomplete) {
            segment.complete_transactions(disk.fs(), &replay.aborted)?;
        }
    }
    if active.next_offset <= from && !active.transactions.incomplete {
        return Ok(replayed);
    }
    if active.transactions.incomplete {
        unsynced.add_all(producers.snapshot_at(disk.fs(), directory, active.base_offset)?.map(Dirty::Path));
    }
    let file = active.file(disk)?;
    let hint = active.hint(from);
    let replay = replay_span(producers, active.span(&*file), hint, from, now)
        .map_err(|error| damaged(error, || file.path().to_path_buf()))?;
    if active.transactions.incomplete {
        active.complete_transactions(disk.fs(), &replay.aborted)?;
    }
    Ok(replayed + replay.batches)
}

/// What batches told of producers.
#[derive(Default)]
struct Replay {
    batches: u64,
    aborted: Vec<AbortedTransaction>,
}

fn replay_span(
    producers: &mut ProducerState,
    span: Span<'_>,
    hint: u64,
    from: Offset,
    now: Timestamp,
) -> Result<Replay, ScanError> {
    let mut replay = Replay::default();
    let Some(first) = batch_at_or_after(span, hint, from)? else {
        return Ok(replay);
    };
    let mut scanner = Scanner::new(span.file, first.position, span.size, SEQUENTIAL_BYTES);
    while let Some(batch) = scanner.next()? {
        let mut marker = None;
        if batch.header.attributes.is_control() && batch.header.has_producer() {
            let bytes = scanner.read(&batch)?;
            marker = markers::end_marker(&batch.header, bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default());
        }
        replay.aborted.extend(producers.aborted_by(&batch.header, marker));
        // Replayed long after they were written: a producer is as old as its records, or else none would ever expire.
        producers.note(&batch.header, marker, batch.header.max_timestamp.min(now));
        replay.batches += 1;
    }
    Ok(replay)
}
