//! What can go wrong in a KafkaCluster's reconcile, by step. The step's name is the metric's label and the event's reason.

use crate::broker_client::BrokerError;
use crate::k8s::words::words;
use std::time::Duration;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("read {kind} in namespace {namespace}: {}; the operator needs the right to list it", words(.source))]
    Observe {
        kind: String,
        namespace: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("write {object} as JSON: {source}")]
    Build {
        object: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("{kind} {name} exists and belongs to somebody else: remove or rename it, or rename the KafkaCluster")]
    NameTaken { kind: String, name: String },
    #[error("apply {kind} {name}: {}", words(.source))]
    Apply {
        kind: String,
        name: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("delete {kind} {name}: {}", words(.source))]
    Delete {
        kind: &'static str,
        name: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("{what}: not done, {source}")]
    Quorum {
        what: String,
        #[source]
        source: BrokerError,
    },
    #[error("the configuration of all brokers was not changed, and no pod is restarted for it: {source}")]
    AlterConfigs {
        #[source]
        source: BrokerError,
    },
    /// The rest of the pass was done.
    #[error("{first}")]
    NotAll {
        #[source]
        first: Box<ClusterError>,
        /// When the cluster is looked at again at the latest.
        again: Duration,
    },
    #[error("write the status: {}", words(.source))]
    Status {
        #[source]
        source: Box<kube::Error>,
    },
}

impl ClusterError {
    /// True when trying again without changing anything is of no use.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::AlterConfigs { source } if source.needs_a_person())
    }

    /// How long to wait at most until it is tried again; nothing where only the number of failures counts.
    pub fn longest_wait(&self) -> Option<Duration> {
        match self {
            Self::NotAll { again, .. } => Some(*again),
            _ => None,
        }
    }

    /// The step that failed: a metric label and an event reason.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Observe { .. } => "ObserveFailed",
            Self::Build { .. } => "BuildFailed",
            Self::NameTaken { .. } => "NameTaken",
            Self::Apply { .. } => "ApplyFailed",
            Self::Delete { .. } => "DeleteFailed",
            Self::Quorum { .. } => "QuorumChangeFailed",
            Self::AlterConfigs { source } if source.needs_a_person() => "ConfigRefused",
            Self::AlterConfigs { .. } => "AlterConfigsFailed",
            Self::NotAll { first, .. } => first.step(),
            Self::Status { .. } => "StatusFailed",
        }
    }
}
