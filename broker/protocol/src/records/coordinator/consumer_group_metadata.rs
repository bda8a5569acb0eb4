//! A consumer group (KIP-848), record type 3. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ConsumerGroupMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ConsumerGroupMetadataValue<'a> {
    /// Grows whenever something changes from which the target assignment is computed.
    pub epoch: i32,
    /// A hash of the topics that the group reads; another one means that they have changed.
    #[field(tag = 0)]
    pub metadata_hash: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
