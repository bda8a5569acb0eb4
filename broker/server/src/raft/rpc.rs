//! Translates between the engine's messages and Kafka's, in every version. Pure: sends nothing, decides nothing but what a message that
//! makes no sense is answered with.

mod requests;
mod responses;
#[cfg(test)]
mod tests;

pub use requests::{decode_request, encode_request, key};
pub use responses::{decode_response, encode_response};

use std::borrow::Cow;

use barnabas_protocol::{DecodeError, EncodeError, ErrorCode};
use barnabas_raft::{ReplicaKey, RequestFailure};
use barnabas_types::{BrokerId, Uuid};

/// The only topic of the quorum.
const TOPIC: &str = "__cluster_metadata";

/// More is not read for one answer, whatever is asked for: Kafka's limit.
const MOST_BYTES: i32 = 8 * 1024 * 1024;

/// A message that cannot be translated.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The version cannot carry it, or is not known here.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The bytes are no such message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The message is not about the metadata log, and only about it.
    #[error("the message is not about {TOPIC}-0 alone")]
    OtherPartitions,
    /// A part of a file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// No message of the quorum.
    #[error("API {0} is none of the quorum's")]
    OtherApi(&'static str),
}

impl RpcError {
    /// The code to answer a request with that could not be translated.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Encode(_) | Self::OtherApi(_) => ErrorCode::UNSUPPORTED_VERSION,
            Self::Decode(_) | Self::OtherPartitions => ErrorCode::INVALID_REQUEST,
            Self::Io(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
        }
    }

    /// What the engine is told of a request that could not be sent.
    #[must_use]
    pub const fn failure(&self) -> RequestFailure {
        match self {
            Self::Encode(_) | Self::OtherApi(_) => RequestFailure::UnsupportedVersion,
            Self::Decode(_) | Self::OtherPartitions | Self::Io(_) => RequestFailure::Unreachable,
        }
    }
}

/// The only one of `topics`, whose name is the metadata log's, and its only partition, which has number 0.
fn only<'a, T, P>(
    topics: &'a [T],
    name: impl Fn(&'a T) -> &'a str,
    partitions: impl Fn(&'a T) -> &'a [P],
    number: impl Fn(&'a P) -> i32,
) -> Result<&'a P, RpcError> {
    let [topic] = topics else { return Err(RpcError::OtherPartitions) };
    match partitions(topic) {
        [partition] if name(topic) == TOPIC && number(partition) == 0 => Ok(partition),
        _ => Err(RpcError::OtherPartitions),
    }
}

fn replica(id: i32, directory_id: Uuid) -> ReplicaKey {
    ReplicaKey { id: BrokerId(id), directory_id }
}

/// The voter that a request means; None where the sender does not say.
fn meant(id: i32, directory_id: Uuid) -> Option<ReplicaKey> {
    (id >= 0).then(|| replica(id, directory_id))
}

fn boxed(text: Option<&Cow<'_, str>>) -> Option<Box<str>> {
    text.map(|text| Box::from(text.as_ref()))
}

fn borrowed(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(Cow::Borrowed)
}
