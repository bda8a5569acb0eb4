//! DescribeQuorum (key 55): the voters and observers of the quorum and how far each has read (KIP-595, KIP-836, KIP-853).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Asks for the state of the quorum.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeQuorum, response = DescribeQuorumResponse)]
pub struct DescribeQuorumRequest<'a> {
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

/// A partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The state of the quorum, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeQuorum)]
pub struct DescribeQuorumResponse<'a> {
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(versions = "2+", nullable = "2+", ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// By topic.
    pub topics: Vec<TopicDataResult<'a>>,
    /// The voters' addresses.
    #[field(versions = "2+")]
    pub nodes: Vec<Node<'a>>,
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

/// The quorum of one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionDataResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(versions = "2+", nullable = "2+", ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// The node id of the leader; -1 when there is none.
    pub leader_id: i32,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// The offset up to which records are committed; -1 when it is not known.
    pub high_watermark: i64,
    /// The voters, the leader among them.
    pub current_voters: Vec<ReplicaState<'a>>,
    /// Those who fetch the log and do not vote: brokers, and controllers that are no voters.
    pub observers: Vec<ReplicaState<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// How far a replica has come.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReplicaState<'a> {
    /// The replica's node id.
    pub replica_id: i32,
    /// The id of its metadata log directory; zero when it is not known.
    #[field(versions = "2+")]
    pub replica_directory_id: Uuid,
    /// The offset after the last record that the replica is known to have; -1 when it is not known.
    pub log_end_offset: i64,
    /// When it last fetched, by the leader's clock, in milliseconds since 1970; the present for the leader itself, -1 when it is not
    /// known.
    #[field(versions = "1+", default = -1, ignorable)]
    pub last_fetch_timestamp: i64,
    /// The latest time at which it had everything that the leader had, in milliseconds since 1970; the present for the leader itself,
    /// -1 when it is not known.
    #[field(versions = "1+", default = -1, ignorable)]
    pub last_caught_up_timestamp: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A node of the quorum with its addresses.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Node<'a> {
    /// The voter's node id.
    #[field(versions = "2+")]
    pub node_id: i32,
    /// The voter's addresses, by listener.
    #[field(versions = "2+")]
    pub listeners: Vec<Listener<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the node.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Listener<'a> {
    /// The listener's name.
    #[field(versions = "2+")]
    pub name: Cow<'a, str>,
    /// The host name or address to connect to.
    #[field(versions = "2+")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "2+")]
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
