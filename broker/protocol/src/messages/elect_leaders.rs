//! ElectLeaders (key 43): has leaders elected, preferred or, at the price of records, unclean ones (KIP-183, KIP-460).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Has leaders elected, each partition for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ElectLeaders, response = ElectLeadersResponse)]
pub struct ElectLeadersRequest<'a> {
    /// Whom to elect: 0 the preferred leader, 1 any live replica, in sync or not, where there is no leader. Version 0 means 0.
    #[field(versions = "1+")]
    pub election_type: i8,
    /// The partitions; null for all.
    #[field(nullable = "0+")]
    pub topic_partitions: Option<Vec<TopicPartitions<'a>>>,
    /// How long to wait for it to be done, in milliseconds.
    #[field(default = 60000)]
    pub timeout_ms: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartitions<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each election.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ElectLeaders)]
pub struct ElectLeadersResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong with the whole request, or NONE.
    #[field(versions = "1+")]
    pub error_code: ErrorCode,
    /// The results by topic. When all partitions were asked for, those that needed no election are left out.
    pub replica_election_results: Vec<ReplicaElectionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReplicaElectionResult<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The results by partition.
    pub partition_result: Vec<PartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionResult<'a> {
    /// The partition's number.
    pub partition_id: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
