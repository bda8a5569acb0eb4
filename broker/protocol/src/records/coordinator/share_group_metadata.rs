//! A share group (KIP-932), record type 11. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ShareGroupMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
}

/// A share group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ShareGroupMetadataValue<'a> {
    /// Grows whenever something changes from which the target assignment is computed.
    pub epoch: i32,
    /// A hash of the topics that the group reads; another one means that they have changed.
    pub metadata_hash: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
