//! ConsumerGroupHeartbeat (key 68): joins, stays in and leaves a consumer group, and carries its assignment (KIP-848).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// A member of the group is alive; what it does not repeat is as before.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ConsumerGroupHeartbeat, response = ConsumerGroupHeartbeatResponse)]
pub struct ConsumerGroupHeartbeatRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id. From version 1 on it makes it up itself, a random UUID, and keeps it as long as it lives; empty in version 0
    /// to get one.
    pub member_id: Cow<'a, str>,
    /// The epoch that the member knows; 0 to join, -1 to leave, -2 to leave for a while as a static member.
    pub member_epoch: i32,
    /// The name of a static member; null when it is none or it is as before.
    #[field(nullable = "0+", default = null)]
    pub instance_id: Option<Cow<'a, str>>,
    /// The member's rack; null when it has none or it is as before.
    #[field(nullable = "0+", default = null)]
    pub rack_id: Option<Cow<'a, str>>,
    /// How long the member may take to give up partitions, in milliseconds; -1 when it is as before.
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// The topics that the member wants; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub subscribed_topic_names: Option<Vec<Cow<'a, str>>>,
    /// A regular expression, in the syntax of RE2, for further topics; null when it has none or it is as before.
    #[field(versions = "1+", nullable = "1+", default = null)]
    pub subscribed_topic_regex: Option<Cow<'a, str>>,
    /// The assignor that the coordinator should use; null when the member does not care or it is as before.
    #[field(nullable = "0+", default = null)]
    pub server_assignor: Option<Cow<'a, str>>,
    /// The partitions that the member has; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub topic_partitions: Option<Vec<TopicPartitions<'a>>>,
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

/// What the member shall have.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ConsumerGroupHeartbeat)]
pub struct ConsumerGroupHeartbeatResponse<'a> {
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
    /// The partitions, by topic; each may be read at once.
    pub topic_partitions: Vec<TopicPartitions<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
