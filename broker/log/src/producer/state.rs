//! The producers of one partition: checks sequences before an append, notes what was appended, and writes and loads snapshots.
//! Bounded: producers silent for too long are forgotten, and beyond a limit those silent the longest.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

use barnabas_records::BatchHeader;
use barnabas_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::entry::{ProducerEntry, SequencedBatch};
use super::snapshot::{self, SnapshotError};
use crate::files;
use crate::fs::{Fs, IoError, OpenMode, write_all_at};
use crate::markers::EndMarker;
use crate::segment::AbortedTransaction;

/// Producers remembered per partition. One takes some 300 bytes.
const PRODUCERS_LIMIT: usize = 100_000;

/// What to do with a batch that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceCheck {
    /// Append it.
    New,
    /// It is in the log already, here; answer as then.
    Duplicate(SequencedBatch),
}

/// Why a batch of an idempotent producer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// A batch before this one is missing (Kafka's OUT_OF_ORDER_SEQUENCE_NUMBER).
    #[error("producer {producer_id} sent sequence {incoming} where {expected} follows; a batch before it was lost")]
    OutOfOrder {
        /// The producer.
        producer_id: ProducerId,
        /// The first sequence of the refused batch.
        incoming: i32,
        /// The sequence that would continue.
        expected: i32,
    },
    /// A newer instance of the producer has taken over (Kafka's INVALID_PRODUCER_EPOCH).
    #[error("producer {producer_id} has epoch {incoming}, which epoch {current} has replaced")]
    StaleEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch of the refused batch.
        incoming: ProducerEpoch,
        /// The epoch now in force.
        current: ProducerEpoch,
    },
    /// A batch outside any transaction while the producer has one open (Kafka's INVALID_TXN_STATE).
    #[error("producer {producer_id} sent a batch outside its open transaction, which began at offset {first_offset}")]
    OutsideTransaction {
        /// The producer.
        producer_id: ProducerId,
        /// Where its transaction began.
        first_offset: Offset,
    },
}

/// The producers of one partition.
#[derive(Debug)]
pub struct ProducerState {
    producers: BTreeMap<ProducerId, ProducerEntry>,
    /// First offset of each open transaction.
    open_transactions: BTreeMap<Offset, ProducerId>,
    /// First offset and marker's offset of transactions that have ended, until the high watermark has passed the marker: before, the
    /// marker may yet be lost.
    ended_transactions: BTreeMap<Offset, Offset>,
    /// Offsets of the snapshots on disk, ascending.
    snapshots: Vec<Offset>,
    /// Everything below is noted here.
    end: Offset,
    limit: usize,
}

impl ProducerState {
    /// Empty, for a partition in whose directory snapshots lie at `snapshots`.
    pub(crate) fn new(snapshots: Vec<Offset>) -> Self {
        Self {
            producers: BTreeMap::new(),
            open_transactions: BTreeMap::new(),
            ended_transactions: BTreeMap::new(),
            snapshots,
            end: Offset(0),
            limit: PRODUCERS_LIMIT,
        }
    }

    /// The producers known.
    pub fn producers(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(id, entry)| (*id, entry))
    }

    /// One producer.
    #[must_use]
    pub fn producer(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&id)
    }

    /// The first offset of the oldest open transaction.
    #[must_use]
    pub fn first_open_transaction(&self) -> Option<Offset> {
        self.open_transactions.keys().next().copied()
    }

    /// The first offset of the oldest transaction of which it is not settled how it ends, with the high watermark at
    /// `high_watermark`.
    pub(crate) fn first_unstable(&self, high_watermark: Offset) -> Option<Offset> {
        let unsettled = self.ended_transactions.iter().find(|(_, marker)| **marker >= high_watermark);
        let open = self.first_open_transaction();
        unsettled.map(|(first, _)| *first).into_iter().chain(open).min()
    }

    /// The high watermark has moved: transactions whose markers it has passed are settled.
    pub(crate) fn settle(&mut self, high_watermark: Offset) {
        if !self.ended_transactions.is_empty() {
            self.ended_transactions.retain(|_, marker| *marker >= high_watermark);
        }
    }

    /// What the transaction index has to say once the batch of `header` is appended; none unless it aborts a transaction.
    pub(crate) fn aborted_by(&self, header: &BatchHeader, marker: Option<EndMarker>) -> Option<AbortedTransaction> {
        let producer_id = header.producer_id;
        marker.filter(|marker| marker.aborted)?;
        let first_offset = self.producers.get(&producer_id)?.transaction_first_offset?;
        let last_offset = header.last_offset();
        let others = self.open_transactions.keys().find(|first| **first != first_offset);
        let last_stable_offset = others.copied().unwrap_or(last_offset.plus(1));
        Some(AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset })
    }

    /// Everything below this offset is noted.
    pub(crate) fn end(&self) -> Offset {
        self.end
    }

    /// Decides about a batch that a client sent to this leader. Batches without producer id are always new.
    pub fn check(&self, header: &BatchHeader) -> Result<SequenceCheck, SequenceError> {
        if !header.has_producer() {
            return Ok(SequenceCheck::New);
        }
        let producer_id = header.producer_id;
        // A producer not known here may start anywhere: its state may have been deleted with its records.
        let Some(entry) = self.producers.get(&producer_id) else {
            return Ok(SequenceCheck::New);
        };
        if let Some(duplicate) = entry.duplicate_of(header) {
            return Ok(SequenceCheck::Duplicate(duplicate));
        }
        if header.producer_epoch < entry.epoch {
            return Err(SequenceError::StaleEpoch {
                producer_id,
                incoming: header.producer_epoch,
                current: entry.epoch,
            });
        }
        let expected = match entry.last_batch() {
            Some(last) if header.producer_epoch == entry.epoch => last.last_sequence.checked_add(1).unwrap_or(0),
            _ => 0,
        };
        if header.base_sequence != expected && entry.epoch.0 >= 0 {
            return Err(SequenceError::OutOfOrder { producer_id, incoming: header.base_sequence, expected });
        }
        match entry.transaction_first_offset {
            Some(first_offset) if !header.attributes.is_transactional() => {
                Err(SequenceError::OutsideTransaction { producer_id, first_offset })
            }
            _ => Ok(SequenceCheck::New),
        }
    }

    /// Notes a batch that is in the log, whoever decided about it, and the `marker` in it.
    pub(crate) fn note(&mut self, header: &BatchHeader, marker: Option<EndMarker>, seen: Timestamp) {
        self.end = self.end.max(header.next_offset());
        if !header.has_producer() {
            return;
        }
        if !self.producers.contains_key(&header.producer_id) {
            self.make_room();
        }
        let entry = self.producers.entry(header.producer_id).or_insert_with(ProducerEntry::new);
        entry.seen = seen.max(header.max_timestamp);
        if header.attributes.is_control() {
            entry.enter_epoch(header.producer_epoch);
            entry.last_timestamp = header.max_timestamp;
            entry.coordinator_epoch = marker.map_or(entry.coordinator_epoch, |marker| marker.coordinator_epoch);
            if let Some(first) = entry.transaction_first_offset.take() {
                self.open_transactions.remove(&first);
                self.ended_transactions.insert(first, header.last_offset());
            }
            return;
        }
        entry.push(header.producer_epoch, SequencedBatch::of(header));
        if header.attributes.is_transactional() && entry.transaction_first_offset.is_none() {
            entry.transaction_first_offset = Some(header.base_offset);
            self.open_transactions.insert(header.base_offset, header.producer_id);
        }
    }

    /// Takes `headers`, oldest first and all below [`ProducerState::end`], for the earlier batches of producers of which a
    /// snapshot gave only the last one.
    pub(crate) fn recall(&mut self, headers: &[BatchHeader]) {
        for header in headers.iter().rev().filter(|header| header.has_producer() && !header.attributes.is_control()) {
            if let Some(entry) = self.producers.get_mut(&header.producer_id) {
                entry.recall(header.producer_epoch, SequencedBatch::of(header));
            }
        }
    }

    /// True when no producer is known, here or in a snapshot.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.producers.is_empty() && self.snapshots.is_empty()
    }

    /// True when no producer is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// An eighth at a time, those silent the longest first: finding them costs one pass, which this many newcomers share.
    /// A producer with an open transaction stays.
    fn make_room(&mut self) {
        if self.producers.len() < self.limit {
            return;
        }
        let idle = |entry: &ProducerEntry| entry.transaction_first_offset.is_none();
        let mut seen: Vec<Timestamp> =
            self.producers.values().filter(|entry| idle(entry)).map(|entry| entry.seen).collect();
        let victims = (self.limit / 8).max(1).min(seen.len());
        if let Some(index) = victims.checked_sub(1) {
            let (_, &mut youngest, _) = seen.select_nth_unstable(index);
            let mut left = victims;
            self.producers.retain(|_, entry| {
                let goes = left > 0 && idle(entry) && entry.seen <= youngest;
                left -= usize::from(goes);
                !goes
            });
        }
    }

    /// Forgets producers that were silent for `expiration_ms` and have no open transaction.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.producers.retain(|_, entry| {
            entry.transaction_first_offset.is_some() || now.0.saturating_sub(entry.seen.0) < expiration_ms
        });
    }

    /// Nothing below `offset` needs noting any more.
    pub(crate) fn skip_to(&mut self, offset: Offset) {
        self.end = self.end.max(offset);
    }

    /// Forgets everything, as the log begins anew at `offset`, and removes all snapshots.
    pub(crate) fn reset(&mut self, fs: &dyn Fs, directory: &Path, offset: Offset) -> Result<(), IoError> {
        self.clear();
        self.end = offset;
        self.remove_snapshots(fs, directory, |_| true)
    }

    fn clear(&mut self) {
        self.producers.clear();
        self.open_transactions.clear();
        self.ended_transactions.clear();
    }

    /// Loads the newest sound snapshot not past `end` (removing those past it and unsound ones), so that the log from
    /// [`ProducerState::end`] on remains to be noted; that is `log_start` when there is none.
    pub(crate) fn load(
        &mut self,
        fs: &dyn Fs,
        directory: &Path,
        log_start: Offset,
        end: Offset,
    ) -> Result<(), IoError> {
        self.remove_snapshots(fs, directory, |offset| offset > end)?;
        self.clear();
        self.end = log_start;
        while let Some(&offset) = self.snapshots.last() {
            match snapshot::read(fs, &path(directory, offset)) {
                Ok(entries) => {
                    self.take_in(entries);
                    self.end = offset;
                    return Ok(());
                }
                Err(SnapshotError::Io(error)) => return Err(error),
                Err(SnapshotError::Corrupt { .. }) => self.remove_snapshots(fs, directory, |other| other == offset)?,
            }
        }
        Ok(())
    }

    fn take_in(&mut self, entries: Vec<(ProducerId, ProducerEntry)>) {
        for (id, entry) in entries {
            if let Some(first) = entry.transaction_first_offset {
                self.open_transactions.insert(first, id);
            }
            self.producers.insert(id, entry);
        }
    }

    /// Writes a snapshot at [`ProducerState::end`] and returns its path, not yet synced: a torn one fails its CRC and the log
    /// is replayed from the one before. None when there is one already.
    pub(crate) fn write_snapshot(&mut self, fs: &dyn Fs, directory: &Path) -> Result<Option<PathBuf>, IoError> {
        if self.snapshots.contains(&self.end) {
            return Ok(None);
        }
        let path = path(directory, self.end);
        let bytes = snapshot::encode(self.producers.iter().map(|(id, entry)| (*id, entry)));
        let file = fs.open(&path, OpenMode::Truncate)?;
        write_all_at(&*file, &mut [IoSlice::new(&bytes)], 0)?;
        let after = self.snapshots.partition_point(|offset| *offset < self.end);
        self.snapshots.insert(after, self.end);
        Ok(Some(path))
    }

    /// As [`ProducerState::write_snapshot`], where replaying has come to `base_offset`, so that the next crash need not go back
    /// further. None, too, where nobody is known yet.
    pub(crate) fn snapshot_at(
        &mut self,
        fs: &dyn Fs,
        directory: &Path,
        base_offset: Offset,
    ) -> Result<Option<PathBuf>, IoError> {
        if self.is_empty() || self.end > base_offset {
            return Ok(None);
        }
        self.skip_to(base_offset);
        self.write_snapshot(fs, directory)
    }

    /// Removes the snapshots whose offset `goes` says so of.
    pub(crate) fn remove_snapshots(
        &mut self,
        fs: &dyn Fs,
        directory: &Path,
        goes: impl Fn(Offset) -> bool,
    ) -> Result<(), IoError> {
        let doomed: Vec<Offset> = self.snapshots.iter().copied().filter(|offset| goes(*offset)).collect();
        for offset in doomed {
            fs.remove_file(&path(directory, offset))?;
            self.snapshots.retain(|kept| *kept != offset);
        }
        Ok(())
    }
}

fn path(directory: &Path, offset: Offset) -> PathBuf {
    files::path(directory, offset, files::SNAPSHOT)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
