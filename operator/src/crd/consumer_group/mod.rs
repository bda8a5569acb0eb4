//! The ConsumerGroup resource: which group to watch and how much lag is too much. Holds no logic, and changes nothing in the
//! group: groups belong to their members.

mod status;

pub use status::{ConsumerGroupStatus, TopicLag};

use super::cluster_ref::ClusterRef;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A consumer group of a KafkaCluster in the same namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "barnabas.dev",
    version = "v1alpha1",
    kind = "ConsumerGroup",
    plural = "consumergroups",
    shortname = "kcg",
    category = "barnabas",
    namespaced,
    status = "ConsumerGroupStatus",
    derive = "PartialEq",
    doc = "A consumer group of a KafkaCluster in the same namespace: its state, members and lag. Deleting the resource leaves the group alone.",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Group", type_ = "string", json_path = ".status.groupId"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Members", type_ = "integer", json_path = ".status.members"),
    printcolumn(name = "Lag", type_ = "integer", json_path = ".status.totalLag"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerGroupSpec {
    /// The cluster that the group lives in. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("clusterRef cannot be changed: make another ConsumerGroup"))]
    pub cluster_ref: ClusterRef,
    /// The group's id in Kafka, when it is not the name of this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249))]
    pub group_id: Option<String>,
    /// When the total lag is above this number of records, the condition LagExceeded is True.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_lag: Option<i64>,
}

impl ConsumerGroup {
    /// The group's id in Kafka.
    pub fn group_id(&self) -> &str {
        self.spec.group_id.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }
}
