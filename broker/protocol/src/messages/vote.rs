//! Vote (key 52): a candidate of the quorum asks the other voters for their vote (KIP-595, KIP-853; pre-vote by KIP-996).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Asks a voter for its vote.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = Vote, response = VoteResponse)]
pub struct VoteRequest<'a> {
    /// The cluster that the sender believes to be part of; null when it does not say.
    #[field(nullable = "0+", default = null)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The node id of the voter that is asked; -1 when the sender does not say. A node that is not meant answers INVALID_VOTER_KEY.
    #[field(versions = "1+", default = -1, ignorable)]
    pub voter_id: i32,
    /// By topic; the quorum has one, `__cluster_metadata`.
    pub topics: Vec<TopicData<'a>>,
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

/// Who asks, in which epoch and with which log.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The epoch in which the candidate stands.
    pub replica_epoch: i32,
    /// The candidate's node id.
    pub replica_id: i32,
    /// The id of the candidate's metadata log directory.
    #[field(versions = "1+", ignorable)]
    pub replica_directory_id: Uuid,
    /// The id of the metadata log directory of the voter that is asked; zero when the sender does not know it.
    #[field(versions = "1+", ignorable)]
    pub voter_directory_id: Uuid,
    /// The epoch of the last record in the candidate's log.
    pub last_offset_epoch: i32,
    /// The offset after the last record in the candidate's log.
    pub last_offset: i64,
    /// True to find out whether the vote would be granted, before an epoch is begun; nothing is recorded then.
    #[field(versions = "2+")]
    pub pre_vote: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The vote.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = Vote)]
pub struct VoteResponse<'a> {
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

/// The vote in one partition, and the leader if the voter knows one.
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
    /// True when the candidate has the vote.
    pub vote_granted: bool,
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
