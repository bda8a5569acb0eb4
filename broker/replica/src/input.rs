//! What can happen to a replica. Closed: everything that it learns comes in as one of these.

use barnabas_types::{BrokerId, LeaderEpoch, Offset, Uuid};
use serde::{Deserialize, Serialize};

/// What the disk held when the replica was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The high watermark of the checkpoint; 0 where there is none.
    pub high_watermark: Offset,
    /// The next record's offset.
    pub log_end: Offset,
    /// Everything below is synced.
    pub durable_end: Offset,
    /// The newest epoch in which an earlier process of this broker may have led the partition and may have lost records since: the
    /// partition's epoch when this process registered, unless the log is new or was closed cleanly; else -1. Such an epoch is not led
    /// again: followers may have records of it that this log lost, and an offset with its epoch must never name two records.
    pub withheld: LeaderEpoch,
}

/// Whether a partition has recovered from the election of a leader that was out of sync (KIP-704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LeaderRecoveryState {
    /// It has.
    #[default]
    Recovered,
    /// The leader has not said so yet.
    Recovering,
}

/// What the metadata says of the partition, and the log's ends at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned<'a> {
    /// Who leads; -1 when nobody does.
    pub leader: BrokerId,
    /// How often the leader has changed.
    pub leader_epoch: LeaderEpoch,
    /// How often anything has changed.
    pub partition_epoch: i32,
    /// The in-sync replicas.
    pub isr: &'a [BrokerId],
    /// All replicas.
    pub replicas: &'a [BrokerId],
    /// The directory of each of them, in their order; zero where that is not known.
    pub directories: &'a [Uuid],
    /// Those of them that a reassignment adds.
    pub adding: &'a [BrokerId],
    /// Those of them that a reassignment will remove.
    pub removing: &'a [BrokerId],
    /// Whether it has recovered.
    pub recovery: LeaderRecoveryState,
    /// The next record's offset.
    pub log_end: Offset,
    /// Everything below is synced.
    pub durable_end: Offset,
}

/// A follower's Fetch, whose position the leader's log has found to be on its own line. Handed in under the lock under which the read was
/// prepared: records appended later must not keep the follower from being caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Who fetches.
    pub follower: BrokerId,
    /// The epoch of its registration as the request says; -1 when it does not.
    pub broker_epoch: i64,
    /// From where: everything below is there, as far as the policy counts it.
    pub offset: Offset,
    /// The first offset that the follower has.
    pub log_start: Offset,
}

/// What came of an AlterPartition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlterAnswer<'a> {
    /// The state that the controller now has.
    Altered {
        /// The epoch of the leader.
        leader_epoch: LeaderEpoch,
        /// The epoch of this state.
        partition_epoch: i32,
        /// The in-sync replicas.
        isr: &'a [BrokerId],
    },
    /// It was not done, or nobody knows.
    Refused(AlterRefusal),
}

/// Why an AlterPartition was not done. The code of the partition, or of the whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlterRefusal {
    /// `INVALID_UPDATE_VERSION`: the partition has changed meanwhile.
    InvalidUpdateVersion,
    /// `FENCED_LEADER_EPOCH`: somebody else leads.
    FencedLeaderEpoch,
    /// `NEW_LEADER_ELECTED`: it was done, and finished a reassignment after which this broker no longer leads.
    NewLeaderElected,
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    UnknownTopicOrPartition,
    /// `UNKNOWN_TOPIC_ID`.
    UnknownTopicId,
    /// `INVALID_REQUEST`.
    InvalidRequest,
    /// `INELIGIBLE_REPLICA`: a member is fenced, shutting down or another process; nothing was done.
    IneligibleReplica,
    /// `OPERATION_NOT_ATTEMPTED`: nothing was done.
    OperationNotAttempted,
    /// `NOT_CONTROLLER`: another node decides.
    NotController,
    /// `STALE_BROKER_EPOCH`: this broker has registered anew meanwhile.
    StaleBrokerEpoch,
    /// No answer: timed out, or the connection broke. It may have been done.
    NoAnswer,
    /// Any other code.
    Other(i16),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The metadata names the partition's state.
    Assigned(Assigned<'a>),
    /// Eligibility of brokers has changed: look at [`Around::brokers`](crate::Around::brokers) again.
    BrokersChanged,
    /// Settings have changed: look at [`Around::settings`](crate::Around::settings) again.
    SettingsChanged,
    /// The log was appended to, synced or cut.
    LogMoved {
        /// The next record's offset.
        log_end: Offset,
        /// Everything below is synced.
        durable_end: Offset,
    },
    /// At the leader: a follower has fetched.
    Fetched(Fetched),
    /// At a follower, after its append: what the leader's answer said.
    LeaderTold {
        /// The epoch in which the answer was asked for.
        leader_epoch: LeaderEpoch,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// The leader's first offset.
        log_start: Offset,
    },
    /// An AlterPartition was answered.
    AlterPartitionAnswered {
        /// The number in [`Effect::AlterPartition`](crate::Effect::AlterPartition).
        number: u64,
        /// The answer.
        answer: AlterAnswer<'a>,
    },
    /// The time of [`Replica::next_deadline`](crate::Replica::next_deadline) has come. Too early does no harm.
    Tick,
    /// The partition is deleted, has moved away, or its disk has failed.
    Stopped,
}
