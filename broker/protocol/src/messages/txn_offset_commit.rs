//! TxnOffsetCommit (key 28): stores how far a group has read, as part of a transaction (KIP-98, KIP-447, KIP-890; topic ids by
//! KIP-1319).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Stores offsets that count once the transaction is committed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = TxnOffsetCommit, response = TxnOffsetCommitResponse)]
pub struct TxnOffsetCommitRequest<'a> {
    /// The producer's transactional id.
    pub transactional_id: Cow<'a, str>,
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The generation of a classic group, the member epoch of a consumer group; -1 for a commit from outside the group.
    #[field(versions = "3+", default = -1)]
    pub generation_id_or_member_epoch: i32,
    /// The member's id; empty for a commit from outside the group.
    #[field(versions = "3+")]
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "3+", nullable = "3+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// By topic.
    pub topics: Vec<TxnOffsetCommitRequestTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Offsets of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TxnOffsetCommitRequestTopic<'a> {
    /// The topic's name.
    #[field(versions = "0-5", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<TxnOffsetCommitRequestPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offset of one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TxnOffsetCommitRequestPartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The offset of the next record to read.
    pub committed_offset: i64,
    /// The leader epoch of the last record read; -1 when it is not known.
    #[field(versions = "2+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// A text to keep with the offset; null for none.
    #[field(nullable = "0+")]
    pub committed_metadata: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each offset.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = TxnOffsetCommit)]
pub struct TxnOffsetCommitResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<TxnOffsetCommitResponseTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TxnOffsetCommitResponseTopic<'a> {
    /// The topic's name.
    #[field(versions = "0-5", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<TxnOffsetCommitResponsePartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TxnOffsetCommitResponsePartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
