//! A classic group, record type 2. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct GroupMetadataKey<'a> {
    /// The group's id.
    pub group: Cow<'a, str>,
}

/// A classic group with its members.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-4", flexible = "4+")]
pub struct GroupMetadataValue<'a> {
    /// The kind of group, `consumer` for consumers; empty for a group without members.
    pub protocol_type: Cow<'a, str>,
    /// The generation.
    pub generation: i32,
    /// The protocol that the group chose; null when it has no members.
    #[field(nullable = "0+")]
    pub protocol: Option<Cow<'a, str>>,
    /// The member id of the leader; null when there is none.
    #[field(nullable = "0+")]
    pub leader: Option<Cow<'a, str>>,
    /// When the group came into its state, in milliseconds since 1970; -1 when it is not known.
    #[field(versions = "2+", default = -1, ignorable)]
    pub current_state_timestamp: i64,
    /// The members.
    pub members: Vec<MemberMetadata<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct MemberMetadata<'a> {
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "3+", nullable = "3+", default = null, ignorable)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The member's `client.id`.
    pub client_id: Cow<'a, str>,
    /// The member's address.
    pub client_host: Cow<'a, str>,
    /// How long the member has to come when the group rebalances, in milliseconds.
    #[field(versions = "1+", default = -1, ignorable)]
    pub rebalance_timeout: i32,
    /// After how long without a heartbeat the member counts as dead, in milliseconds.
    pub session_timeout: i32,
    /// What the chosen protocol wants to know of the member.
    pub subscription: Cow<'a, [u8]>,
    /// What the member got.
    pub assignment: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
