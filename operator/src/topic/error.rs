//! What can go wrong in a Topic's reconcile, by step. The step's name is the metric's label and the condition's reason.

use crate::broker_client::BrokerError;
use crate::k8s::words::words;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("read the KafkaCluster: {}", words(.source))]
    Observe {
        #[source]
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("write the finalizer: {}", words(.source))]
    Finalizer {
        #[source]
        source: Box<kube::Error>,
    },
    #[error("write the status: {}", words(.source))]
    Status {
        #[source]
        source: Box<kube::Error>,
    },
}

impl TopicError {
    /// The step that failed.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Observe { .. } => "ObserveFailed",
            Self::Broker(error) => error.reason(),
            Self::Finalizer { .. } => "FinalizerFailed",
            Self::Status { .. } => "StatusFailed",
        }
    }
}
