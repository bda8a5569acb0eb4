//! What a handler is given beside its request, and the forms in which it may answer.

use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode};
use barnabas_types::{PartitionId, Segments, TopicIdPartition};
use futures::future::BoxFuture;

use super::current_leader::moved_or;
use crate::connection::Connection;
use crate::node::Node;
use crate::raft::rpc::RpcError;
use crate::replica::Partition;

/// What stands around one request.
#[derive(Clone)]
pub struct RequestContext {
    /// This node: image, partitions, coordinators, configuration.
    pub node: Arc<Node>,
    /// Who asks, through which listener.
    pub connection: Arc<Connection>,
    /// The API that is called.
    pub api_key: ApiKey,
    /// The version of request and response.
    pub api_version: i16,
    /// Returned with the reply.
    pub correlation_id: i32,
    /// The client's name for itself; empty when it has none. Never a metric label: it is not ours.
    pub client_id: Arc<str>,
}

impl RequestContext {
    /// The partition of a topic named by the client, if this broker hosts it.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `NOT_LEADER_OR_FOLLOWER` for one that is elsewhere.
    pub fn hosted(&self, topic: &str, partition: PartitionId) -> Result<Arc<Partition>, ErrorCode> {
        let image = self.node.image();
        let topic_id = image.topics.named(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.id;
        let key = TopicIdPartition { topic_id, partition };
        self.node.replicas.hosted(key).map_err(|code| moved_or(&image, key, code))
    }
}

impl RequestContext {
    /// Whether the request's version is one that is answered.
    ///
    /// # Errors
    /// `Refusal::UnsupportedVersion`.
    pub fn check_version(&self) -> Result<(), Refusal> {
        let (api_key, version, versions) = (self.api_key, self.api_version, self.api_key.answered_versions());
        if versions.contains(version) {
            return Ok(());
        }
        Err(Refusal::UnsupportedVersion { api_key, version, min: versions.min, max: versions.max })
    }

    /// The moment after which the client no longer waits, for requests that name one in milliseconds.
    #[must_use]
    pub fn deadline(&self, timeout_ms: i32) -> tokio::time::Instant {
        self.node.runtime.deadline(Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0)))
    }
}

/// What a handler returns. A plain response is `Reply::Now`.
pub enum Reply<T> {
    /// The reply leaves as soon as those before it have left.
    Now(T),
    /// The request has taken effect and waits (for replication, for durability); the next request may be executed.
    Later(BoxFuture<'static, T>),
    /// The client wants no reply (Produce with acks=0).
    Nothing,
    /// The client wants no reply but must learn that it failed: the connection is closed. Holds Kafka's error name.
    Close(&'static str),
}

impl<T> From<T> for Reply<T> {
    fn from(response: T) -> Self {
        Self::Now(response)
    }
}

/// A reply as the connection needs it: encoded, or still to come.
pub enum Answer {
    /// Encoded.
    Now(Segments),
    /// Encoded when its wait is over.
    Later(BoxFuture<'static, Result<Segments, EncodeError>>),
    /// None will come.
    Nothing,
}

/// A request that is not answered: the connection is closed, as Kafka does.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The version is not served.
    #[error("{} version {version} is not served (versions {min} to {max} are)", api_key.name())]
    UnsupportedVersion {
        /// The API.
        api_key: ApiKey,
        /// What was asked for.
        version: i16,
        /// The lowest served.
        min: i16,
        /// The highest served.
        max: i16,
    },
    /// The API is known to Kafka but not served here.
    #[error("{} is not served by this broker", .0.name())]
    UnsupportedApi(ApiKey),
    /// The bytes are no such request.
    #[error("request cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The response cannot be written.
    #[error("response cannot be written: {0}")]
    Encode(#[from] EncodeError),
    /// The message is none that the quorum answers.
    #[error(transparent)]
    Quorum(RpcError),
    /// There is no reply to carry an error (Produce with acks=0), or nobody left to write one; closing tells the other side to look again.
    #[error("not answered: {0}")]
    SilentFailure(&'static str),
}
