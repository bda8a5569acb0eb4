//! Metadata (key 3): brokers, topics, partitions and their leaders; creates topics when asked to and allowed (KIP-4, KIP-430,
//! KIP-516, KIP-700).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, Int32List, UnknownTags};

/// Asks for brokers and topics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = Metadata, response = MetadataResponse)]
pub struct MetadataRequest<'a> {
    /// The topics asked for. Null means all; so does an empty list in version 0, while from version 1 on that means none.
    #[field(nullable = "1+")]
    pub topics: Option<Vec<MetadataRequestTopic<'a>>>,
    /// Whether topics that do not exist may be created, if the broker is configured to do so.
    #[field(versions = "4+", default = true)]
    pub allow_auto_topic_creation: bool,
    /// Whether to tell what the client may do with the cluster.
    #[field(versions = "8-10")]
    pub include_cluster_authorized_operations: bool,
    /// Whether to tell what the client may do with each topic.
    #[field(versions = "8+")]
    pub include_topic_authorized_operations: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic by name, or by id from version 10 on.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct MetadataRequestTopic<'a> {
    /// The topic's id; zero when it is asked for by name.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The topic's name; null when it is asked for by id.
    #[field(nullable = "10+")]
    pub name: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The cluster as this broker knows it.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = Metadata)]
pub struct MetadataResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The brokers of the cluster.
    pub brokers: Vec<MetadataResponseBroker<'a>>,
    /// The id of the cluster; null when it is not known.
    #[field(versions = "2+", nullable = "2+", default = null, ignorable)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// A broker to send administrative requests to, -1 when there is none. Under KRaft any broker will do.
    #[field(versions = "1+", default = -1, ignorable)]
    pub controller_id: i32,
    /// The topics asked for.
    pub topics: Vec<MetadataResponseTopic<'a>>,
    /// What the client may do with the cluster: bit n is operation n. `i32::MIN` when it was not asked.
    #[field(versions = "8-10", default = i32::MIN)]
    pub cluster_authorized_operations: i32,
    /// What went wrong, or NONE.
    #[field(versions = "13+", ignorable)]
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A broker that is not fenced, with its address on the listener that was asked.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct MetadataResponseBroker<'a> {
    /// The broker's id.
    pub node_id: i32,
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: i32,
    /// The broker's rack; null when it has none.
    #[field(versions = "1+", nullable = "1+", default = null, ignorable)]
    pub rack: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic with its partitions.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct MetadataResponseTopic<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The topic's name; null when an id was asked for that no topic has.
    #[field(nullable = "12+")]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id; zero when a name was asked for that no topic has.
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// True for topics that the cluster keeps for itself, such as `__consumer_offsets`.
    #[field(versions = "1+", ignorable)]
    pub is_internal: bool,
    /// The topic's partitions.
    pub partitions: Vec<MetadataResponsePartition<'a>>,
    /// What the client may do with the topic: bit n is operation n. `i32::MIN` when it was not asked.
    #[field(versions = "8+", default = i32::MIN)]
    pub topic_authorized_operations: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition with its leader and replicas.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct MetadataResponsePartition<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The partition's number.
    pub partition_index: i32,
    /// The broker that leads the partition; -1 when none does.
    pub leader_id: i32,
    /// How often the leader has changed; -1 when it is not known.
    #[field(versions = "7+", default = -1, ignorable)]
    pub leader_epoch: i32,
    /// The brokers that hold the partition, the preferred leader first.
    pub replica_nodes: Int32List<'a>,
    /// Those of them that are in sync.
    pub isr_nodes: Int32List<'a>,
    /// Those of them that are down or whose disk has failed.
    #[field(versions = "5+", ignorable)]
    pub offline_replicas: Int32List<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
