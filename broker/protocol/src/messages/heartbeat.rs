//! Heartbeat (key 12): a member of a classic group is alive, and learns of a rebalance (KIP-345).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, UnknownTags};

/// The member is alive.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(request = Heartbeat, response = HeartbeatResponse)]
pub struct HeartbeatRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The group's generation.
    pub generation_id: i32,
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "3+", nullable = "3+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether all is well; REBALANCE_IN_PROGRESS asks the member to join again.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = Heartbeat)]
pub struct HeartbeatResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
