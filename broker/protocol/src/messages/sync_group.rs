//! SyncGroup (key 14): the leader hands in the assignment, every member gets its own (KIP-345, KIP-559).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, UnknownTags};

/// Hands in the assignment (the leader) and asks for one's own.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(request = SyncGroup, response = SyncGroupResponse)]
pub struct SyncGroupRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The group's generation.
    pub generation_id: i32,
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "3+", nullable = "3+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The kind of group, for the coordinator to compare; null when the member does not say.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub protocol_type: Option<Cow<'a, str>>,
    /// The protocol, for the coordinator to compare; null when the member does not say.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub protocol_name: Option<Cow<'a, str>>,
    /// What each member gets, from the leader; empty from the others.
    pub assignments: Vec<SyncGroupRequestAssignment<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What one member gets.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct SyncGroupRequestAssignment<'a> {
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// What the member gets, in the form of the protocol.
    pub assignment: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the member gets.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = SyncGroup)]
pub struct SyncGroupResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The kind of group; null on an error.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub protocol_type: Option<Cow<'a, str>>,
    /// The protocol; null on an error.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub protocol_name: Option<Cow<'a, str>>,
    /// What the member gets, in the form of the protocol.
    pub assignment: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
