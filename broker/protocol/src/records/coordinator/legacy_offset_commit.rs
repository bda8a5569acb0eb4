//! An offset commit, record type 0: written by very old brokers. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

/// Which offset.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct LegacyOffsetCommitKey<'a> {
    /// The group's id.
    pub group: Cow<'a, str>,
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partition's number.
    pub partition: i32,
}

/// How far a group has read in a partition.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct LegacyOffsetCommitValue<'a> {
    /// The offset of the next record to read.
    pub offset: i64,
    /// A text kept with the offset.
    pub metadata: Cow<'a, str>,
    /// When it was committed, in milliseconds since 1970.
    pub commit_timestamp: i64,
}
