//! What a fetcher's driver has to do, in the order given. Closed: a fetcher asks for nothing else.

use barnabas_types::{LeaderEpoch, Offset, TopicIdPartition};

/// A partition of a Fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which.
    pub partition: TopicIdPartition,
    /// The epoch in which it is followed.
    pub leader_epoch: LeaderEpoch,
    /// From where; as far as the durability counts, everything below is kept here.
    pub offset: Offset,
    /// The newest epoch that the own log knows, by which the leader sees that the logs have parted; none when it knows none.
    pub last_epoch: Option<LeaderEpoch>,
    /// The own log's first offset.
    pub log_start: Offset,
}

/// A Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The session; 0 to begin one.
    pub session_id: i32,
    /// The number of the request in the session; 0 to begin one, with all its partitions.
    pub session_epoch: i32,
    /// Partitions that the session does not know as they are.
    pub partitions: Vec<FetchPartition>,
    /// Partitions that the session has and shall forget.
    pub forgotten: Vec<TopicIdPartition>,
    /// How long the leader may wait for news, at most, where `replica.fetch.wait.max.ms` says more: partitions wait to be fetched again.
    pub may_wait_ms: u64,
}

/// Why a partition is fetched no more before the metadata says something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAsideReason {
    /// The leader knows a newer epoch than this broker.
    Fenced,
    /// The own log does not take what was fetched, or cannot be cut.
    LogRefused,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a Fetch and hand in what comes of it under the same number.
    Fetch {
        /// Names the request.
        number: u64,
        /// The request.
        request: FetchRequest,
    },
    /// Validate the records that the answer has for the partition. Under its lock: it must still be followed in this epoch; if its log ends at
    /// `offset`, append, and hand what the leader told to the [`Replica`](crate::Replica). Then hand in what came of it; where the log ends
    /// elsewhere, how far it has come.
    Append {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in which they were asked for.
        leader_epoch: LeaderEpoch,
        /// Where they belong.
        offset: Offset,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// The leader's first offset.
        log_start: Offset,
    },
    /// Only hand what the leader told to the replica. Nothing is handed in.
    Learn {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in which it was asked for.
        leader_epoch: LeaderEpoch,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// The leader's first offset.
        log_start: Offset,
    },
    /// Under the partition's lock, if it is still followed in this epoch: remove every record from `to` on, and every epoch that begins there
    /// or later, also where `to` is the log's end. Tell the replica that the log has moved. Then hand in what came of it.
    Truncate {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in which the leader said so.
        leader_epoch: LeaderEpoch,
        /// The log's new end.
        to: Offset,
        /// It lies below the watermark: what was committed goes, after the election of a leader that was out of sync. Say so.
        is_below_watermark: bool,
    },
    /// As `Truncate`, but all records go, and the log begins at `at`: the leader has none of them any more.
    StartAt {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in which the leader said so.
        leader_epoch: LeaderEpoch,
        /// The log's new start and end.
        at: Offset,
        /// It lies below the watermark.
        is_below_watermark: bool,
    },
    /// Ask the leader where its log begins and ends (ListOffsets, as a replica), and hand in the answer.
    AskLeaderEnds {
        /// Which.
        partition: TopicIdPartition,
        /// The epoch in which it is followed.
        leader_epoch: LeaderEpoch,
    },
    /// Give up the connection, and the request that is under way; what would come of it is not handed in. Either nothing is fetched from this
    /// peer any more, which may be gone for good, without a word, or another request follows that is not to wait for that one.
    HangUp,
    /// For the log and the metrics: the partition is fetched no more before the metadata says something new.
    SetAside {
        /// Which.
        partition: TopicIdPartition,
        /// Why.
        reason: SetAsideReason,
    },
}
