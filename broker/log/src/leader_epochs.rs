//! At which offset each leader epoch of a partition began, kept in memory and in `leader-epoch-checkpoint`.
//! With it a replica finds where its log and the leader's part (KIP-101, KIP-279). Elects nobody.

use std::fmt;
use std::path::Path;

use barnabas_types::{LeaderEpoch, Offset};

use crate::fs::{Fs, IoError};
use crate::text::{TextFileError, read_entries, write_entries};

/// The file's name in the partition's directory.
pub const FILE_NAME: &str = "leader-epoch-checkpoint";

/// An epoch and its first offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch, from 0.
    pub epoch: LeaderEpoch,
    /// The first offset written in it.
    pub start_offset: Offset,
}

impl fmt::Display for EpochEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.epoch, self.start_offset)
    }
}

/// The epochs of one log, both epochs and offsets growing from entry to entry.
#[derive(Debug, Default)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
    /// The file says something else.
    changed: bool,
    /// The newest one has no record yet, and is not in the file.
    begun: bool,
}

fn parse(line: &str) -> Result<EpochEntry, &'static str> {
    let (epoch, offset) = line.trim().split_once(' ').ok_or("expected epoch and start offset")?;
    let epoch = epoch.parse::<i32>().ok().filter(|epoch| *epoch >= 0).ok_or("the epoch is not a number from 0")?;
    let offset = offset.trim().parse::<i64>().ok().filter(|offset| *offset >= 0);
    Ok(EpochEntry {
        epoch: LeaderEpoch(epoch),
        start_offset: Offset(offset.ok_or("the offset is not a number from 0")?),
    })
}

impl LeaderEpochs {
    /// Reads the epochs of the partition in `directory`; a missing file holds none.
    pub fn load(fs: &dyn Fs, directory: &Path) -> Result<Self, TextFileError> {
        let mut epochs = Self::default();
        for entry in read_entries(fs, &directory.join(FILE_NAME), parse)?.unwrap_or_default() {
            epochs.insert(entry);
        }
        epochs.changed = false;
        Ok(epochs)
    }

    /// The epochs, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest epoch, if any.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    fn says_nothing_new(&self, entry: EpochEntry) -> bool {
        let known =
            self.latest().is_some_and(|last| last.epoch == entry.epoch && last.start_offset <= entry.start_offset);
        known || entry.epoch.0 < 0 || entry.start_offset.0 < 0
    }

    /// Takes `entry` in unless it says nothing new. Entries it contradicts, of a later epoch or a later start, are dropped.
    fn insert(&mut self, entry: EpochEntry) {
        if !self.says_nothing_new(entry) {
            self.entries.retain(|kept| kept.epoch < entry.epoch && kept.start_offset < entry.start_offset);
            self.entries.push(entry);
            self.changed = true;
        }
    }

    /// Notes that `epoch` begins at `log_end`, where it has no record yet. Only in memory: [`LeaderEpochs::assign`] writes it before its first
    /// record. Until then the file may lack it: nobody has a record of it, and opening a log drops such an epoch even where the file has it.
    /// So a leader of thousands of partitions writes no file at a fail-over.
    pub(crate) fn begin(&mut self, epoch: LeaderEpoch, log_end: Offset) {
        let entry = EpochEntry { epoch, start_offset: log_end };
        if self.says_nothing_new(entry) {
            return;
        }
        let contradicted = |kept: &&EpochEntry| kept.epoch >= epoch || kept.start_offset >= log_end;
        let dropped = self.entries.iter().filter(contradicted).count();
        let changed = self.changed || dropped > usize::from(self.begun);
        // Most logs never have another one.
        if self.entries.is_empty() {
            self.entries.reserve_exact(1);
        }
        self.insert(entry);
        (self.changed, self.begun) = (changed, true);
    }

    /// Notes that `epoch` began at `start_offset`; durable in `directory`, the partition's, when this returns.
    pub fn assign(
        &mut self,
        fs: &dyn Fs,
        directory: &Path,
        epoch: LeaderEpoch,
        start_offset: Offset,
    ) -> Result<(), IoError> {
        let entry = EpochEntry { epoch, start_offset };
        if self.says_nothing_new(entry) {
            return if self.begun { self.save(fs, directory) } else { Ok(()) };
        }
        let before = self.entries.clone();
        self.insert(entry);
        // What is not in the file must not be taken for known the next time.
        self.save(fs, directory).inspect_err(|_| self.entries = before)
    }

    /// As [`LeaderEpochs::assign`] but only in memory: recovery notes many and saves once. What the log says counts more than the file: that is
    /// durable first, and may tell of an epoch whose batches a power cut has taken back, and those of an older epoch brought back.
    pub(crate) fn assign_unsaved(&mut self, epoch: LeaderEpoch, start_offset: Offset, last_offset: Offset) {
        let begun = self.entries.partition_point(|entry| entry.start_offset <= last_offset);
        if begun.checked_sub(1).and_then(|last| self.entries.get(last)).is_some_and(|last| last.epoch > epoch) {
            self.entries.retain(|entry| entry.start_offset > last_offset || entry.epoch <= epoch);
            self.changed = true;
        }
        if self.latest().is_none_or(|last| epoch > last.epoch) {
            self.insert(EpochEntry { epoch, start_offset });
        }
    }

    /// Takes back what [`LeaderEpochs::begin`] noted last, unless it has got a record.
    pub(crate) fn forget_begun(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.entries.pop();
        }
    }

    /// True when neither memory nor the file has an epoch with a record.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.entries.len() == usize::from(self.begun) && !self.changed
    }

    /// Writes the file in `directory`, if it does not say the same already.
    pub(crate) fn save(&mut self, fs: &dyn Fs, directory: &Path) -> Result<(), IoError> {
        if self.changed || self.begun {
            write_entries(fs, &directory.join(FILE_NAME), self.entries.iter())?;
            (self.changed, self.begun) = (false, false);
        }
        Ok(())
    }

    /// As [`LeaderEpochs::save`], for a log that is closed: an epoch without a record is not worth a file.
    pub(crate) fn save_records(&mut self, fs: &dyn Fs, directory: &Path) -> Result<(), IoError> {
        if self.changed { self.save(fs, directory) } else { Ok(()) }
    }

    /// Drops what starts at `end` or later, as the log is cut there. In memory: saved with the next assignment, or by `save`,
    /// since an entry past the log's end is dropped again when the log is opened.
    pub(crate) fn truncate_from_end(&mut self, end: Offset) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start_offset < end);
        let dropped = before - self.entries.len();
        self.changed |= dropped > usize::from(self.begun);
        self.begun &= dropped == 0;
    }

    /// Drops what ended at or before `start`, as the log now starts there. The epoch that holds `start` begins there now.
    pub(crate) fn truncate_from_start(&mut self, start: Offset) {
        let first_kept = self.entries.partition_point(|entry| entry.start_offset <= start);
        if let Some(last_dropped) = first_kept.checked_sub(1) {
            self.entries.drain(..last_dropped);
            if let Some(entry) = self.entries.first_mut() {
                self.changed |= last_dropped > 0 || entry.start_offset != start;
                entry.start_offset = start;
            }
        }
    }

    /// Forgets all epochs.
    pub(crate) fn clear(&mut self) {
        self.changed |= self.entries.len() > usize::from(self.begun);
        self.begun = false;
        self.entries.clear();
    }

    /// The largest epoch not above `epoch` and the offset at which it ended (`log_end` for the newest), as OffsetForLeaderEpoch
    /// answers; none when `epoch` is newer than any known here.
    #[must_use]
    pub fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        if self.latest().is_some_and(|last| last.epoch == epoch) {
            return Some((epoch, log_end));
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries.get(higher)?.start_offset;
        // Older than all that is kept: it ended where the first one kept began.
        let found = higher.checked_sub(1).and_then(|floor| self.entries.get(floor)).map_or(epoch, |entry| entry.epoch);
        Some((found, end))
    }

    /// The epoch in which `offset` was written, if known.
    #[must_use]
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        self.entries.get(after.checked_sub(1)?).map(|entry| entry.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Fault, FaultyFs, Operation, RealFs};

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for &(epoch, offset) in entries {
            epochs.insert(EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(offset) });
        }
        epochs
    }

    fn pairs(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start_offset.0)).collect()
    }

    #[test]
    fn contradicted_entries_are_dropped() {
        assert_eq!(pairs(&epochs(&[(1, 0), (2, 10), (3, 20), (2, 15)])), [(1, 0), (2, 15)]);
        assert_eq!(pairs(&epochs(&[(1, 0), (2, 10), (3, 5)])), [(1, 0), (3, 5)]);
        assert_eq!(pairs(&epochs(&[(1, 0), (1, 7)])), [(1, 0)]);
        assert_eq!(pairs(&epochs(&[(1, 5), (1, 3)])), [(1, 3)]);
        assert_eq!(pairs(&epochs(&[(-1, 5), (1, -3)])), []);
    }

    #[test]
    fn what_the_log_says_drops_newer_epochs_that_the_file_has_begin_before() {
        let mut epochs = epochs(&[(1, 0), (2, 10), (3, 20), (5, 40)]);
        epochs.assign_unsaved(LeaderEpoch(2), Offset(15), Offset(16));
        epochs.assign_unsaved(LeaderEpoch(3), Offset(20), Offset(24));
        assert_eq!(pairs(&epochs), [(1, 0), (2, 10), (3, 20), (5, 40)]);
        epochs.assign_unsaved(LeaderEpoch(2), Offset(25), Offset(25));
        assert_eq!(pairs(&epochs), [(1, 0), (2, 10), (5, 40)]);
        // One that begins inside of the batch is no more believed than one before it.
        epochs.assign_unsaved(LeaderEpoch(1), Offset(9), Offset(40));
        assert_eq!(pairs(&epochs), [(1, 0)]);
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next_one_kept() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 30)]);
        let end = |epoch| epochs.end_offset_for(LeaderEpoch(epoch), Offset(99)).map(|(epoch, end)| (epoch.0, end.0));
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(end(2), Some((2, 20)));
        assert_eq!(end(3), Some((2, 20)));
        assert_eq!(end(6), Some((4, 30)));
        assert_eq!(end(7), Some((7, 99)));
        assert_eq!(end(8), None);
    }

    #[test]
    fn cutting_either_end_keeps_the_epoch_of_every_offset_that_remains() {
        let mut epochs = epochs(&[(0, 0), (2, 10), (4, 20)]);
        epochs.truncate_from_start(Offset(15));
        assert_eq!(pairs(&epochs), [(2, 15), (4, 20)]);
        epochs.truncate_from_end(Offset(20));
        assert_eq!(pairs(&epochs), [(2, 15)]);
        assert_eq!(epochs.epoch_of(Offset(14)), None);
        assert_eq!(epochs.epoch_of(Offset(19)), Some(LeaderEpoch(2)));
    }

    #[test]
    fn what_is_assigned_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut written = LeaderEpochs::load(&RealFs, dir.path()).unwrap();
        written.assign(&RealFs, dir.path(), LeaderEpoch(0), Offset(0)).unwrap();
        written.assign(&RealFs, dir.path(), LeaderEpoch(3), Offset(12)).unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(text, "0\n2\n0 0\n3 12\n");
        assert_eq!(pairs(&LeaderEpochs::load(&RealFs, dir.path()).unwrap()), [(0, 0), (3, 12)]);
    }

    #[test]
    fn an_epoch_that_could_not_be_written_is_not_taken_for_known() {
        let dir = tempfile::tempdir().unwrap();
        let fs = FaultyFs::default();
        let mut written = LeaderEpochs::load(&fs, dir.path()).unwrap();
        fs.inject(Fault::always(Operation::Rename, FILE_NAME, 5));
        written.assign(&fs, dir.path(), LeaderEpoch(3), Offset(12)).unwrap_err();
        assert_eq!(written.latest(), None);
        fs.heal();
        written.assign(&fs, dir.path(), LeaderEpoch(3), Offset(12)).unwrap();
        assert_eq!(pairs(&LeaderEpochs::load(&fs, dir.path()).unwrap()), [(3, 12)]);
    }

    #[test]
    fn an_epoch_that_begins_is_written_with_its_first_record_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let fs = FaultyFs::default();
        let loaded = || pairs(&LeaderEpochs::load(&RealFs, dir.path()).unwrap());
        let mut written = LeaderEpochs::load(&fs, dir.path()).unwrap();
        written.assign(&fs, dir.path(), LeaderEpoch(1), Offset(0)).unwrap();
        fs.inject(Fault::always(Operation::Rename, FILE_NAME, 5));
        written.begin(LeaderEpoch(3), Offset(12));
        written.begin(LeaderEpoch(4), Offset(12));
        assert_eq!(pairs(&written), [(1, 0), (4, 12)]);
        written.save_records(&fs, dir.path()).unwrap();
        assert_eq!(loaded(), [(1, 0)]);
        written.assign(&fs, dir.path(), LeaderEpoch(4), Offset(12)).unwrap_err();
        written.assign(&fs, dir.path(), LeaderEpoch(4), Offset(12)).unwrap_err();
        fs.heal();
        written.assign(&fs, dir.path(), LeaderEpoch(4), Offset(12)).unwrap();
        assert_eq!(loaded(), [(1, 0), (4, 12)]);
        assert!(!written.begun && !written.changed);
    }

    #[test]
    fn an_epoch_that_begins_where_another_one_was_written_has_the_file_changed() {
        let dir = tempfile::tempdir().unwrap();
        let mut epochs = LeaderEpochs::load(&RealFs, dir.path()).unwrap();
        epochs.assign(&RealFs, dir.path(), LeaderEpoch(2), Offset(11)).unwrap();
        epochs.begin(LeaderEpoch(3), Offset(11));
        epochs.truncate_from_end(Offset(11));
        assert!(epochs.changed && !epochs.begun && epochs.entries().is_empty());
        epochs.save(&RealFs, dir.path()).unwrap();
        assert_eq!(pairs(&LeaderEpochs::load(&RealFs, dir.path()).unwrap()), []);
        epochs.begin(LeaderEpoch(4), Offset(11));
        assert!(epochs.keeps_nothing());
        epochs.truncate_from_end(Offset(11));
        assert!(epochs.keeps_nothing() && !epochs.changed);
        epochs.begin(LeaderEpoch(5), Offset(11));
        epochs.forget_begun();
        epochs.forget_begun();
        assert!(epochs.keeps_nothing() && epochs.entries().is_empty());
    }

    #[test]
    fn malformed_lines_are_refused() {
        for line in ["", "1", "x 1", "1 x", "-1 0", "0 -1", "1 2 3"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
