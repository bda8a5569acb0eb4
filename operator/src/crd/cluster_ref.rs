//! The reference from a Topic or a ConsumerGroup to its cluster. Never reaches into another namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A KafkaCluster in the same namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRef {
    /// The name of the KafkaCluster.
    #[schemars(length(min = 1, max = 32))]
    pub name: String,
}
