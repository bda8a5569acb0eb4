//! Cutting a log: from its end, when a follower finds that its leader has other records; from its start, when records were
//! deleted; or altogether, to begin anew at another offset.

use std::sync::Arc;

use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use crate::error::{ChangeError, ReadError};
use crate::files;
use crate::fs::IoError;
use crate::log::{Dirty, Log};
use crate::read::damaged;
use crate::recover;
use crate::segment::{ActiveSegment, Located, SealedSegment, batch_at_or_after};

impl Log {
    /// Drops every batch that holds `offset` or a later one; returns the new log end, at most `offset`. Producers and epochs
    /// are then as they were at that point, also where that is the log's end. Does nothing when the log ends before.
    ///
    /// Before anything is dropped, `lower_checkpoints` is told the lowest offset at which the log may end from then on. When it
    /// returns, no checkpoint on disk may name a higher one: after a crash the log would be taken for one that has lost records, or
    /// unsynced bytes for synced ones. If it fails, the log is as it was.
    pub fn truncate_to(
        &mut self,
        offset: Offset,
        now: Timestamp,
        lower_checkpoints: impl FnOnce(Offset) -> Result<(), IoError>,
    ) -> Result<Offset, ChangeError> {
        if self.offline {
            return Err(ChangeError::Offline);
        }
        if offset >= self.log_end() {
            // An epoch that begins at the end has no records, and whoever asks for the cut does not know it. While it stays, the log would
            // be compared by it, and cut here, again and again.
            self.epochs.truncate_from_end(offset);
            self.epochs.save(self.disk.fs(), &self.directory)?;
            return Ok(self.log_end());
        }
        if offset <= self.log_start {
            self.restart_at(offset, now, lower_checkpoints)?;
            return Ok(offset);
        }
        self.abandon_swap()?;
        lower_checkpoints(self.end_below(offset)?)?;
        // A cut that breaks off may have taken files away that are still counted on here.
        self.cut_to(offset, now).inspect_err(|_| self.offline = true)
    }

    /// Notes that `epoch` begins at the log's end: a new leader does before it appends or serves anything in it, so that followers are told
    /// where older epochs ended, which may be before anything is appended (KIP-101). In memory; its first record has it written.
    pub fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        let log_end = self.log_end();
        self.epochs.begin(epoch, log_end);
    }

    /// Forgets an epoch that this log began and has no record of: who leads next does not know it, and would say that the logs part there.
    pub fn forget_epoch_without_records(&mut self) {
        self.epochs.forget_begun();
    }

    /// Where the log would end without `offset` and all that follows, or a little before.
    fn end_below(&self, offset: Offset) -> Result<Offset, ReadError> {
        let begins = |batch: Located| batch.header.base_offset.min(offset);
        if let Some(segment) = self.sealed_holding(offset) {
            let (file, hint) = (segment.open_file(&self.disk)?, segment.hint(&self.disk, offset)?);
            let found = batch_at_or_after(segment.span(&*file), hint, offset);
            let found = found.map_err(|error| damaged(error, || segment.path(files::LOG)))?;
            return Ok(found.map_or(segment.base_offset, begins));
        }
        let file = self.active.file(&self.disk)?;
        let found = batch_at_or_after(self.active.span(&*file), self.active.hint(offset), offset);
        let found = found.map_err(|error| damaged(error, || file.path().to_path_buf()))?;
        Ok(found.map_or(self.active.next_offset, begins))
    }

    fn cut_to(&mut self, offset: Offset, now: Timestamp) -> Result<Offset, ChangeError> {
        self.cuts += 1;
        if offset < self.active.base_offset {
            self.reopen_segment_holding(offset, now)?;
        }
        let file = self.active.file(&self.disk)?;
        let span = self.active.span(&*file);
        let at = |error| damaged(error, || file.path().to_path_buf());
        let cut = batch_at_or_after(span, self.active.hint(offset), offset).map_err(at)?;
        let (position, next) = cut.map_or((span.size, self.active.next_offset), |batch| {
            (batch.position, batch.header.base_offset.min(offset))
        });
        self.active.truncate(&self.disk, position, next).map_err(at)?;
        self.durable_end = self.durable_end.min(next);
        self.cleaned_to = self.cleaned_to.min(next);
        // The dropped batch may have begun below the start.
        self.log_start = self.log_start.min(next);
        self.unsynced.add_all(self.active.dirty());
        self.epochs.truncate_from_end(next);
        self.epochs.save(self.disk.fs(), &self.directory)?;
        self.reload_producers(now)?;
        Ok(next)
    }

    /// Makes the sealed segment that holds `offset` the active one, and removes all after it, newest first, so that a crash
    /// in between leaves a log without a gap.
    fn reopen_segment_holding(&mut self, offset: Offset, now: Timestamp) -> Result<(), ChangeError> {
        let keep = self.sealed.partition_point(|segment| segment.base_offset <= offset).max(1);
        for path in self.active.paths() {
            self.disk.fs().remove_file(&path)?;
        }
        while self.sealed.len() > keep {
            if let Some(segment) = self.sealed.pop() {
                self.disk.forget(segment.owner);
                recover::remove_segment_files(self.disk.fs(), &self.directory, segment.base_offset)?;
            }
        }
        if let Some(last) = self.sealed.pop() {
            self.disk.forget(last.owner);
            self.active = recover::reopen(&self.disk, &self.directory, &last, &self.config)?;
        } else {
            self.active = ActiveSegment::create(&self.disk, &self.directory, self.log_start, now)?;
        }
        // Before anything is appended: a segment that a power cut brings back would follow what replaced it.
        self.disk.fs().sync_directory(&self.directory)?;
        Ok(())
    }

    /// Producers as they were when the log ended where it ends now.
    pub(crate) fn reload_producers(&mut self, now: Timestamp) -> Result<u64, ReadError> {
        // A transaction index that is built anew needs the producers as they were before its segment.
        let incomplete = self.sealed.iter().find(|segment| segment.transactions.incomplete);
        let from = incomplete.map(|segment| segment.base_offset);
        let from = from.or(self.active.transactions.incomplete.then_some(self.active.base_offset));
        let end = from.unwrap_or(self.log_end());
        self.producers.load(self.disk.fs(), &self.directory, self.log_start, end)?;
        recover::recall_producers(self)?;
        let replayed = recover::replay_producers(self, now)?;
        self.producers.skip_to(self.log_end());
        Ok(replayed)
    }

    /// Drops everything: the log is empty and begins at `offset`. `lower_checkpoints` is as with [`Log::truncate_to`].
    pub fn restart_at(
        &mut self,
        offset: Offset,
        now: Timestamp,
        lower_checkpoints: impl FnOnce(Offset) -> Result<(), IoError>,
    ) -> Result<(), ChangeError> {
        if self.offline {
            return Err(ChangeError::Offline);
        }
        self.abandon_swap()?;
        let first = self.segment_base_offsets().next().unwrap_or_default();
        lower_checkpoints(offset.min(first))?;
        self.begin_anew(offset, now).inspect_err(|_| self.offline = true)?;
        Ok(())
    }

    fn begin_anew(&mut self, offset: Offset, now: Timestamp) -> Result<(), IoError> {
        self.cuts += 1;
        for path in self.active.paths() {
            self.disk.fs().remove_file(&path)?;
        }
        while let Some(segment) = self.sealed.pop() {
            self.disk.forget(segment.owner);
            recover::remove_segment_files(self.disk.fs(), &self.directory, segment.base_offset)?;
        }
        self.active = ActiveSegment::create(&self.disk, &self.directory, offset, now)?;
        self.log_start = offset;
        self.durable_end = offset;
        self.cleaned_to = offset;
        self.epochs.clear();
        self.epochs.save(self.disk.fs(), &self.directory)?;
        self.producers.reset(self.disk.fs(), &self.directory, offset)?;
        self.unsynced.add(Dirty::Directory);
        Ok(())
    }

    /// Raises the log's start to `offset` (DeleteRecords, or a leader's log start): nothing below is read any more, and segments
    /// that lie below go with the next round of retention. Returns true when the start moved. The caller keeps the offset in a
    /// checkpoint; an offset past the log's end is lowered to it.
    pub fn raise_log_start(&mut self, offset: Offset) -> bool {
        let offset = offset.min(self.log_end());
        if offset <= self.log_start {
            return false;
        }
        self.log_start = offset;
        self.epochs.truncate_from_start(offset);
        true
    }

    /// All segments, for those that walk the log.
    pub(crate) fn sealed_from(&self, offset: Offset) -> impl Iterator<Item = &Arc<SealedSegment>> + Clone {
        let from = self.sealed.partition_point(|segment| segment.end_offset <= offset);
        self.sealed.iter().skip(from)
    }
}
