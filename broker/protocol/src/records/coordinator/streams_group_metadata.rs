//! A streams group (KIP-1071), record type 17. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct StreamsGroupMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
}

/// A streams group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct StreamsGroupMetadataValue<'a> {
    /// Grows whenever something changes from which the target assignment is computed.
    pub epoch: i32,
    /// A hash of the topics that the group reads; another one means that they have changed.
    pub metadata_hash: i64,
    /// The epoch of the last topology whose topics were found to be there and to fit; -1 for none.
    #[field(tag = 0, default = -1)]
    pub validated_topology_epoch: i32,
    /// The configuration that the last assignment was computed with; empty when it is not known.
    #[field(nullable = "0+", tag = 1)]
    pub last_assignment_configs: Option<Vec<LastAssignmentConfig<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A configuration of the group.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct LastAssignmentConfig<'a> {
    /// The configuration's name.
    pub key: Cow<'a, str>,
    /// Its value.
    pub value: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
