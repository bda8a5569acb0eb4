//! EndQuorumEpoch (key 54): the leader of the quorum steps down and says who should follow it (KIP-595, KIP-853).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Tells a voter that the leader steps down.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = EndQuorumEpoch, response = EndQuorumEpochResponse)]
pub struct EndQuorumEpochRequest<'a> {
    /// The cluster that the sender believes to be part of; null when it does not say.
    #[field(nullable = "0+", default = null)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// By topic; the quorum has one, `__cluster_metadata`.
    pub topics: Vec<TopicData<'a>>,
    /// The leader's addresses, by listener.
    #[field(versions = "1+", ignorable)]
    pub leader_endpoints: Vec<LeaderEndpoint<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicData<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The partitions; the quorum has one, 0.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who steps down in one partition and who should follow.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The node id of the leader that steps down.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// The node ids of the voters, the best suited first, in version 0.
    #[field(versions = "0", ignorable)]
    pub preferred_successors: Vec<i32>,
    /// The voters, the best suited first, from version 1 on.
    #[field(versions = "1+", ignorable)]
    pub preferred_candidates: Vec<ReplicaInfo<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A voter that should become leader.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReplicaInfo<'a> {
    /// The voter's node id.
    #[field(versions = "1+")]
    pub candidate_id: i32,
    /// The id of the voter's metadata log directory.
    #[field(versions = "1+")]
    pub candidate_directory_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the leader.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct LeaderEndpoint<'a> {
    /// The listener's name.
    #[field(versions = "1+")]
    pub name: Cow<'a, str>,
    /// The host name or address to connect to.
    #[field(versions = "1+")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "1+")]
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether the voter took it in.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = EndQuorumEpoch)]
pub struct EndQuorumEpochResponse<'a> {
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// By topic.
    pub topics: Vec<TopicDataResult<'a>>,
    /// The addresses of the leaders named in this response.
    #[field(versions = "1+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicDataResult<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<PartitionDataResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether the voter took it in for one partition, and whom it follows.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionDataResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The leader that the voter knows; -1 when it knows none.
    pub leader_id: i32,
    /// The epoch that the voter is in.
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The address of a leader that is named in the response.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct NodeEndpoint<'a> {
    /// The leader's node id.
    #[field(versions = "1+")]
    pub node_id: i32,
    /// The host name or address to connect to.
    #[field(versions = "1+")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "1+")]
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
