//! AddPartitionsToTxn (key 24): makes partitions part of a transaction, or verifies that they are (KIP-98, KIP-360, KIP-890). Clients
//! use versions up to 3, brokers the later ones.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Adds partitions to a transaction of one producer up to version 3, to several transactions from version 4 on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AddPartitionsToTxn, response = AddPartitionsToTxnResponse)]
pub struct AddPartitionsToTxnRequest<'a> {
    /// By transaction, from version 4 on.
    #[field(versions = "4+")]
    pub transactions: Vec<AddPartitionsToTxnTransaction<'a>>,
    /// The producer's transactional id, up to version 3.
    #[field(versions = "0-3")]
    pub v3_and_below_transactional_id: Cow<'a, str>,
    /// The producer's id, up to version 3.
    #[field(versions = "0-3")]
    pub v3_and_below_producer_id: i64,
    /// The producer's epoch, up to version 3.
    #[field(versions = "0-3")]
    pub v3_and_below_producer_epoch: i16,
    /// The partitions to add, by topic, up to version 3.
    #[field(versions = "0-3")]
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A transaction and the partitions to add to it, from version 4 on.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AddPartitionsToTxnTransaction<'a> {
    /// The producer's transactional id.
    #[field(versions = "4+")]
    pub transactional_id: Cow<'a, str>,
    /// The producer's id.
    #[field(versions = "4+")]
    pub producer_id: i64,
    /// The producer's epoch.
    #[field(versions = "4+")]
    pub producer_epoch: i16,
    /// True to ask only whether the partitions are part of the transaction, without adding them.
    #[field(versions = "4+")]
    pub verify_only: bool,
    /// The partitions, by topic.
    #[field(versions = "4+")]
    pub topics: Vec<AddPartitionsToTxnTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AddPartitionsToTxnTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each partition: of one transaction up to version 3, by transaction from version 4 on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AddPartitionsToTxn)]
pub struct AddPartitionsToTxnResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong with the whole request, or NONE.
    #[field(versions = "4+", ignorable)]
    pub error_code: ErrorCode,
    /// The results by transaction, from version 4 on.
    #[field(versions = "4+")]
    pub results_by_transaction: Vec<AddPartitionsToTxnResult<'a>>,
    /// The results by topic, up to version 3.
    #[field(versions = "0-3")]
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one transaction, from version 4 on.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AddPartitionsToTxnResult<'a> {
    /// The producer's transactional id.
    #[field(versions = "4+")]
    pub transactional_id: Cow<'a, str>,
    /// The results by topic.
    #[field(versions = "4+")]
    pub topic_results: Vec<AddPartitionsToTxnTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AddPartitionsToTxnTopicResult<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The results by partition.
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AddPartitionsToTxnPartitionResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub partition_error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
