//! Where a follower's log is cut when it and the leader's have parted (KIP-101, KIP-279), and where it goes on when the leader has nothing at
//! its offset. Computes offsets; cuts nothing.

use barnabas_types::Offset;

use super::{EpochEnd, LeaderEnds, OwnLog};
use crate::Settings;
use crate::bug::Bug;

/// The offset from which the own log is certainly, or may be, another one than the leader's. Where both have the epoch that the leader named,
/// they have the same records up to the smaller of its two ends. Where only the leader has it, the logs part no later than at the end of the
/// largest smaller epoch that this log has: cut there, and ask again.
pub(super) fn diverges_at(leader: EpochEnd, own: &OwnLog, settings: &Settings) -> Offset {
    let parts_at = match own.epoch_end {
        Some(own_end) if own_end.epoch != leader.epoch && !settings.has(Bug::TruncatesToLeadersEnd) => {
            own_end.end_offset
        }
        Some(_) if settings.has(Bug::TruncatesToLeadersEnd) => leader.end_offset,
        Some(own_end) => own_end.end_offset.min(leader.end_offset),
        // The log does not say of which epoch its records are.
        None => leader.end_offset,
    };
    parts_at.min(own.log_end)
}

/// How a follower goes on whose offset the leader does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOfRange {
    /// The leader's log is shorter: a leader was elected that was out of sync.
    Truncate(Offset),
    /// The leader has deleted all that this log has: none of it is worth anything.
    StartAt(Offset),
    /// The leader's log has grown or shrunk meanwhile.
    FetchAgain,
}

pub(super) fn out_of_range(leader: LeaderEnds, own_end: Offset) -> OutOfRange {
    if leader.log_end < own_end {
        OutOfRange::Truncate(leader.log_end)
    } else if leader.log_start > own_end {
        OutOfRange::StartAt(leader.log_start)
    } else {
        OutOfRange::FetchAgain
    }
}
