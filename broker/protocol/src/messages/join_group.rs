//! JoinGroup (key 11): enters a classic group, or a new generation of it (KIP-62, KIP-345, KIP-394, KIP-559, KIP-800, KIP-814).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, UnknownTags};

/// Enters a group; answered when all members have come or time is up.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(request = JoinGroup, response = JoinGroupResponse)]
pub struct JoinGroupRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// After how long without a heartbeat the member counts as dead, in milliseconds.
    pub session_timeout_ms: i32,
    /// How long the members have to come when the group rebalances, in milliseconds; -1 for the session timeout.
    #[field(versions = "1+", default = -1, ignorable)]
    pub rebalance_timeout_ms: i32,
    /// The id that the coordinator gave; empty at first.
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "5+", nullable = "5+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The kind of group, `consumer` for consumers.
    pub protocol_type: Cow<'a, str>,
    /// The protocols the member can use, the one it likes best first.
    pub protocols: Vec<JoinGroupRequestProtocol<'a>>,
    /// Why, for the logs; null when the member does not say.
    #[field(versions = "8+", nullable = "8+", default = null, ignorable)]
    pub reason: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A protocol (for consumers, an assignor) that the member can use.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct JoinGroupRequestProtocol<'a> {
    /// The protocol's name.
    pub name: Cow<'a, str>,
    /// What the protocol wants to know of the member; for consumers, the subscription.
    pub metadata: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The new generation. Only its leader is told the members.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = JoinGroup)]
pub struct JoinGroupResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The new generation; -1 on an error.
    #[field(default = -1)]
    pub generation_id: i32,
    /// The kind of group; null on an error.
    #[field(versions = "7+", nullable = "7+", default = null, ignorable)]
    pub protocol_type: Option<Cow<'a, str>>,
    /// The protocol that the group chose; null when it has none.
    #[field(nullable = "7+")]
    pub protocol_name: Option<Cow<'a, str>>,
    /// The member id of the leader.
    pub leader: Cow<'a, str>,
    /// True when the leader shall not make an assignment: a static leader came back and nothing changed.
    #[field(versions = "9+")]
    pub skip_assignment: bool,
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// The members, for the leader; empty for the others.
    pub members: Vec<JoinGroupResponseMember<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A member, for the leader to make the assignment.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct JoinGroupResponseMember<'a> {
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// What the chosen protocol wants to know of the member.
    pub metadata: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
