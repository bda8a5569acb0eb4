//! AlterPartition (key 56): a leader asks the controller to change the in-sync replicas of its partitions (KIP-497, KIP-704,
//! KIP-903).

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Proposes in-sync replicas, each partition for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AlterPartition, response = AlterPartitionResponse)]
pub struct AlterPartitionRequest<'a> {
    /// The broker that leads and asks.
    pub broker_id: i32,
    /// The epoch of its registration; -1 when it does not say.
    #[field(default = -1)]
    pub broker_epoch: i64,
    /// By topic.
    pub topics: Vec<TopicData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicData<'a> {
    /// The topic's id.
    #[field(ignorable)]
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The in-sync replicas proposed for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The leader epoch in which it leads.
    pub leader_epoch: i32,
    /// The brokers that should be in sync, up to version 2.
    #[field(versions = "0-2")]
    pub new_isr: Vec<i32>,
    /// The brokers that should be in sync, from version 3 on.
    #[field(versions = "3+")]
    pub new_isr_with_epochs: Vec<BrokerState<'a>>,
    /// 1 while the partition recovers from the election of a leader out of sync; 0 otherwise.
    pub leader_recovery_state: i8,
    /// The partition epoch that the leader knows; when it is not the present one, nothing is changed.
    pub partition_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A broker that should be in sync.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct BrokerState<'a> {
    /// The broker's id.
    #[field(versions = "3+")]
    pub broker_id: i32,
    /// The epoch of its registration that the leader saw; one that has started anew since is refused. -1 to leave out the check.
    #[field(versions = "3+", default = -1)]
    pub broker_epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each proposal.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AlterPartition)]
pub struct AlterPartitionResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// By topic.
    pub topics: Vec<TopicDataResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicDataResult<'a> {
    /// The topic's id.
    #[field(ignorable)]
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionDataResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The partition as it is now, or why it stays.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionDataResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The broker that leads; -1 for none.
    pub leader_id: i32,
    /// How often the leader has changed.
    pub leader_epoch: i32,
    /// The brokers that are in sync.
    pub isr: Vec<i32>,
    /// 1 while the partition recovers from the election of a leader out of sync; 0 otherwise.
    #[field(ignorable)]
    pub leader_recovery_state: i8,
    /// How often anything in the partition has changed.
    pub partition_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
