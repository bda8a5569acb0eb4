//! What the engine knows of the metadata log: its bounds, its snapshots and where each epoch begins. Holds no record.

use std::fmt;

use barnabas_types::{LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

/// Names a snapshot: everything below `end_offset`, whose last record was written in `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SnapshotId {
    /// The first offset that the snapshot does not hold.
    pub end_offset: Offset,
    /// The epoch of the last record it holds.
    pub epoch: LeaderEpoch,
}

impl fmt::Display for SnapshotId {
    /// As in its file name: 20 digits of offset, 10 of epoch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:010}", self.end_offset.0, self.epoch.0)
    }
}

/// A log whose bounds contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogViewError {
    /// It ends before it starts.
    #[error("the metadata log ends at {end}, before its start {start}: restore the directory from a copy")]
    EndBeforeStart {
        /// Its start.
        start: Offset,
        /// Its end.
        end: Offset,
    },
    /// Records below the start are in no snapshot.
    #[error("the metadata log starts at {start}, but the newest snapshot ends at {snapshot}: records are missing")]
    GapAfterSnapshot {
        /// The log's start.
        start: Offset,
        /// The snapshot's end.
        snapshot: Offset,
    },
    /// The snapshot holds records that the log has lost.
    #[error(
        "the newest snapshot ends at {snapshot}, but the metadata log already at {end}: restore the log from a copy"
    )]
    EndBeforeSnapshot {
        /// The log's end.
        end: Offset,
        /// The snapshot's end.
        snapshot: Offset,
    },
    /// Epochs or their start offsets do not grow.
    #[error("the metadata log's epoch {epoch} starts at {start}, which does not follow the epoch before it")]
    EpochsOutOfOrder {
        /// The offending epoch.
        epoch: LeaderEpoch,
        /// Where it starts.
        start: Offset,
    },
}

/// How a reader's log compares to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The reader's log is a prefix of this one.
    Prefix,
    /// It is not: the largest epoch of this log that is not above the reader's, and where it ends.
    Diverging(LeaderEpoch, Offset),
    /// What the reader lacks is in this snapshot.
    Snapshot(SnapshotId),
}

/// The bounds of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    start: Offset,
    end: Offset,
    /// Everything below is synced.
    durable_end: Offset,
    /// Oldest first. The log starts at or below the end of the oldest; the newest is what a start loads.
    snapshots: Vec<SnapshotId>,
    epochs: Vec<(LeaderEpoch, Offset)>,
}

impl LogView {
    /// A log that holds `start..end`, with the snapshots beside it (oldest first, none when there is none), in which each of `epochs`
    /// begins at its offset. What no snapshot holds counts as durable once the engine's first sync is reported.
    ///
    /// # Errors
    /// Bounds that contradict each other, which no recovery produces.
    pub fn new(
        start: Offset,
        end: Offset,
        mut snapshots: Vec<SnapshotId>,
        epochs: Vec<(LeaderEpoch, Offset)>,
    ) -> Result<Self, LogViewError> {
        snapshots.sort_unstable();
        let newest = snapshots.last().copied().unwrap_or_default();
        if end < start {
            return Err(LogViewError::EndBeforeStart { start, end });
        }
        if newest.end_offset < start {
            return Err(LogViewError::GapAfterSnapshot { start, snapshot: newest.end_offset });
        }
        if newest.end_offset > end {
            return Err(LogViewError::EndBeforeSnapshot { end, snapshot: newest.end_offset });
        }
        let mut before: Option<(LeaderEpoch, Offset)> = None;
        for &(epoch, offset) in &epochs {
            if before.is_some_and(|(old, from)| epoch <= old || offset < from) || offset > end {
                return Err(LogViewError::EpochsOutOfOrder { epoch, start: offset });
            }
            before = Some((epoch, offset));
        }
        // A snapshot whose end the log no longer reaches is of no use to a reader.
        snapshots.retain(|id| id.end_offset >= start);
        Ok(Self { start, end, durable_end: newest.end_offset, snapshots, epochs })
    }

    /// The first offset in the log.
    #[must_use]
    pub const fn start(&self) -> Offset {
        self.start
    }

    /// The offset of the next record.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// Everything below is synced.
    #[must_use]
    pub const fn durable_end(&self) -> Offset {
        self.durable_end
    }

    /// The newest snapshot; all zero when there is none.
    #[must_use]
    pub fn snapshot(&self) -> SnapshotId {
        self.snapshots.last().copied().unwrap_or_default()
    }

    /// The snapshots that readers may ask for, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> &[SnapshotId] {
        &self.snapshots
    }

    /// The epoch of the last record, in the log or in the snapshot before it; 0 when there is none.
    #[must_use]
    pub fn last_epoch(&self) -> LeaderEpoch {
        self.epochs.last().map_or(self.snapshot().epoch, |&(epoch, _)| epoch.max(self.snapshot().epoch))
    }

    /// The epoch of the record just below `offset`, when this log or one of its snapshots still knows it.
    #[must_use]
    pub fn epoch_below(&self, offset: Offset) -> Option<LeaderEpoch> {
        if offset > self.end {
            return None;
        }
        if let Some(id) = self.snapshots.iter().find(|id| id.end_offset == offset) {
            return Some(id.epoch);
        }
        self.epochs.iter().rev().find(|&&(_, start)| start < offset).map(|&(epoch, _)| epoch)
    }

    /// The largest epoch that is not above `epoch`, and where it ends.
    pub(crate) fn end_of_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let next = self.epochs.iter().position(|&(known, _)| known > epoch).unwrap_or(self.epochs.len());
        let end = self.epochs.get(next).map_or(self.end, |&(_, start)| start);
        let in_log = next.checked_sub(1).and_then(|index| self.epochs.get(index)).map(|&(known, _)| known);
        // Records before the log's first epoch are known by the snapshots that end before it.
        let below = self.snapshots.iter().rev().find(|id| id.epoch <= epoch && id.end_offset <= end);
        match (in_log, below) {
            (Some(known), _) => (known, end),
            (None, Some(id)) => (id.epoch, end.max(id.end_offset)),
            (None, None) => (LeaderEpoch(0), end.min(self.start)),
        }
    }

    /// How the log of a reader who has `offset` records, the last of them of `epoch`, compares to this one.
    ///
    /// Source: KIP-595 "Fetch", KIP-630 "Fetch response handling".
    pub(crate) fn compare(&self, offset: Offset, epoch: LeaderEpoch) -> Comparison {
        let newest = self.snapshot();
        let oldest = self.snapshots.first().copied().unwrap_or_default();
        if offset == Offset(0) && newest != SnapshotId::default() {
            // Faster than reading everything from the start, even where that is still there.
            return Comparison::Snapshot(newest);
        }
        if self.start == Offset(0) && offset == Offset(0) && epoch == LeaderEpoch(0) {
            return Comparison::Prefix;
        }
        let unknown =
            offset < self.start || (offset == self.start && epoch != self.epoch_below(offset).unwrap_or_default());
        if newest != SnapshotId::default() && (unknown || epoch < oldest.epoch) {
            return Comparison::Snapshot(newest);
        }
        let (known, end) = self.end_of_epoch(epoch);
        if known != epoch || end < offset { Comparison::Diverging(known, end) } else { Comparison::Prefix }
    }

    /// Where to truncate when the leader's log has `epoch` end at `end_offset`.
    pub(crate) fn truncation_point(&self, epoch: LeaderEpoch, end_offset: Offset) -> Offset {
        let (known, end) = self.end_of_epoch(epoch);
        // Where this log lacks the epoch, all of later ones goes, and the next answer tells more.
        if known == epoch { end.min(end_offset) } else { end }
    }

    pub(crate) fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        if self.epochs.last().is_none_or(|&(last, _)| last < epoch) {
            self.epochs.push((epoch, self.end));
        }
    }

    /// Moves the end past `records` records; None when offsets would run out.
    pub(crate) fn extend(&mut self, records: u32) -> Option<Offset> {
        let base = self.end;
        self.end = Offset(base.0.checked_add(i64::from(records))?);
        Some(base)
    }

    /// Takes a batch of `epoch` that ends at `end`.
    pub(crate) fn append(&mut self, epoch: LeaderEpoch, end: Offset) {
        self.begin_epoch(epoch);
        self.end = end;
    }

    pub(crate) fn synced(&mut self, end: Offset) {
        self.durable_end = self.durable_end.max(end);
    }

    pub(crate) fn truncate(&mut self, end: Offset) {
        self.end = end;
        self.durable_end = self.durable_end.min(end);
        self.epochs.retain(|&(_, start)| start < end);
    }

    pub(crate) fn snapshot_taken(&mut self, id: SnapshotId) {
        self.snapshots.push(id);
    }

    /// The log begins at snapshot `to`, and older snapshots are gone.
    pub(crate) fn trim(&mut self, to: SnapshotId) {
        self.start = self.start.max(to.end_offset);
        self.snapshots.retain(|id| *id >= to);
        // The epoch that is open at the new start stays, as the first.
        let open = self.epochs.iter().rposition(|&(_, start)| start <= to.end_offset).unwrap_or(0);
        self.epochs.drain(..open);
    }

    /// Nothing is left but snapshot `id`.
    pub(crate) fn replace(&mut self, id: SnapshotId) {
        *self = Self {
            start: id.end_offset,
            end: id.end_offset,
            durable_end: id.end_offset,
            snapshots: vec![id],
            epochs: Vec::new(),
        };
    }
}
