//! A member of a streams group (KIP-1071), record type 19. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct StreamsGroupMemberMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// Who the member is.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct StreamsGroupMemberMetadataValue<'a> {
    /// The name of a static member; null when it is none.
    #[field(nullable = "0+")]
    pub instance_id: Option<Cow<'a, str>>,
    /// The member's rack; null when it has none.
    #[field(nullable = "0+")]
    pub rack_id: Option<Cow<'a, str>>,
    /// The member's `client.id`.
    pub client_id: Cow<'a, str>,
    /// The member's address.
    pub client_host: Cow<'a, str>,
    /// How long the member may take to give up what it has, in milliseconds; -1 when it is not known.
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// The epoch of the topology that the member has.
    pub topology_epoch: i32,
    /// The process that the member is part of, which may have several.
    pub process_id: Cow<'a, str>,
    /// Where the member answers queries for its state; null when it does not.
    #[field(nullable = "0+", default = null)]
    pub user_endpoint: Option<Endpoint<'a>>,
    /// What sets members apart, as the zone they are in, so that spares are kept elsewhere.
    pub client_tags: Vec<KeyValue<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where a member answers queries for its state.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable)]
pub struct Endpoint<'a> {
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct KeyValue<'a> {
    /// The name.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
