//! Why a call failed, and whether to try again is of use.

use std::io;
use std::time::Duration;

use barnabas_net::FrameError;
use barnabas_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode, VersionRange};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No address to begin with.
    #[error("bootstrap_servers is empty; name at least one host:port")]
    NoBootstrapServers,
    /// No connection could be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke while a request was written.
    #[error("connection to {address} broke while {api} was sent: {source}")]
    Write {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke, or what came was no frame, while a response was awaited.
    #[error("connection to {address} failed while the response to {api} was awaited: {source}")]
    Read {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// What went wrong.
        source: FrameError,
    },
    /// The node closed the connection instead of answering.
    #[error("{address} closed the connection instead of answering {api}")]
    Closed {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
    },
    /// No answer in time.
    #[error("{address} did not answer {api} within {timeout:?}")]
    Timeout {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// How long it was awaited.
        timeout: Duration,
    },
    /// The node and this client have no version in common.
    #[error("{address} serves {api} in versions {served}, this client needs one of {wanted}")]
    NoCommonVersion {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// The node's versions; empty when it does not serve the API.
        served: VersionRange,
        /// The client's versions.
        wanted: VersionRange,
    },
    /// The request cannot be written: the caller asked for what the version cannot carry.
    #[error("{api} cannot be written: {source}")]
    Encode {
        /// What was asked.
        api: ApiKey,
        /// What does not fit.
        source: EncodeError,
    },
    /// The response cannot be read.
    #[error("the response of {address} to {api} cannot be read: {source}")]
    Decode {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A response to another request than the one that waits.
    #[error("{address} answered request {received} where {expected} was awaited")]
    Correlation {
        /// `host:port`.
        address: String,
        /// The request that waits.
        expected: i32,
        /// The request that was answered.
        received: i32,
    },
    /// The cluster has no node of this id, or it is down.
    #[error("node {node_id} is not among the live brokers of the cluster")]
    NoSuchNode {
        /// Its id.
        node_id: i32,
    },
    /// The response lacks what was asked for.
    #[error("the response to {api} says nothing about {what}")]
    Missing {
        /// What was asked.
        api: ApiKey,
        /// About what.
        what: String,
    },
    /// The cluster says no.
    #[error("{api} of {what} failed: {code}{}", .message.as_ref().map(|message| format!("; {message}")).unwrap_or_default())]
    Refused {
        /// What was asked.
        api: ApiKey,
        /// About what: a topic, a group, a resource.
        what: String,
        /// Kafka's code.
        code: ErrorCode,
        /// The cluster's own words, when it has some.
        message: Option<String>,
    },
}

impl ClientError {
    /// Kafka's code, when the cluster answered with one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// True when the same call may succeed a little later. A topic that is not known is final here: whether it should exist is the caller's
    /// knowledge, and waiting for it the caller's choice.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Write { .. }
            | Self::Closed { .. }
            | Self::Timeout { .. }
            | Self::NoSuchNode { .. } => true,
            Self::Read { source, .. } => !matches!(source, FrameError::Length { .. }),
            Self::Refused { code, .. } => {
                code.is_retriable()
                    && *code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                    && *code != ErrorCode::UNKNOWN_TOPIC_ID
            }
            Self::NoBootstrapServers
            | Self::NoCommonVersion { .. }
            | Self::Encode { .. }
            | Self::Decode { .. }
            | Self::Correlation { .. }
            | Self::Missing { .. } => false,
        }
    }

    /// The error for `code`, or nothing when there is none.
    pub(crate) fn check(api: ApiKey, what: &str, code: ErrorCode, message: Option<&str>) -> Result<(), Self> {
        if code.is_none() {
            return Ok(());
        }
        let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        Err(Self::Refused { api, what: what.to_owned(), code, message })
    }
}
