//! DescribeCluster (key 60): the nodes of the cluster, brokers or controllers (KIP-700, KIP-919, KIP-1073).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the nodes of the cluster.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeCluster, response = DescribeClusterResponse)]
pub struct DescribeClusterRequest<'a> {
    /// Whether to tell what the client may do with the cluster.
    pub include_cluster_authorized_operations: bool,
    /// Which nodes: 1 brokers, 2 controllers.
    #[field(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    /// Whether to tell brokers that are fenced too.
    #[field(versions = "2+")]
    pub include_fenced_brokers: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The nodes of the cluster.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeCluster)]
pub struct DescribeClusterResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Which nodes: 1 brokers, 2 controllers.
    #[field(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    /// The id of the cluster.
    pub cluster_id: Cow<'a, str>,
    /// A broker to send administrative requests to, or the leader of the quorum when controllers are asked for; -1 when there is
    /// none.
    #[field(default = -1)]
    pub controller_id: i32,
    /// The nodes.
    pub brokers: Vec<DescribeClusterBroker<'a>>,
    /// What the client may do with the cluster: bit n is operation n. `i32::MIN` when it was not asked.
    #[field(default = i32::MIN)]
    pub cluster_authorized_operations: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A node with its address on the listener that was asked.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeClusterBroker<'a> {
    /// The node's id.
    pub broker_id: i32,
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: i32,
    /// The broker's rack; null when it has none.
    #[field(nullable = "0+", default = null)]
    pub rack: Option<Cow<'a, str>>,
    /// True when the broker is registered but does not serve.
    #[field(versions = "2+")]
    pub is_fenced: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
