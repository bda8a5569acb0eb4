//! The Topic resource: what a user asks for. Holds no logic; `topic::plan` compares it with the broker.

mod status;

pub use status::TopicStatus;

use super::cluster_ref::ClusterRef;
use super::schema::Scalar;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A topic of a KafkaCluster in the same namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "barnabas.dev",
    version = "v1alpha1",
    kind = "Topic",
    plural = "topics",
    shortname = "ktp",
    category = "barnabas",
    namespaced,
    status = "TopicStatus",
    derive = "PartialEq",
    doc = "A topic of a KafkaCluster in the same namespace. The resource is the truth: what was changed past it is put right.",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Topic", type_ = "string", json_path = ".status.topicName"),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".status.partitions"),
    printcolumn(name = "Replication", type_ = "integer", json_path = ".status.replicationFactor"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.topicName) || self.metadata.name.matches('^[-._a-z0-9]{1,249}$')")
        .message("the name is not a Kafka topic name: set spec.topicName"),
    validation = Rule::new("(has(self.spec.topicName) ? self.spec.topicName : self.metadata.name) == (has(oldSelf.spec.topicName) ? oldSelf.spec.topicName : oldSelf.metadata.name)")
        .message("topicName cannot be changed: make another Topic"),
)]
#[serde(rename_all = "camelCase")]
pub struct TopicSpec {
    /// The cluster that the topic lives in. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("clusterRef cannot be changed: make another Topic"))]
    pub cluster_ref: ClusterRef,
    /// The topic's name in Kafka, when it is not the name of this resource. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    #[x_kube(validation = Rule::new("self != '.' && self != '..'").message("'.' and '..' are no topic names"))]
    pub topic_name: Option<String>,
    /// Partitions. Without it the broker's num.partitions when the topic is made. It can grow, never shrink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("partitions cannot be taken away: records would be lost"))]
    pub partitions: Option<i32>,
    /// Copies of each partition, at most one on each broker. Without it the broker's default.replication.factor when the topic is made.
    /// Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32767))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the number of replicas cannot be changed here"))]
    pub replicas: Option<i32>,
    /// Topic configuration under Kafka's names. A value is kept so; a key that is not here follows the broker's default; a key
    /// with null is left alone, whatever others set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 100))]
    pub config: BTreeMap<String, Option<Scalar>>,
    /// What happens to the topic and its records when this resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What deleting the resource does to the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The topic and its records are deleted.
    #[default]
    Delete,
    /// The topic stays as it is.
    Retain,
}

impl Topic {
    /// The topic's name in Kafka.
    pub fn topic_name(&self) -> &str {
        self.spec.topic_name.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }
}
