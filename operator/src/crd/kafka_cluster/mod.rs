//! The KafkaCluster resource: what a user asks for. Holds no logic; rules that the API server can check stand beside the
//! field as CEL, the others are in `cluster::validate`.

mod status;

pub use status::{
    BrokerAddress, FormedNode, InitialController, InternalTopics, KafkaClusterStatus, ListenerStatus, PoolStatus,
    QuorumStatus, VoterStatus,
};

use super::schema::{RawPodTemplate, Scalar};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the pool that `spec.replicas` sizes.
pub const DEFAULT_POOL: &str = "broker";

/// An Apache Kafka cluster of Barnabas nodes.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "barnabas.dev",
    version = "v1alpha1",
    kind = "KafkaCluster",
    plural = "kafkaclusters",
    shortname = "kcl",
    category = "barnabas",
    namespaced,
    status = "KafkaClusterStatus",
    derive = "PartialEq",
    doc = "A Kafka cluster of Barnabas nodes. Node ids are pod ordinals; each pool becomes a StatefulSet.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.labelSelector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.desiredReplicas"),
    printcolumn(name = "Running", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Voters", type_ = "string", json_path = ".status.quorum.caughtUp"),
    printcolumn(name = "Bootstrap", type_ = "string", json_path = ".status.bootstrap"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Leader", type_ = "integer", json_path = ".status.quorum.leaderId", priority = 1),
    printcolumn(name = "Cluster-Id", type_ = "string", json_path = ".status.clusterId", priority = 1),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.image", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(
        "size(self.metadata.name) <= 32 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
    ).message("the name becomes part of pod, Service and host names: at most 32 of a-z, 0-9 and '-', beginning with a letter"),
)]
#[serde(rename_all = "camelCase")]
pub struct KafkaClusterSpec {
    /// Nodes of the default pool. `kubectl scale` changes this field. 0 stops the pool and keeps its data. Over all pools
    /// there have to be 1, 3 or 5 nodes with the role Controller.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,
    /// What the nodes of the default pool do. Cannot be changed: make another pool with other roles.
    #[serde(default = "both_roles")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("roles cannot be changed: make another pool with other roles"))]
    pub roles: Vec<Role>,
    /// The node id of the default pool's first node; the others follow it. Cannot be changed.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000_000))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("firstNodeId cannot be changed: node ids are written into the data"))]
    pub first_node_id: i32,
    /// The broker image. Without it the image that the operator had when the cluster was made, kept in status.image: an upgrade
    /// of the operator restarts no broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// When the kubelet pulls the image.
    #[serde(default)]
    pub image_pull_policy: ImagePullPolicy,
    /// Where clients connect. One of type Internal is needed: the brokers talk to each other on the first such one.
    #[serde(default = "default_listeners")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".to_string()]),
        validation = Rule::new("self.exists(l, l.type == 'Internal')").message("one listener of type Internal is needed"),
        validation = Rule::new("self.all(l, self.exists_one(m, m.port == l.port))").message("each listener needs a port of its own")
    )]
    pub listeners: Vec<Listener>,
    /// Each node's volume in the default pool.
    #[serde(default)]
    pub storage: Storage,
    /// CPU and memory of each broker in the default pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Broker configuration under Kafka's names. Keys that follow from this resource (listeners, node.id, log.dirs ...) are refused.
    /// A cluster that is made with 3 brokers or more has default.replication.factor 3 and min.insync.replicas 2 unless it is said here.
    /// What brokers take at run time is set on all of them when it changes, without a restart, and put right when it is changed there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 500))]
    pub config: BTreeMap<String, Scalar>,
    /// A PodTemplateSpec merged over the operator's own, for the default pool: whatever a pod can have, it can have here.
    /// The broker's container is called `broker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<RawPodTemplate>,
    /// Further pools of nodes with their own size, volumes, resources and pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub pools: Vec<Pool>,
}

/// A pool of nodes beside the default one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// The pool's name, part of its pods' names.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self != 'broker'").message("'broker' is the default pool, sized by spec.replicas"))]
    pub name: String,
    /// Nodes in this pool. 0 stops the pool and keeps its data.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,
    /// What its nodes do. Cannot be changed: make another pool with other roles.
    #[serde(default = "both_roles")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("roles cannot be changed: make another pool with other roles"))]
    pub roles: Vec<Role>,
    /// The node id of the pool's first node. Ranges of pools must not overlap. Cannot be changed.
    #[schemars(range(min = 0, max = 100_000_000))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("firstNodeId cannot be changed: node ids are written into the data"))]
    pub first_node_id: i32,
    /// Each node's volume.
    #[serde(default)]
    pub storage: Storage,
    /// CPU and memory of each broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// A PodTemplateSpec merged over the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<RawPodTemplate>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// It keeps partitions and serves clients.
    Broker,
    /// It keeps the metadata and votes in the quorum.
    Controller,
}

/// Where clients connect.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The listener's name; brokers know it in upper case.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self != 'controller'").message("'controller' is the quorum's own listener"))]
    pub name: String,
    /// How clients reach it.
    #[serde(rename = "type", default)]
    pub kind: ListenerType,
    /// The port in the pods.
    #[schemars(range(min = 1024, max = 65535))]
    #[x_kube(validation = Rule::new("self != 9093 && self != 9644").message("9093 is the quorum's port and 9644 the admin port"))]
    pub port: i32,
    /// The port on the cluster's machines for the first connection (NodePort only). Kubernetes picks one when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
    /// The host that clients are told (NodePort only): the address under which they reach the machines, when that is not the
    /// machine's own. `{nodeId}` becomes the node's id. Without it the address of the machine that the pod runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-A-Za-z0-9.:{}]+$"))]
    pub advertised_host: Option<String>,
}

/// How clients reach a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerType {
    /// From inside the Kubernetes cluster, by DNS name.
    #[default]
    Internal,
    /// From outside, by a port on every machine of the cluster.
    NodePort,
}

/// When the kubelet pulls an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    /// At every start.
    Always,
    /// When the machine does not have it.
    #[default]
    IfNotPresent,
    /// Never: it has to be there.
    Never,
}

/// The volume of each node of a pool.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
    .message("storageClassName cannot be changed: make a pool with the new class and move the data"))]
pub struct Storage {
    /// The size of the volume. It can grow where the storage class allows it, never shrink.
    #[serde(default = "default_storage_size")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$"))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity(oldSelf)) >= 0").message("a volume cannot shrink"))]
    pub size: String,
    /// The storage class; the cluster's default one when it is left out. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// Whether deleting the KafkaCluster deletes the volumes too.
    #[serde(default)]
    pub delete_claim: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: default_storage_size(), storage_class_name: None, delete_claim: false }
    }
}

/// CPU and memory.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What is reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Scalar>,
    /// What is allowed at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Scalar>,
}

fn one() -> i32 {
    1
}

fn both_roles() -> Vec<Role> {
    vec![Role::Broker, Role::Controller]
}

fn default_storage_size() -> String {
    "10Gi".to_owned()
}

fn default_listeners() -> Vec<Listener> {
    vec![Listener {
        name: "internal".to_owned(),
        kind: ListenerType::Internal,
        port: 9092,
        node_port: None,
        advertised_host: None,
    }]
}
