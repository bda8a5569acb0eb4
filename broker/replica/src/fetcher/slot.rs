//! One partition that is fetched: from where, whether it may be fetched now, and what the session knows of it. Decides nothing.

use barnabas_types::{LeaderEpoch, Offset};

use super::LogPosition;
use crate::time::Millis;

/// A partition that is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub position: Position,
    pub phase: Phase,
    /// What the session has of it: what was last asked for.
    pub asked: Option<Position>,
    /// It is in the list of those that have changed.
    pub is_listed: bool,
    /// How often, one after the other, the leader did not know the metadata that this broker has, or the own log was hindered.
    pub failures: u32,
    /// Its log is cut to `position.offset` before anything is fetched.
    pub is_cut_first: bool,
}

/// From where a partition is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub leader_epoch: LeaderEpoch,
    pub offset: Offset,
    pub last_epoch: Option<LeaderEpoch>,
    pub log_start: Offset,
}

/// Whether a partition may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It may.
    Ready,
    /// When its log is synced.
    Syncing,
    /// When its log has been appended to or cut.
    Working,
    /// When the leader has said where its log begins and ends.
    AskingEnds,
    /// Then.
    Delayed(Millis),
    /// When the metadata says something new.
    SetAside,
}

impl Position {
    pub(super) const fn of(leader_epoch: LeaderEpoch, log: &LogPosition) -> Self {
        Self { leader_epoch, offset: log.log_end, last_epoch: log.last_epoch, log_start: log.log_start }
    }

    /// True when an answer to `asked` is about this log as it is. Where its first offset lies does not matter.
    pub(super) fn is_answered_by(&self, asked: &Self) -> bool {
        Self { log_start: self.log_start, ..*asked } == *self
    }
}
