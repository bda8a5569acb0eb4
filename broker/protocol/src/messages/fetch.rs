//! Fetch (key 1): reads record batches, for consumers, followers and quorum members (KIP-74, KIP-227, KIP-320, KIP-392, KIP-516,
//! KIP-595, KIP-903, KIP-951).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, Records, UnknownTags};

/// Reads from one or more partitions; waits until there is enough or time is up.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = Fetch, response = FetchResponse)]
pub struct FetchRequest<'a> {
    /// The cluster that a quorum member believes to be part of; null when it does not say.
    #[field(versions = "12+", nullable = "12+", tag = 0, default = null, ignorable)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The follower's broker id; -1 for a consumer.
    #[field(versions = "0-14", default = -1)]
    pub replica_id: i32,
    /// Who the follower is; the default stands for a consumer.
    #[field(versions = "15+", tag = 1)]
    pub replica_state: ReplicaState<'a>,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Answer as soon as this many bytes are there.
    pub min_bytes: i32,
    /// The most bytes to answer with. A first batch that is larger is sent all the same, so that consumers get on (KIP-74).
    #[field(default = i32::MAX, ignorable)]
    pub max_bytes: i32,
    /// 0: all records up to the high watermark. 1: only those of decided transactions, up to the last stable offset.
    #[field(ignorable)]
    pub isolation_level: i8,
    /// The fetch session; 0 for none.
    #[field(versions = "7+", ignorable)]
    pub session_id: i32,
    /// The number of this request in its session: 0 asks for a new session, -1 for none.
    #[field(versions = "7+", default = -1, ignorable)]
    pub session_epoch: i32,
    /// What to read; in a session what is added or changed.
    pub topics: Vec<FetchTopic<'a>>,
    /// Partitions that leave the session.
    #[field(versions = "7+")]
    pub forgotten_topics_data: Vec<ForgottenTopic<'a>>,
    /// The consumer's rack, to read from a replica nearby (KIP-392); empty for none.
    #[field(versions = "11+", ignorable)]
    pub rack_id: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who the follower is.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReplicaState<'a> {
    /// The follower's broker id; -1 for a consumer.
    #[field(versions = "15+", default = -1)]
    pub replica_id: i32,
    /// The follower's broker epoch; -1 when it does not say.
    #[field(versions = "15+", default = -1)]
    pub replica_epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What to read of one topic. In a fetch session, only what changed.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct FetchTopic<'a> {
    /// The topic's name.
    #[field(versions = "0-12", ignorable)]
    pub topic: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions to read, in the order in which they get their share of `max_bytes`.
    pub partitions: Vec<FetchPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What to read of one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct FetchPartition<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The leader epoch that the client knows, for the broker to compare; -1 when it knows none.
    #[field(versions = "9+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// The offset to read from.
    pub fetch_offset: i64,
    /// The epoch of the last record that the follower has; -1 for none. With it the leader finds where the logs part.
    #[field(versions = "12+", default = -1)]
    pub last_fetched_epoch: i32,
    /// The first offset in the follower's log; -1 for a consumer.
    #[field(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// The most bytes to read of this partition, with the same exception as `max_bytes`.
    pub partition_max_bytes: i32,
    /// The follower's log directory (KIP-853).
    #[field(versions = "17+", tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
    /// The high watermark that the follower knows: -1 for none, `i64::MAX` when it does not take part in this (KIP-1166).
    #[field(versions = "18+", tag = 1, default = i64::MAX, ignorable)]
    pub high_watermark: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions that leave the fetch session.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ForgottenTopic<'a> {
    /// The topic's name.
    #[field(versions = "7-12", ignorable)]
    pub topic: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions' numbers.
    #[field(versions = "7+")]
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Records by partition. In a fetch session, only partitions with something to say.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = Fetch)]
pub struct FetchResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    #[field(versions = "7+", ignorable)]
    pub error_code: ErrorCode,
    /// The session; 0 when there is none.
    #[field(versions = "7+")]
    pub session_id: i32,
    /// What was read, by topic.
    pub responses: Vec<FetchableTopicResponse<'a>>,
    /// The addresses of the leaders named in this response.
    #[field(versions = "16+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What was read of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct FetchableTopicResponse<'a> {
    /// The topic's name.
    #[field(versions = "0-12", ignorable)]
    pub topic: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// What was read, by partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What was read of one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The offset up to which records are committed; -1 when it is not known.
    pub high_watermark: i64,
    /// The offset up to which all transactions are decided; -1 when it is not known.
    #[field(default = -1, ignorable)]
    pub last_stable_offset: i64,
    /// The first offset in the log; -1 when it is not known.
    #[field(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Set when the follower's log parted from this one: the epoch and offset up to which they may still agree.
    #[field(versions = "12+", tag = 0)]
    pub diverging_epoch: EpochEndOffset<'a>,
    /// The leader to turn to, when this broker is not the one.
    #[field(versions = "12+", tag = 1)]
    pub current_leader: LeaderIdAndEpoch<'a>,
    /// Set when the follower must first fetch a snapshot: the one to fetch.
    #[field(versions = "12+", tag = 2)]
    pub snapshot_id: SnapshotId<'a>,
    /// The aborted transactions among the records, by their first offset; null when `isolation_level` is 0.
    #[field(nullable = "0+", ignorable)]
    pub aborted_transactions: Option<Vec<AbortedTransaction<'a>>>,
    /// A replica nearer to the consumer, which it should ask from now on; -1 for none.
    #[field(versions = "11+", default = -1)]
    pub preferred_read_replica: i32,
    /// The record batches; the last may be cut off. Clients take null for none.
    #[field(nullable = "0+", default = null)]
    pub records: Option<Records<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A leader epoch and the offset after its last record.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EpochEndOffset<'a> {
    /// The leader epoch; -1 for none.
    #[field(versions = "12+", default = -1)]
    pub epoch: i32,
    /// The offset after the epoch's last record; -1 for none.
    #[field(versions = "12+", default = -1)]
    pub end_offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who leads the partition now (KIP-951).
#[derive(Clone, Debug, PartialEq, Message)]
pub struct LeaderIdAndEpoch<'a> {
    /// The leader; -1 when there is none or it is not known.
    #[field(versions = "12+", default = -1)]
    pub leader_id: i32,
    /// The leader's epoch; -1 when it is not known.
    #[field(versions = "12+", default = -1)]
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Names a snapshot of the metadata log by what it contains.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct SnapshotId<'a> {
    /// The offset after the last record that is in the snapshot; -1 for none.
    #[field(default = -1)]
    pub end_offset: i64,
    /// The epoch of that record; -1 for none.
    #[field(default = -1)]
    pub epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A transaction whose records in this response are to be skipped.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AbortedTransaction<'a> {
    /// The producer's id.
    pub producer_id: i64,
    /// The offset of the transaction's first record.
    pub first_offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The address of a broker that is named as leader (KIP-951).
#[derive(Clone, Debug, PartialEq, Message)]
pub struct NodeEndpoint<'a> {
    /// The broker's id.
    #[field(versions = "16+")]
    pub node_id: i32,
    /// The host name or address to connect to.
    #[field(versions = "16+")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "16+")]
    pub port: i32,
    /// The broker's rack; null when it has none.
    #[field(versions = "16+", nullable = "16+", default = null)]
    pub rack: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
