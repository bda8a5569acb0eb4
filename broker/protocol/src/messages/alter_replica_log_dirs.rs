//! AlterReplicaLogDirs (key 34): moves replicas to other log directories of the same broker (KIP-113).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Names the log directory for each replica.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AlterReplicaLogDirs, response = AlterReplicaLogDirsResponse)]
pub struct AlterReplicaLogDirsRequest<'a> {
    /// The replicas by directory.
    pub dirs: Vec<AlterReplicaLogDir<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A directory and the replicas that shall be there.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterReplicaLogDir<'a> {
    /// The directory's absolute path.
    pub path: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<AlterReplicaLogDirTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterReplicaLogDirTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether each move has begun.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AlterReplicaLogDirs)]
pub struct AlterReplicaLogDirsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By topic.
    pub results: Vec<AlterReplicaLogDirTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterReplicaLogDirTopicResult<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<AlterReplicaLogDirPartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterReplicaLogDirPartitionResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
