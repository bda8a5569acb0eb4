//! OffsetDelete (key 47): forgets how far a group has read in some partitions (KIP-496). Never flexible.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use serde::{Deserialize, Serialize};

use crate::ErrorCode;

/// Forgets offsets of a group.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(request = OffsetDelete, response = OffsetDeleteResponse)]
pub struct OffsetDeleteRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<OffsetDeleteRequestTopic<'a>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct OffsetDeleteRequestTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct OffsetDeleteRequestPartition {
    /// The partition's number.
    pub partition_index: i32,
}

/// What became of each offset.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = OffsetDelete)]
pub struct OffsetDeleteResponse<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<OffsetDeleteResponseTopic<'a>>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetDeleteResponseTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OffsetDeleteResponsePartition {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
}
