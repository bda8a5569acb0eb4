//! LeaveGroup (key 13): takes members out of a classic group (KIP-345, KIP-800).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, UnknownTags};

/// Takes members out of a group. One up to version 2, several from version 3 on.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(request = LeaveGroup, response = LeaveGroupResponse)]
pub struct LeaveGroupRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member to take out, up to version 2.
    #[field(versions = "0-2")]
    pub member_id: Cow<'a, str>,
    /// The members to take out, from version 3 on.
    #[field(versions = "3+")]
    pub members: Vec<MemberIdentity<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A member to take out, by id or by instance id.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
pub struct MemberIdentity<'a> {
    /// The member's id; may be empty when the instance id is given.
    #[field(versions = "3+")]
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "3+", nullable = "3+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// Why, for the logs; null when the member does not say.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub reason: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = LeaveGroup)]
pub struct LeaveGroupResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The results, one a member.
    #[field(versions = "3+")]
    pub members: Vec<MemberResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one member.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct MemberResponse<'a> {
    /// The member's id.
    #[field(versions = "3+")]
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "3+", nullable = "3+")]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// What went wrong, or NONE.
    #[field(versions = "3+")]
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
