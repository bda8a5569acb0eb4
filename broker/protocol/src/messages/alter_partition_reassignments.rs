//! AlterPartitionReassignments (key 45): moves partitions to other brokers, or calls such a move off (KIP-455, KIP-860).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Moves partitions, each for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AlterPartitionReassignments, response = AlterPartitionReassignmentsResponse)]
pub struct AlterPartitionReassignmentsRequest<'a> {
    /// How long to wait for it to be done, in milliseconds.
    #[field(default = 60000)]
    pub timeout_ms: i32,
    /// Whether a partition may get more or fewer replicas than it has. Version 0 allows it.
    #[field(versions = "1+", default = true)]
    pub allow_replication_factor_change: bool,
    /// The partitions by topic.
    pub topics: Vec<ReassignableTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReassignableTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<ReassignablePartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition and where it shall be.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReassignablePartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The brokers that shall hold the partition, the preferred leader first; null to call a move off.
    #[field(nullable = "0+", default = null)]
    pub replicas: Option<Vec<i32>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether each move has begun, or is called off.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AlterPartitionReassignments)]
pub struct AlterPartitionReassignmentsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What the request said of it.
    #[field(versions = "1+", default = true, ignorable)]
    pub allow_replication_factor_change: bool,
    /// What went wrong with the whole request, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// The results by topic.
    pub responses: Vec<ReassignableTopicResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReassignableTopicResponse<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<ReassignablePartitionResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReassignablePartitionResponse<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
