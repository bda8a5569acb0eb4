//! ListPartitionReassignments (key 46): the partitions that are being moved (KIP-455).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for moves under way.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ListPartitionReassignments, response = ListPartitionReassignmentsResponse)]
pub struct ListPartitionReassignmentsRequest<'a> {
    /// How long to wait for it to be done, in milliseconds.
    #[field(default = 60000)]
    pub timeout_ms: i32,
    /// The partitions asked for, by topic; null for all.
    #[field(nullable = "0+", default = null)]
    pub topics: Option<Vec<ListPartitionReassignmentsTopics<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ListPartitionReassignmentsTopics<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partition_indexes: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The moves under way.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ListPartitionReassignments)]
pub struct ListPartitionReassignmentsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// The partitions that are being moved, by topic.
    pub topics: Vec<OngoingTopicReassignment<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The moves in one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OngoingTopicReassignment<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<OngoingPartitionReassignment<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition that is being moved.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OngoingPartitionReassignment<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The brokers that hold the partition now, those to come and those to go among them.
    pub replicas: Vec<i32>,
    /// Those that the move adds.
    pub adding_replicas: Vec<i32>,
    /// Those that the move takes away.
    pub removing_replicas: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
