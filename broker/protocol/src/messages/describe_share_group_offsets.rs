//! DescribeShareGroupOffsets (key 90): where the partitions of share groups start (KIP-932, KIP-1226).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Asks where the partitions of groups start.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeShareGroupOffsets, response = DescribeShareGroupOffsetsResponse)]
pub struct DescribeShareGroupOffsetsRequest<'a> {
    /// By group.
    pub groups: Vec<DescribeShareGroupOffsetsRequestGroup<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A group and the partitions asked for.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsRequestGroup<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The partitions asked for; null for all.
    #[field(nullable = "0+")]
    pub topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsRequestTopic<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where the partitions start.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeShareGroupOffsets)]
pub struct DescribeShareGroupOffsetsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By group.
    pub groups: Vec<DescribeShareGroupOffsetsResponseGroup<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where the partitions of one group start.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsResponseGroup<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<DescribeShareGroupOffsetsResponseTopic<'a>>,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where the partitions of one topic start.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsResponseTopic<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<DescribeShareGroupOffsetsResponsePartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where one partition starts.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeShareGroupOffsetsResponsePartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The offset below which every record is settled; -1 when nothing has been given out.
    pub start_offset: i64,
    /// How often the leader has changed; -1 when it is not known.
    pub leader_epoch: i32,
    /// How many records are yet to be settled; -1 when it is not known.
    #[field(versions = "1+", default = -1, ignorable)]
    pub lag: i64,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
