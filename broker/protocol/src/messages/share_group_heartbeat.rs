//! ShareGroupHeartbeat (key 76): joins, stays in and leaves a share group, and carries its assignment (KIP-932).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// A member of the group is alive; what it does not repeat is as before.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ShareGroupHeartbeat, response = ShareGroupHeartbeatResponse)]
pub struct ShareGroupHeartbeatRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id, which it makes up itself, a random UUID, and keeps as long as it lives.
    pub member_id: Cow<'a, str>,
    /// The epoch that the member knows; 0 to join, -1 to leave.
    pub member_epoch: i32,
    /// The member's rack; null when it has none or it is as before.
    #[field(nullable = "0+", default = null)]
    pub rack_id: Option<Cow<'a, str>>,
    /// The topics that the member wants; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub subscribed_topic_names: Option<Vec<Cow<'a, str>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the member shall have.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ShareGroupHeartbeat)]
pub struct ShareGroupHeartbeatResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The member's id; null when there is none to tell.
    #[field(nullable = "0+", default = null)]
    pub member_id: Option<Cow<'a, str>>,
    /// The epoch of the member now.
    pub member_epoch: i32,
    /// How long to wait until the next heartbeat, in milliseconds.
    pub heartbeat_interval_ms: i32,
    /// The partitions that the member shall have; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub assignment: Option<Assignment<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The partitions that the member shall have.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable)]
pub struct Assignment<'a> {
    /// The partitions, by topic; other members may have them too.
    pub topic_partitions: Vec<TopicPartitions<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartitions<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
