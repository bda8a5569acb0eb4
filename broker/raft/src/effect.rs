//! What a driver has to do, in the order given. Closed: the engine asks for nothing else.

use barnabas_types::{LeaderEpoch, Offset};

use crate::{Broken, ElectionState, ReplicaKey, VoterSet};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Replace `quorum-state`, sync it, then report [`Input::ElectionPersisted`](crate::Input::ElectionPersisted).
    PersistElection(ElectionState),
    /// Append one control batch.
    AppendControl {
        /// The offset of its first record.
        base_offset: Offset,
        /// The batch's leader epoch.
        epoch: LeaderEpoch,
        /// Its records, in order.
        records: Vec<ControlRecord>,
    },
    /// Append the batch that [`Input::Append`](crate::Input::Append) named.
    Append {
        /// The batch.
        token: u64,
        /// The offset of its first record.
        base_offset: Offset,
        /// Its leader epoch.
        epoch: LeaderEpoch,
    },
    /// Throw the batch away and tell whoever asked.
    RefuseAppend {
        /// The batch.
        token: u64,
        /// Why.
        refusal: AppendRefusal,
    },
    /// Everything below `high_watermark` is committed: apply it, answer what waited for it.
    Commit {
        /// The first offset that is not committed.
        high_watermark: Offset,
    },
    /// This replica leads `epoch` and has committed a record of it: the controller may decide.
    Lead {
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// This replica no longer leads `epoch`: the controller drops what is not committed.
    LeadershipLost {
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// The records below `start` are in a durable snapshot: they may leave the log.
    TrimLog {
        /// The log's new start.
        start: Offset,
    },
    /// Stop the quorum replica: it can no longer keep its promises.
    Halt(HaltReason),
}

/// A record that the quorum writes for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// Who leads from here on, first in every epoch.
    LeaderChange {
        /// The leader.
        leader: ReplicaKey,
        /// All voters.
        voters: Vec<ReplicaKey>,
        /// The voters that elected it.
        granting: Vec<ReplicaKey>,
    },
    /// The finalised `kraft.version`.
    KRaftVersion {
        /// 0: voters are configured; 1: voters are in the log.
        version: u16,
    },
    /// The voters from here on.
    Voters(VoterSet),
}

/// Why a batch was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefusal {
    /// Only the leader appends.
    #[error("this node does not lead the quorum (epoch {epoch}): find the active controller again")]
    NotLeader {
        /// The current epoch.
        epoch: LeaderEpoch,
    },
    /// The batch was decided under another epoch.
    #[error("the batch was decided in epoch {decided}, the quorum is in {epoch}: decide again")]
    OtherEpoch {
        /// The batch's epoch.
        decided: LeaderEpoch,
        /// The current epoch.
        epoch: LeaderEpoch,
    },
    /// A batch without records has no offset.
    #[error("the batch holds no record")]
    Empty,
    /// Offsets end at 2^63 - 1.
    #[error("{records} records after offset {log_end} would leave the range of offsets")]
    OffsetsExhausted {
        /// The end of the log.
        log_end: Offset,
        /// The size of the batch.
        records: u32,
    },
}

/// Why a replica stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HaltReason {
    /// The log or `quorum-state` could not be written.
    #[error("the metadata log's disk failed")]
    DiskFailed,
    /// Epochs end at 2^31 - 1.
    #[error("the quorum is in epoch {epoch}, the last that Kafka's format can hold")]
    EpochsExhausted {
        /// The last epoch.
        epoch: LeaderEpoch,
    },
    /// An input contradicts what the engine knows.
    #[error("an invariant of the quorum is broken: {0}")]
    Broken(Broken),
}
