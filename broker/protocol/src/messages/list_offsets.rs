//! ListOffsets (key 2): the offset that belongs to a time, or to one of the special times, in each partition (KIP-79, KIP-320,
//! KIP-405, KIP-734, KIP-1005).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for offsets by time.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ListOffsets, response = ListOffsetsResponse)]
pub struct ListOffsetsRequest<'a> {
    /// The follower's broker id; -1 for a consumer.
    pub replica_id: i32,
    /// 0: all records up to the high watermark. 1: only those of decided transactions, up to the last stable offset.
    #[field(versions = "2+")]
    pub isolation_level: i8,
    /// By topic.
    pub topics: Vec<ListOffsetsTopic<'a>>,
    /// How long to wait for tiered storage, in milliseconds.
    #[field(versions = "10+", ignorable)]
    pub timeout_ms: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ListOffsetsTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<ListOffsetsPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One partition and the time asked for.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ListOffsetsPartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The leader epoch that the client knows, for the broker to compare; -1 when it knows none.
    #[field(versions = "4+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// The time asked for, in milliseconds since 1970; or a special one: -1 the end, -2 the start, -3 the record with the largest
    /// timestamp, -4 the start on local disk, -5 the last offset in tiered storage, -6 the first offset not yet in tiered storage.
    pub timestamp: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offsets found.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ListOffsets)]
pub struct ListOffsetsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<ListOffsetsTopicResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offsets found in one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ListOffsetsTopicResponse<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<ListOffsetsPartitionResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offset found in one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ListOffsetsPartitionResponse<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The timestamp of the record found, in milliseconds since 1970; -1 when there is none.
    #[field(default = -1)]
    pub timestamp: i64,
    /// The offset found; -1 when there is none.
    #[field(default = -1)]
    pub offset: i64,
    /// How often the leader has changed; -1 when it is not known.
    #[field(versions = "4+", default = -1)]
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
