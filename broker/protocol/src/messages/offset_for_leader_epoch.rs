//! OffsetForLeaderEpoch (key 23): where a leader epoch ends, to find where two logs part (KIP-101, KIP-279, KIP-320).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks where leader epochs end.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = OffsetForLeaderEpoch, response = OffsetForLeaderEpochResponse)]
pub struct OffsetForLeaderEpochRequest<'a> {
    /// The follower's broker id; -1 for a consumer, -2 for a tool that looks at any replica.
    #[field(versions = "3+", default = -2, ignorable)]
    pub replica_id: i32,
    /// By topic.
    pub topics: Vec<OffsetForLeaderTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetForLeaderTopic<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<OffsetForLeaderPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition and the epoch asked for.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetForLeaderPartition<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The leader epoch that the client knows, for the broker to compare; -1 when it knows none.
    #[field(default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// The epoch asked for.
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where the epochs end.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = OffsetForLeaderEpoch)]
pub struct OffsetForLeaderEpochResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<OffsetForLeaderTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where the epochs end in one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetForLeaderTopicResult<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<EpochEndOffset<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where the epoch ends in one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EpochEndOffset<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The partition's number.
    pub partition: i32,
    /// The largest epoch not above the one asked for; -1 when there is none.
    #[field(default = -1, ignorable)]
    pub leader_epoch: i32,
    /// The offset after the epoch's last record; -1 for none.
    #[field(default = -1)]
    pub end_offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
