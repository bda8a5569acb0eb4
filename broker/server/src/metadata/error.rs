//! Why the controller gave no answer. What it answers is the decision's own business.

use std::sync::Arc;

use barnabas_log::fs::IoError;
use barnabas_protocol::ErrorCode;

use crate::raft::{EncodeBatchError, LoadError, QuorumError};

/// A decision that was not made, or not kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControllerError {
    /// This node does not lead the quorum.
    #[error("this node is not the active controller at the moment; try again")]
    NotController,
    /// The records do not become a batch.
    #[error("the change cannot be written: {0}")]
    Encode(Arc<EncodeBatchError>),
    /// The disk of the metadata log has no room.
    #[error("the controller's disk is full; try again when there is room: {0}")]
    NoRoom(Arc<IoError>),
    /// The active controller does not understand what it is asked, or its answer is not understood.
    #[error("the active controller cannot be asked: {0}; run the same release on all nodes")]
    Unserved(Arc<str>),
    /// The active controller is Apache Kafka's, or an older release's.
    #[error("the active controller is not one of this release: nobody can be asked whether a broker may stop")]
    NotOurs,
    /// The controller has stopped.
    #[error("the controller has stopped; the log of this broker says why")]
    Stopped,
    /// Not committed and applied in time. It may still be.
    #[error("the change was not applied within its time; it may still be, look before repeating it")]
    TimedOut,
}

impl ControllerError {
    /// Kafka's code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotController | Self::Stopped => ErrorCode::NOT_CONTROLLER,
            Self::Encode(error) => match **error {
                EncodeBatchError::TooLarge { .. } => ErrorCode::POLICY_VIOLATION,
                // The finalised metadata.version has no record that could say it.
                EncodeBatchError::Record(_) => ErrorCode::UNSUPPORTED_VERSION,
                EncodeBatchError::Batch(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
            },
            // Clients try again after it.
            Self::NoRoom(_) => ErrorCode::KAFKA_STORAGE_ERROR,
            Self::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
            Self::Unserved(_) | Self::NotOurs => ErrorCode::UNSUPPORTED_VERSION,
        }
    }
}

/// What ends the controller's thread.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The quorum replica.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// The log that others lead cannot be read.
    #[error(transparent)]
    Log(#[from] LoadError),
    /// A decided record does not fit the state it was decided on.
    #[error("a decided record does not fit the state it was decided on: {0}")]
    Replay(#[from] barnabas_metadata::ReplayError),
    /// The first records of the cluster, or a snapshot that was downloaded.
    #[error(transparent)]
    Snapshot(#[from] crate::raft::ReadSnapshotError),
}
