//! What the engine knows of the metadata log: its bounds and where each epoch begins. Holds no record.

use std::fmt;

use barnabas_types::{LeaderEpoch, Offset};

/// Names a snapshot: everything below `end_offset`, whose last record was written in `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
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

/// The bounds of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    start: Offset,
    end: Offset,
    snapshot: SnapshotId,
    epochs: Vec<(LeaderEpoch, Offset)>,
}

impl LogView {
    /// A log that holds `start..end` after the newest snapshot `snapshot` (all zero when there is none), in which each of
    /// `epochs` begins at its offset.
    ///
    /// # Errors
    /// Bounds that contradict each other, which no recovery produces.
    pub fn new(
        start: Offset,
        end: Offset,
        snapshot: SnapshotId,
        epochs: Vec<(LeaderEpoch, Offset)>,
    ) -> Result<Self, LogViewError> {
        if end < start {
            return Err(LogViewError::EndBeforeStart { start, end });
        }
        if snapshot.end_offset < start {
            return Err(LogViewError::GapAfterSnapshot { start, snapshot: snapshot.end_offset });
        }
        if snapshot.end_offset > end {
            return Err(LogViewError::EndBeforeSnapshot { end, snapshot: snapshot.end_offset });
        }
        let mut before: Option<(LeaderEpoch, Offset)> = None;
        for &(epoch, offset) in &epochs {
            if before.is_some_and(|(old, from)| epoch <= old || offset < from) || offset > end {
                return Err(LogViewError::EpochsOutOfOrder { epoch, start: offset });
            }
            before = Some((epoch, offset));
        }
        Ok(Self { start, end, snapshot, epochs })
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

    /// The newest snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> SnapshotId {
        self.snapshot
    }

    /// The epoch of the last record, in the log or in the snapshot before it; 0 when there is none.
    #[must_use]
    pub fn last_epoch(&self) -> LeaderEpoch {
        self.epochs.last().map_or(self.snapshot.epoch, |&(epoch, _)| epoch.max(self.snapshot.epoch))
    }

    /// The epoch of the record just below `offset`, when this log or its snapshot still knows it.
    #[must_use]
    pub fn epoch_below(&self, offset: Offset) -> Option<LeaderEpoch> {
        if offset > self.end {
            return None;
        }
        if offset == self.snapshot.end_offset {
            return Some(self.snapshot.epoch);
        }
        self.epochs.iter().rev().find(|&&(_, start)| start < offset).map(|&(epoch, _)| epoch)
    }

    pub(crate) fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        self.epochs.push((epoch, self.end));
    }

    /// Moves the end past `records` records; None when offsets would run out.
    pub(crate) fn extend(&mut self, records: u32) -> Option<Offset> {
        let base = self.end;
        self.end = Offset(base.0.checked_add(i64::from(records))?);
        Some(base)
    }

    pub(crate) fn snapshot_taken(&mut self, id: SnapshotId) {
        self.snapshot = id;
        self.start = id.end_offset;
        // The epoch that is open at the new start stays, as the first.
        let open = self.epochs.iter().rposition(|&(_, start)| start <= id.end_offset).unwrap_or(0);
        self.epochs.drain(..open);
    }
}
