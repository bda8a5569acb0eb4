//! What can happen to a fetcher. Closed: everything that it learns comes in as one of these.

use barnabas_types::{LeaderEpoch, Offset, TopicIdPartition};

/// How far a follower's log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// Its first offset.
    pub log_start: Offset,
    /// The next record's offset.
    pub log_end: Offset,
    /// Everything below is synced.
    pub durable_end: Offset,
    /// The newest epoch that its leader epochs know, also one that has no records: what no leader knows must be found out and forgotten.
    pub last_epoch: Option<LeaderEpoch>,
    /// Everything below is committed, as far as this broker knows.
    pub high_watermark: Offset,
}

/// An epoch, and the offset at which it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset after it.
    pub end_offset: Offset,
}

/// What a follower's own log says where it may have to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLog {
    /// The largest epoch not above the one that the leader named, and where it ends here; none when the log knows none.
    pub epoch_end: Option<EpochEnd>,
    /// The next record's offset.
    pub log_end: Offset,
    /// Everything below is committed, as far as this broker knows.
    pub high_watermark: Offset,
}

/// Why the leader does not serve a partition. Named as Kafka's error codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionError {
    /// `OFFSET_OUT_OF_RANGE`.
    OffsetOutOfRange,
    /// `FENCED_LEADER_EPOCH`: the metadata knows a newer epoch.
    FencedLeaderEpoch,
    /// `UNKNOWN_LEADER_EPOCH`: the leader does not know the epoch, or that this broker is a replica, yet.
    UnknownLeaderEpoch,
    /// `NOT_LEADER_OR_FOLLOWER`.
    NotLeaderOrFollower,
    /// `UNKNOWN_TOPIC_ID`, `UNKNOWN_TOPIC_OR_PARTITION`: the leader does not know the topic yet, or not any more.
    UnknownTopic,
    /// Any other code.
    Other(i16),
}

/// What the leader's answer says of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionOutcome {
    /// Records, or only news of the offsets.
    Records {
        /// True when there are any.
        has_records: bool,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// The leader's first offset.
        log_start: Offset,
    },
    /// The logs have parted.
    Diverging {
        /// The largest epoch of the leader that is not above the follower's last, and where it ended there.
        leader: EpochEnd,
        /// What the own log says of that epoch.
        own: OwnLog,
    },
    /// An error.
    Refused(PartitionError),
}

/// What the leader's answer says of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionAnswer {
    /// Which.
    pub partition: TopicIdPartition,
    /// What.
    pub outcome: PartitionOutcome,
}

/// Why there is no answer, or none that says anything of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// No connection, or it broke, or it took too long.
    NoAnswer,
    /// `FETCH_SESSION_ID_NOT_FOUND`: the leader has forgotten the session.
    SessionIdNotFound,
    /// `INVALID_FETCH_SESSION_EPOCH`, or another error of the whole answer.
    Session(i16),
    /// An answer that no leader of ours gives.
    Malformed,
}

/// An answer to a Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchAnswer {
    /// The session; 0 when the leader keeps none.
    pub session_id: i32,
    /// By partition.
    pub partitions: Vec<PartitionAnswer>,
}

/// Where the leader's log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderEnds {
    /// The first offset.
    pub log_start: Offset,
    /// The next record's offset.
    pub log_end: Offset,
}

/// Why records were not appended, or a log not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFailure {
    /// The records break a rule: they may have been damaged on their way and are fetched again.
    Corrupt,
    /// The disk has no room, or does not answer just now, or something else that passes: tried again, more and more seldom.
    Hindered,
    /// The disk failed, or the log refuses: trying again does not help.
    Refused,
    /// The partition is no longer followed in that epoch: the metadata has said so, or will.
    NotFollowing,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The partition is fetched here, in this epoch.
    Follow {
        /// Which.
        partition: TopicIdPartition,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
        /// The own log.
        log: LogPosition,
    },
    /// The partition is not fetched here.
    Unfollow {
        /// Which.
        partition: TopicIdPartition,
    },
    /// A log was synced.
    Synced {
        /// Which.
        partition: TopicIdPartition,
        /// Everything below is synced.
        durable_end: Offset,
    },
    /// A log's first offset was raised.
    LogStartMoved {
        /// Which.
        partition: TopicIdPartition,
        /// Its first offset.
        log_start: Offset,
    },
    /// A Fetch was answered, or was not.
    Answered {
        /// The number in [`Effect::Fetch`](super::Effect::Fetch).
        number: u64,
        /// The answer.
        answer: Result<FetchAnswer, FetchFailure>,
    },
    /// What came of [`Effect::Append`](super::Effect::Append).
    Appended {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in the effect.
        leader_epoch: LeaderEpoch,
        /// The log now.
        result: Result<LogPosition, AppendFailure>,
    },
    /// What came of [`Effect::Truncate`](super::Effect::Truncate) or [`Effect::StartAt`](super::Effect::StartAt).
    Truncated {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in the effect.
        leader_epoch: LeaderEpoch,
        /// The log now.
        result: Result<LogPosition, AppendFailure>,
    },
    /// What came of [`Effect::AskLeaderEnds`](super::Effect::AskLeaderEnds).
    LeaderEndsAnswered {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in the effect.
        leader_epoch: LeaderEpoch,
        /// The answer.
        result: Result<LeaderEnds, PartitionError>,
        /// The own log, of which no epoch is asked.
        own: OwnLog,
    },
    /// The time of [`Fetcher::next_deadline`](super::Fetcher::next_deadline) has come. Too early does no harm.
    Tick,
}
