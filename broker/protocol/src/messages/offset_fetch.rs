//! OffsetFetch (key 9): how far groups have read (KIP-88, KIP-320, KIP-447, KIP-709, KIP-848; topic ids by KIP-1108).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, UnknownTags};

/// Asks for the offsets of a group, of several from version 8 on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = OffsetFetch, response = OffsetFetchResponse)]
pub struct OffsetFetchRequest<'a> {
    /// The group's id, up to version 7.
    #[field(versions = "0-7")]
    pub group_id: Cow<'a, str>,
    /// The partitions asked for, up to version 7; null for all.
    #[field(versions = "0-7", nullable = "2-7")]
    pub topics: Option<Vec<OffsetFetchRequestTopic<'a>>>,
    /// By group.
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchRequestGroup<'a>>,
    /// Whether to refuse offsets that a transaction under way may still change.
    #[field(versions = "7+")]
    pub require_stable: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic, up to version 7.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetFetchRequestTopic<'a> {
    /// The topic's name.
    #[field(versions = "0-7")]
    pub name: Cow<'a, str>,
    /// The partitions' numbers.
    #[field(versions = "0-7")]
    pub partition_indexes: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A group and the partitions asked for.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct OffsetFetchRequestGroup<'a> {
    /// The group's id.
    #[field(versions = "8+")]
    pub group_id: Cow<'a, str>,
    /// The member's id; null for a request from outside the group.
    #[field(versions = "9+", nullable = "9+", default = null, ignorable)]
    pub member_id: Option<Cow<'a, str>>,
    /// The member epoch; -1 for a request from outside the group.
    #[field(versions = "9+", default = -1, ignorable)]
    pub member_epoch: i32,
    /// The partitions asked for; null for all.
    #[field(versions = "8+", nullable = "8+")]
    pub topics: Option<Vec<OffsetFetchRequestTopics<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic, from version 8 on.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct OffsetFetchRequestTopics<'a> {
    /// The topic's name.
    #[field(versions = "8-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions' numbers.
    #[field(versions = "8+")]
    pub partition_indexes: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offsets: of one group up to version 7, by group from version 8 on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = OffsetFetch)]
pub struct OffsetFetchResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// By topic, up to version 7.
    #[field(versions = "0-7")]
    pub topics: Vec<OffsetFetchResponseTopic<'a>>,
    /// What went wrong, or NONE.
    #[field(versions = "2-7", ignorable)]
    pub error_code: ErrorCode,
    /// By group.
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchResponseGroup<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offsets of one topic, up to version 7.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetFetchResponseTopic<'a> {
    /// The topic's name.
    #[field(versions = "0-7")]
    pub name: Cow<'a, str>,
    /// By partition.
    #[field(versions = "0-7")]
    pub partitions: Vec<OffsetFetchResponsePartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offset of one partition, up to version 7.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetFetchResponsePartition<'a> {
    /// The partition's number.
    #[field(versions = "0-7")]
    pub partition_index: i32,
    /// The offset of the next record to read; -1 when none is stored.
    #[field(versions = "0-7")]
    pub committed_offset: i64,
    /// The leader epoch of the last record read; -1 when it is not known.
    #[field(versions = "5-7", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// The text kept with the offset; null when none is stored.
    #[field(versions = "0-7", nullable = "0-7")]
    pub metadata: Option<Cow<'a, str>>,
    /// What went wrong, or NONE.
    #[field(versions = "0-7")]
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offsets of one group.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetFetchResponseGroup<'a> {
    /// The group's id.
    #[field(versions = "8+")]
    pub group_id: Cow<'a, str>,
    /// By topic.
    #[field(versions = "8+")]
    pub topics: Vec<OffsetFetchResponseTopics<'a>>,
    /// What went wrong, or NONE.
    #[field(versions = "8+")]
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offsets of one topic, from version 8 on.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetFetchResponseTopics<'a> {
    /// The topic's name.
    #[field(versions = "8-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// By partition.
    #[field(versions = "8+")]
    pub partitions: Vec<OffsetFetchResponsePartitions<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offset of one partition, from version 8 on.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetFetchResponsePartitions<'a> {
    /// The partition's number.
    #[field(versions = "8+")]
    pub partition_index: i32,
    /// The offset of the next record to read; -1 when none is stored.
    #[field(versions = "8+")]
    pub committed_offset: i64,
    /// The leader epoch of the last record read; -1 when it is not known.
    #[field(versions = "8+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// The text kept with the offset; null when none is stored.
    #[field(versions = "8+", nullable = "8+")]
    pub metadata: Option<Cow<'a, str>>,
    /// What went wrong, or NONE.
    #[field(versions = "8+")]
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
