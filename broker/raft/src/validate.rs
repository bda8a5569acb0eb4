//! Invariants that hold after every input, checked in release too: they cost a few comparisons.

use barnabas_types::{LeaderEpoch, Offset};

use crate::{Node, Role, SnapshotId};

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
    /// A leader's offsets are out of order.
    #[error(
        "epoch start {epoch_start}, high watermark {high_watermark:?}, durable end {durable_end} and log end {log_end} are out of order"
    )]
    OffsetsOutOfOrder {
        /// Where the epoch starts.
        epoch_start: Offset,
        /// What is committed.
        high_watermark: Option<Offset>,
        /// What is on disk.
        durable_end: Offset,
        /// What is appended.
        log_end: Offset,
    },
    /// The log holds a newer epoch than its leader's.
    #[error("the log's last epoch is {last}, its leader's is {epoch}")]
    EpochBehindLog {
        /// The leader's.
        epoch: LeaderEpoch,
        /// The log's.
        last: LeaderEpoch,
    },
    /// A snapshot holds what is not committed, or names an epoch that the log does not have there.
    #[error("snapshot {id} does not end at a committed record (high watermark {high_watermark:?})")]
    SnapshotOfUncommitted {
        /// The snapshot.
        id: SnapshotId,
        /// What is committed.
        high_watermark: Option<Offset>,
    },
    /// Offsets end at 2^63 - 1.
    #[error("no offset is left after {log_end}")]
    OffsetsExhausted {
        /// The end of the log.
        log_end: Offset,
    },
}

/// Checks `node`.
pub(crate) fn validate(node: &Node) -> Result<(), Broken> {
    let Role::Leader(leader) = node.role else { return Ok(()) };
    let log_end = node.log.end();
    let watermark_in_order =
        leader.high_watermark.is_none_or(|watermark| watermark > leader.epoch_start && watermark <= leader.durable_end);
    if leader.epoch_start >= log_end || leader.durable_end > log_end || !watermark_in_order {
        return Err(Broken::OffsetsOutOfOrder {
            epoch_start: leader.epoch_start,
            high_watermark: leader.high_watermark,
            durable_end: leader.durable_end,
            log_end,
        });
    }
    let last = node.log.last_epoch();
    if last != leader.epoch {
        return Err(Broken::EpochBehindLog { epoch: leader.epoch, last });
    }
    Ok(())
}
