//! Invariants that hold after every input, checked in release too: they cost a few comparisons.

use barnabas_types::{LeaderEpoch, Offset};

use crate::{ElectionState, Node, ReplicaKey, Role, SnapshotId, Vote};

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// More was synced than was appended.
    #[error("offset {durable_end} is reported durable, but the log ends at {log_end}")]
    DurableBeyondEnd {
        /// What was reported.
        durable_end: Offset,
        /// The end of the log.
        log_end: Offset,
    },
    /// A log's offsets are out of order.
    #[error(
        "log start {log_start}, high watermark {high_watermark}, durable end {durable_end} and log end {log_end} are out of order"
    )]
    OffsetsOutOfOrder {
        /// The start of the log.
        log_start: Offset,
        /// What is committed.
        high_watermark: Offset,
        /// What is on disk.
        durable_end: Offset,
        /// What is appended.
        log_end: Offset,
    },
    /// The log holds a newer epoch than its replica is in, or its leader none of its own.
    #[error("the log's last epoch is {last}, its replica's is {epoch}")]
    EpochBehindLog {
        /// The replica's.
        epoch: LeaderEpoch,
        /// The log's.
        last: LeaderEpoch,
    },
    /// An epoch or the high watermark has gone back.
    #[error(
        "the epoch went from {old_epoch} to {epoch}, the high watermark from {old_high_watermark} to {high_watermark}"
    )]
    WentBack {
        /// The epoch before.
        old_epoch: LeaderEpoch,
        /// The epoch now.
        epoch: LeaderEpoch,
        /// The high watermark before.
        old_high_watermark: Offset,
        /// The high watermark now.
        high_watermark: Offset,
    },
    /// One vote per epoch.
    #[error("the vote of epoch {epoch} went from {old} to {new}")]
    VotedTwice {
        /// The epoch.
        epoch: LeaderEpoch,
        /// For whom it was.
        old: ReplicaKey,
        /// For whom it is.
        new: ReplicaKey,
    },
    /// A role that relies on the disk before the disk has it.
    #[error("the replica is in epoch {epoch}, but quorum-state holds epoch {kept}")]
    NotKept {
        /// The replica's epoch.
        epoch: LeaderEpoch,
        /// What is kept.
        kept: LeaderEpoch,
    },
    /// A leader wants what is committed here removed.
    #[error(
        "the leader's log parts from this one at {end}, below the high watermark {high_watermark}: committed records differ"
    )]
    TruncationOfCommitted {
        /// Where it parts.
        end: Offset,
        /// What is committed.
        high_watermark: Offset,
    },
    /// A snapshot holds what is not committed, or names an epoch that the log does not have there.
    #[error("snapshot {id} does not end at a committed record (high watermark {high_watermark})")]
    SnapshotOfUncommitted {
        /// The snapshot.
        id: SnapshotId,
        /// What is committed.
        high_watermark: Offset,
    },
    /// Offsets end at 2^63 - 1.
    #[error("no offset is left after {log_end}")]
    OffsetsExhausted {
        /// The end of the log.
        log_end: Offset,
    },
    /// Two changes of the voters at once.
    #[error("the voters change by more than one at offset {offset}: majorities need not meet")]
    VotersDoNotOverlap {
        /// The offset of the record.
        offset: Offset,
    },
}

/// What an input may only move forward.
pub(crate) struct Before {
    epoch: LeaderEpoch,
    high_watermark: Offset,
    kept: ElectionState,
}

impl Before {
    pub(crate) fn of(node: &Node) -> Self {
        Self { epoch: node.epoch(), high_watermark: node.high_watermark, kept: node.kept }
    }
}

/// Checks `node` after an input.
pub(crate) fn validate(node: &Node, before: &Before) -> Result<(), Broken> {
    offsets(node)?;
    let (epoch, high_watermark) = (node.epoch(), node.high_watermark);
    if epoch < before.epoch || high_watermark < before.high_watermark || node.kept.epoch < before.kept.epoch {
        let (old_epoch, old_high_watermark) = (before.epoch, before.high_watermark);
        return Err(Broken::WentBack { old_epoch, epoch, old_high_watermark, high_watermark });
    }
    if let (Some(old), Some(new)) = (before.kept.voted, node.kept.voted)
        && node.kept.epoch == before.kept.epoch
        && old != new
    {
        return Err(Broken::VotedTwice { epoch, old, new });
    }
    elections(node)?;
    let last = node.log.last_epoch();
    let is_behind = match &node.role {
        Role::Leader(_) => last != epoch,
        _ => last > epoch,
    };
    if is_behind { Err(Broken::EpochBehindLog { epoch, last }) } else { Ok(()) }
}

fn offsets(node: &Node) -> Result<(), Broken> {
    let (log_start, durable_end, log_end) = (node.log.start(), node.log.durable_end(), node.log.end());
    let high_watermark = node.high_watermark;
    let leader_in_order = match &node.role {
        Role::Leader(leader) => {
            // What it says is committed is known to be, and includes a record of its epoch. Its own disk may be behind the others'.
            leader.epoch_start < log_end
                && leader.high_watermark.is_none_or(|own| own > leader.epoch_start && own <= high_watermark)
        }
        _ => true,
    };
    if log_start <= log_end && durable_end <= log_end && high_watermark <= log_end && leader_in_order {
        return Ok(());
    }
    Err(Broken::OffsetsOutOfOrder { log_start, high_watermark, durable_end, log_end })
}

/// What others rely on is on disk: the epoch that this replica votes, stands or leads in.
fn elections(node: &Node) -> Result<(), Broken> {
    let (epoch, kept) = (node.epoch(), node.kept);
    // Others rely on nothing of a replica that remembers nothing.
    let may_be_newer = !node.memory.is_whole();
    let is_kept = match &node.role {
        Role::Candidate(_) => kept == ElectionState::voted(epoch, node.config.key),
        Role::Leader(_) => kept.epoch == epoch && kept.leader == Some(node.config.key.id),
        Role::Follower(follower) => may_be_newer || (kept.epoch == epoch && kept.leader == Some(follower.leader)),
        Role::Unattached(unattached) => match unattached.vote {
            Vote::Given(candidate) => kept.epoch == epoch && kept.voted == Some(candidate),
            Vote::Free | Vote::Withheld => {
                may_be_newer || kept.epoch == epoch || node.life == crate::node::Life::Created
            }
        },
        Role::Prospective(_) | Role::Resigned(_) => may_be_newer || kept.epoch == epoch,
    };
    if is_kept { Ok(()) } else { Err(Broken::NotKept { epoch, kept: kept.epoch }) }
}
