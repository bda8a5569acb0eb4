//! Produce (key 0): appends record batches to partitions (KIP-98, KIP-467, KIP-951; topic ids by KIP-516).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, Records, UnknownTags};

/// Appends records to one or more partitions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = Produce, response = ProduceResponse)]
pub struct ProduceRequest<'a> {
    /// The producer's transactional id; null when it has none.
    #[field(nullable = "0+", default = null)]
    pub transactional_id: Option<Cow<'a, str>>,
    /// Whom to wait for: 0 no one, and no response; 1 the leader; -1 all in-sync replicas.
    pub acks: i16,
    /// How long to wait for the replicas, in milliseconds.
    pub timeout_ms: i32,
    /// The records by topic.
    pub topic_data: Vec<TopicProduceData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The records for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicProduceData<'a> {
    /// The topic's name.
    #[field(versions = "0-12", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The records by partition.
    pub partition_data: Vec<PartitionProduceData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The records for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionProduceData<'a> {
    /// The partition's number.
    pub index: i32,
    /// The record batches, exactly one, of magic 2. Null is an error of the client's.
    #[field(nullable = "0+", default = null)]
    pub records: Option<Records<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each partition's records. None is sent for acks 0.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = Produce)]
pub struct ProduceResponse<'a> {
    /// By topic.
    pub responses: Vec<TopicProduceResponse<'a>>,
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// The addresses of the leaders named in this response.
    #[field(versions = "10+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicProduceResponse<'a> {
    /// The topic's name.
    #[field(versions = "0-12", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The results by partition.
    pub partition_responses: Vec<PartitionProduceResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionProduceResponse<'a> {
    /// The partition's number.
    pub index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The offset given to the first record; -1 on an error.
    pub base_offset: i64,
    /// The time that the broker gave the records, in milliseconds since 1970; -1 when they keep the producer's.
    #[field(default = -1, ignorable)]
    pub log_append_time_ms: i64,
    /// The first offset in the log; -1 when it is not known.
    #[field(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// The records for whose sake the batch was refused.
    #[field(versions = "8+", ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage<'a>>,
    /// What is wrong with the batch, in words; null when nothing is.
    #[field(versions = "8+", nullable = "8+", default = null, ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// The leader to turn to, when this broker is not the one.
    #[field(versions = "10+", tag = 0)]
    pub current_leader: LeaderIdAndEpoch<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A record for whose sake its batch was refused.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct BatchIndexAndErrorMessage<'a> {
    /// The record's place in its batch, from 0.
    #[field(versions = "8+")]
    pub batch_index: i32,
    /// What is wrong with the record; null when the code says it all.
    #[field(versions = "8+", nullable = "8+", default = null)]
    pub batch_index_error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who leads the partition now (KIP-951).
#[derive(Clone, Debug, PartialEq, Message)]
pub struct LeaderIdAndEpoch<'a> {
    /// The leader; -1 when there is none or it is not known.
    #[field(versions = "10+", default = -1)]
    pub leader_id: i32,
    /// The leader's epoch; -1 when it is not known.
    #[field(versions = "10+", default = -1)]
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The address of a broker that is named as leader (KIP-951).
#[derive(Clone, Debug, PartialEq, Message)]
pub struct NodeEndpoint<'a> {
    /// The broker's id.
    #[field(versions = "10+")]
    pub node_id: i32,
    /// The host name or address to connect to.
    #[field(versions = "10+")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "10+")]
    pub port: i32,
    /// The broker's rack; null when it has none.
    #[field(versions = "10+", nullable = "10+", default = null)]
    pub rack: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
