//! An offset commit, record type 1. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Which offset.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct OffsetCommitKey<'a> {
    /// The group's id.
    pub group: Cow<'a, str>,
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partition's number.
    pub partition: i32,
}

/// How far a group has read in a partition.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-4", flexible = "4+")]
pub struct OffsetCommitValue<'a> {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 when it is not known.
    #[field(versions = "3+", default = -1, ignorable)]
    pub leader_epoch: i32,
    /// A text kept with the offset.
    pub metadata: Cow<'a, str>,
    /// When it was committed, in milliseconds since 1970.
    pub commit_timestamp: i64,
    /// When it expires, in milliseconds since 1970; -1 for the broker's rule.
    #[field(versions = "1", default = -1, ignorable)]
    pub expire_timestamp: i64,
    /// The topic's id; zero when it is not known.
    #[field(versions = "4+", tag = 0, ignorable)]
    pub topic_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
