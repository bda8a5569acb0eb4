//! The target assignment of a consumer group (KIP-848), record type 6. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ConsumerGroupTargetAssignmentMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
}

/// From what the target assignment was computed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ConsumerGroupTargetAssignmentMetadataValue<'a> {
    /// The group epoch from which it was computed.
    pub assignment_epoch: i32,
    /// When it was computed, in milliseconds since 1970; 0 when it is not known.
    #[field(tag = 0, ignorable)]
    pub assignment_timestamp: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
