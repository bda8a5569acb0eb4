//! What the operator reports about a KafkaCluster. Holds no logic: `cluster::status` computes it.

use crate::crd::condition::Condition;
use crate::crd::kafka_cluster::ListenerType;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a cluster as last observed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaClusterStatus {
    /// The generation of the spec that was last acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The Kafka cluster id, written into every volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The broker image in use. It stays when spec.image is not set, or no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Pods of the default pool.
    #[serde(default)]
    pub replicas: i32,
    /// Nodes that the spec asks for, over all pools.
    #[serde(default)]
    pub desired_replicas: i32,
    /// Nodes that are ready, over all pools.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Selects the pods of the default pool, for `kubectl scale` and autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
    /// host:port for clients inside the Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
    /// Every listener with its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub listeners: Vec<ListenerStatus>,
    /// Every pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub pools: Vec<PoolStatus>,
    /// Nodes whose volume has been formatted. Such a node is never formatted again by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".to_string()]))]
    pub formed_nodes: Vec<FormedNode>,
    /// The controllers that the quorum was formed of, with the directory ids that were made for them. Recorded before any of
    /// them is told, and never handed out again once a node has been ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".to_string()]))]
    pub initial_controllers: Vec<InitialController>,
    /// The quorum, as its leader described it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumStatus>,
    /// What Kafka's internal topics are made with, fixed when the cluster was made: 3 copies of which 2 have to be in sync where it was
    /// made with 3 brokers or more, else one. spec.config may say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_topics: Option<InternalTopics>,
    /// What topics get that say nothing of their own: default.replication.factor and min.insync.replicas of spec.config, else the same as
    /// internal topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_defaults: Option<InternalTopics>,
    /// What spec.config says, or min.insync.replicas by default, as far as it is set on all brokers at run time. It is taken away when
    /// spec.config says it no more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dynamic_config: BTreeMap<String, String>,
    /// Ready, Reconciling, Stalled, DataMissing, QuorumReady, RollBlocked, StorageReady, Paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_string()]))]
    pub conditions: Vec<Condition>,
}

/// A listener's addresses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// How clients reach it.
    #[serde(rename = "type")]
    pub kind: ListenerType,
    /// host:port for the first connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
    /// What each broker tells clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["nodeId".to_string()]))]
    pub brokers: Vec<BrokerAddress>,
}

/// A broker's advertised address.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerAddress {
    /// The node.
    pub node_id: i32,
    /// host:port.
    pub address: String,
}

/// A pool's nodes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// The pool.
    pub name: String,
    /// Its first node id.
    pub first_node_id: i32,
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready_replicas: i32,
}

/// A node that holds data of this cluster.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormedNode {
    /// The node id.
    pub id: i32,
    /// The uid of the claim that held the data when the node was last ready.
    pub claim_uid: String,
}

/// A controller that the quorum began with.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitialController {
    /// The node id.
    pub id: i32,
    /// The id of its metadata log directory, 22 characters.
    pub directory_id: String,
}

/// The quorum of the metadata.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QuorumStatus {
    /// The node that leads; absent while none is known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_id: Option<i32>,
    /// The epoch of the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_epoch: Option<i32>,
    /// Voters that keep up with the leader, of all voters: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caught_up: Option<String>,
    /// Every voter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".to_string()]))]
    pub voters: Vec<VoterStatus>,
}

/// A voter of the quorum.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoterStatus {
    /// The node id.
    pub id: i32,
    /// The id of its metadata log directory, 22 characters.
    pub directory_id: String,
    /// Whether it had everything that the leader had within the last 10 seconds.
    pub caught_up: bool,
    /// Records that it lacks at most, a power of two; 0 while it is caught up.
    pub lag: i64,
}

/// Replication of topics: of `__consumer_offsets`, `__transaction_state` and `__share_group_state`, or of those of users.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InternalTopics {
    /// Copies of each partition.
    pub replication_factor: i32,
    /// Copies that have to have a record before it is acknowledged.
    pub min_in_sync_replicas: i32,
}
