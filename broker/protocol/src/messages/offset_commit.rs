//! OffsetCommit (key 8): stores how far a group has read (KIP-211, KIP-320, KIP-345, KIP-848; topic ids by KIP-1108).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, UnknownTags};

/// Stores offsets. Without a group membership when generation is -1 and member id empty.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(request = OffsetCommit, response = OffsetCommitResponse)]
pub struct OffsetCommitRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The generation of a classic group, the member epoch of a consumer group; -1 for a commit from outside the group.
    #[field(default = -1, ignorable)]
    pub generation_id_or_member_epoch: i32,
    /// The member's id; empty for a commit from outside the group.
    #[field(ignorable)]
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "7+", nullable = "7+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// How long to keep the offsets, in milliseconds; -1 for the broker's default.
    #[field(versions = "2-4", default = -1, ignorable)]
    pub retention_time_ms: i64,
    /// By topic.
    pub topics: Vec<OffsetCommitRequestTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Offsets of one topic.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct OffsetCommitRequestTopic<'a> {
    /// The topic's name.
    #[field(versions = "0-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<OffsetCommitRequestPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The offset of one partition.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct OffsetCommitRequestPartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The offset of the next record to read.
    pub committed_offset: i64,
    /// The leader epoch of the last record read; -1 when it is not known.
    #[field(versions = "6+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// A text to keep with the offset.
    #[field(nullable = "0+")]
    pub committed_metadata: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each offset.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = OffsetCommit)]
pub struct OffsetCommitResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<OffsetCommitResponseTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetCommitResponseTopic<'a> {
    /// The topic's name.
    #[field(versions = "0-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<OffsetCommitResponsePartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetCommitResponsePartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
