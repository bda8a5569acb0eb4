//! DescribeProducers (key 61): the producers that a partition's leader remembers, to find transactions that hang (KIP-664).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the producers of partitions; to be sent to their leaders.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeProducers, response = DescribeProducersResponse)]
pub struct DescribeProducersRequest<'a> {
    /// By topic.
    pub topics: Vec<TopicRequest<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicRequest<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partition_indexes: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The producers.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeProducers)]
pub struct DescribeProducersResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<TopicResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The producers of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicResponse<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<PartitionResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The producers of one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionResponse<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The producers that have not expired.
    pub active_producers: Vec<ProducerState<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A producer, as the partition's log knows it.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ProducerState<'a> {
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i32,
    /// The sequence number of its last record; -1 when it is not known.
    #[field(default = -1)]
    pub last_sequence: i32,
    /// The timestamp of its last batch, in milliseconds since 1970; -1 when it is not known.
    #[field(default = -1)]
    pub last_timestamp: i64,
    /// The coordinator epoch in the last marker of its transactions; -1 when there is none.
    pub coordinator_epoch: i32,
    /// The first offset of its transaction under way; -1 when there is none.
    #[field(default = -1)]
    pub current_txn_start_offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
