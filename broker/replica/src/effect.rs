//! What a driver has to do, in the order given, under the partition's lock unless it says otherwise. Closed: a replica asks for nothing else.

use barnabas_types::{BrokerId, LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

use crate::LeaderRecoveryState;

/// A member of a proposed ISR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InSyncMember {
    /// The broker.
    pub broker: BrokerId,
    /// The epoch of the process that has fetched; -1 when none has.
    pub broker_epoch: i64,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Note in the log's leader epochs, durably, that `leader_epoch` begins at `offset`, before anything is appended in it. This broker leads
    /// from here on.
    EpochStarts {
        /// The epoch that this broker leads.
        leader_epoch: LeaderEpoch,
        /// Its first offset.
        offset: Offset,
    },
    /// Fetch from `leader`: the fetcher for it takes the partition, any other drops it.
    Follow {
        /// From whom.
        leader: BrokerId,
        /// In which epoch.
        leader_epoch: LeaderEpoch,
    },
    /// Fetch from nobody.
    StopFollowing,
    /// This broker leads no longer: who waits for the watermark is told NOT_LEADER_OR_FOLLOWER.
    LeadershipLost {
        /// The epoch that it led.
        leader_epoch: LeaderEpoch,
    },
    /// Everything below is committed: tell the log, wake who waits for it.
    WatermarkMoved {
        /// The new high watermark.
        to: Offset,
    },
    /// The log was cut below the watermark: what consumers have read is gone. Say so, loudly.
    CommittedRecordsCut {
        /// The watermark before.
        from: Offset,
        /// The watermark now, which is the log's end.
        to: Offset,
    },
    /// Raise the log's first offset, as the leader's has been.
    RaiseLogStart {
        /// The new first offset.
        to: Offset,
    },
    /// Ask the controller to change the ISR; hand in what comes of it. A later one with the same number is the same proposal again.
    AlterPartition {
        /// Names the proposal.
        number: u64,
        /// The epoch that this broker leads.
        leader_epoch: LeaderEpoch,
        /// The epoch of the state that it would change.
        partition_epoch: i32,
        /// The proposed in-sync replicas.
        isr: Vec<InSyncMember>,
        /// Whether the partition has recovered.
        recovery: LeaderRecoveryState,
    },
    /// For the metrics: a proposed smaller ISR is in force.
    IsrShrunk,
    /// For the metrics: a proposed larger ISR is in force.
    IsrExpanded,
    /// For the metrics: a proposal was not done.
    IsrUpdateFailed,
}
