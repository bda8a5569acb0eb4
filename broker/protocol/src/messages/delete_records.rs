//! DeleteRecords (key 21): moves the start of partitions forward (KIP-107).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Moves the start of partitions forward.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DeleteRecords, response = DeleteRecordsResponse)]
pub struct DeleteRecordsRequest<'a> {
    /// By topic.
    pub topics: Vec<DeleteRecordsTopic<'a>>,
    /// How long to wait for it to be done, in milliseconds.
    pub timeout_ms: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteRecordsTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<DeleteRecordsPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition and its new start.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteRecordsPartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The new first offset; -1 for the high watermark, which deletes everything.
    pub offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where the partitions start now.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DeleteRecords)]
pub struct DeleteRecordsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<DeleteRecordsTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteRecordsTopicResult<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<DeleteRecordsPartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteRecordsPartitionResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The lowest first offset among the partition's replicas now; -1 on an error.
    pub low_watermark: i64,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
