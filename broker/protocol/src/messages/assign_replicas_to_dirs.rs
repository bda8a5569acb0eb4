//! AssignReplicasToDirs (key 73): a broker tells the controller in which log directories its replicas are (KIP-858).

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Tells where the replicas of a broker are.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AssignReplicasToDirs, response = AssignReplicasToDirsResponse)]
pub struct AssignReplicasToDirsRequest<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// The epoch of its registration.
    #[field(default = -1)]
    pub broker_epoch: i64,
    /// By log directory.
    pub directories: Vec<DirectoryData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A log directory and its replicas.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DirectoryData<'a> {
    /// The directory's id.
    pub id: Uuid,
    /// By topic.
    pub topics: Vec<TopicData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicData<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each replica's entry.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AssignReplicasToDirs)]
pub struct AssignReplicasToDirsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// By log directory.
    pub directories: Vec<DirectoryDataResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one log directory.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DirectoryDataResult<'a> {
    /// The directory's id.
    pub id: Uuid,
    /// By topic.
    pub topics: Vec<TopicDataResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicDataResult<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionDataResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionDataResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
