//! A member of a consumer group (KIP-848), record type 5. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ConsumerGroupMemberMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// What the member wants.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ConsumerGroupMemberMetadataValue<'a> {
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
    /// The topics that the member wants.
    pub subscribed_topic_names: Vec<Cow<'a, str>>,
    /// A regular expression, in the syntax of RE2, for further topics; null when there is none.
    #[field(nullable = "0+")]
    pub subscribed_topic_regex: Option<Cow<'a, str>>,
    /// How long the member may take to give up what it has, in milliseconds; -1 when it is not known.
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// The assignor that the coordinator should use; null when the member does not care.
    #[field(nullable = "0+")]
    pub server_assignor: Option<Cow<'a, str>>,
    /// What the member has said in the classic protocol; null when it uses the consumer protocol.
    #[field(nullable = "0+", tag = 0)]
    pub classic_member_metadata: Option<ClassicMemberMetadata<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What a member by the classic protocol has said of itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable_in_tag)]
pub struct ClassicMemberMetadata<'a> {
    /// After how long without a heartbeat the member counts as dead, in milliseconds.
    pub session_timeout_ms: i32,
    /// The protocols that the member can use, the best first.
    pub supported_protocols: Vec<ClassicProtocol<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A protocol (for consumers, an assignor) that the member can use.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ClassicProtocol<'a> {
    /// The protocol's name.
    pub name: Cow<'a, str>,
    /// What the protocol wants to know of the member.
    pub metadata: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
