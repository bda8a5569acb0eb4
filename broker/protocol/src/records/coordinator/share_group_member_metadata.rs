//! A member of a share group (KIP-932), record type 10. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ShareGroupMemberMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// What the member wants.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ShareGroupMemberMetadataValue<'a> {
    /// The member's rack; null when it has none.
    #[field(nullable = "0+")]
    pub rack_id: Option<Cow<'a, str>>,
    /// The member's `client.id`.
    pub client_id: Cow<'a, str>,
    /// The member's address.
    pub client_host: Cow<'a, str>,
    /// The topics that the member wants.
    pub subscribed_topic_names: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
