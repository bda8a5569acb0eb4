//! AlterShareGroupOffsets (key 91): sets where partitions of an empty share group start (KIP-932).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Sets where partitions start.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AlterShareGroupOffsets, response = AlterShareGroupOffsetsResponse)]
pub struct AlterShareGroupOffsetsRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<AlterShareGroupOffsetsRequestTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterShareGroupOffsetsRequestTopic<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<AlterShareGroupOffsetsRequestPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where one partition shall start.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterShareGroupOffsetsRequestPartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The offset from which records shall be given out.
    pub start_offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each partition.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AlterShareGroupOffsets)]
pub struct AlterShareGroupOffsetsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// By topic.
    pub responses: Vec<AlterShareGroupOffsetsResponseTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterShareGroupOffsetsResponseTopic<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<AlterShareGroupOffsetsResponsePartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterShareGroupOffsetsResponsePartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
