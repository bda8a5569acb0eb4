//! Why a run cannot start or go on. What a broker refuses while a run goes on is counted instead and reported at its end.

use std::io;
use std::time::Duration;

use barnabas_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode, VersionRange};
use barnabas_records::compression::CompressError;
use barnabas_records::{BuildError, RecordError};

/// Why a run failed. Every variant says where, and what to do where that is not plain.
#[derive(Debug, thiserror::Error)]
pub enum PerfError {
    /// A flag or property with a value that it cannot have.
    #[error("{flag}: {value} is not possible: {reason}")]
    Argument {
        /// The flag or property.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        reason: String,
    },
    /// No connection could be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// A connection broke.
    #[error("the connection to {address} failed: {source}")]
    Connection {
        /// `host:port`.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// A frame of a length that cannot be.
    #[error("{address} announces a response of {length} bytes, at most {limit} are read: is it a Kafka broker?")]
    FrameLength {
        /// `host:port`.
        address: String,
        /// The length as announced.
        length: i32,
        /// The largest that is read.
        limit: usize,
    },
    /// A response to another request than the oldest that waits.
    #[error("{address} answered request {received} where {expected} was next")]
    Correlation {
        /// `host:port`.
        address: String,
        /// The request that is next.
        expected: i32,
        /// The request that was answered.
        received: i32,
    },
    /// The broker and this client have no version in common.
    #[error("{address} serves {api} in versions {served}, this client needs one of {wanted}")]
    NoCommonVersion {
        /// `host:port`.
        address: String,
        /// What was to be asked.
        api: ApiKey,
        /// The broker's versions.
        served: VersionRange,
        /// This client's versions.
        wanted: VersionRange,
    },
    /// A request cannot be written.
    #[error("{api} cannot be written: {source}")]
    Encode {
        /// What was to be asked.
        api: ApiKey,
        /// What does not fit.
        source: EncodeError,
    },
    /// A response cannot be read.
    #[error("the response of {address} to {api} cannot be read: {source}")]
    Decode {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The broker says no.
    #[error("{api} of {what} failed: {code}{}", .message.as_ref().map(|message| format!("; {message}")).unwrap_or_default())]
    Refused {
        /// What was asked.
        api: ApiKey,
        /// About what.
        what: String,
        /// Kafka's code.
        code: ErrorCode,
        /// The broker's own words, when it has some.
        message: Option<String>,
    },
    /// The topic has partitions that nobody leads, or not as many as asked for.
    #[error("topic {topic}: {problem}")]
    Topic {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No broker answered for as long as is tried.
    #[error("gave up after {after:?}: {last}")]
    GaveUp {
        /// How long it was tried.
        after: Duration,
        /// The last failure.
        last: Box<PerfError>,
    },
    /// A file cannot be read or written.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses what a run needs of it.
    #[error("cannot {doing}: {source}")]
    Host {
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A batch cannot be built.
    #[error("a batch cannot be built: {0}")]
    Build(#[from] BuildError),
    /// A batch does not compress.
    #[error("a batch cannot be built: {0}")]
    Compress(#[from] CompressError),
    /// Records that came back cannot be read.
    #[error("records that were read are damaged: {0}")]
    Records(#[from] RecordError),
}

impl PerfError {
    /// True when a broker that restarts or a leader that moves explains it.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Connection { .. } | Self::Topic { .. } => true,
            // Whether a topic should exist is the caller's knowledge: waiting for one that is misspelt helps nobody.
            Self::Refused { code, .. } => code.is_retriable() && *code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::Argument { .. }
            | Self::FrameLength { .. }
            | Self::Correlation { .. }
            | Self::NoCommonVersion { .. }
            | Self::Encode { .. }
            | Self::Decode { .. }
            | Self::GaveUp { .. }
            | Self::File { .. }
            | Self::Host { .. }
            | Self::Build(_)
            | Self::Compress(_)
            | Self::Records(_) => false,
        }
    }

    /// The error for a flag's value.
    pub fn argument(flag: &'static str, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::Argument { flag, value: value.to_string(), reason: reason.into() }
    }

    /// The error for `code`, or nothing when there is none.
    pub fn check(api: ApiKey, what: &str, code: ErrorCode, message: Option<&str>) -> Result<(), Self> {
        if code.is_none() {
            return Ok(());
        }
        let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        Err(Self::Refused { api, what: what.to_owned(), code, message })
    }
}
