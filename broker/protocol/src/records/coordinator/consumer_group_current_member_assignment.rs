//! What a member of a consumer group has (KIP-848), record type 8. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ConsumerGroupCurrentMemberAssignmentKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// How far the member is on the way to its target.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ConsumerGroupCurrentMemberAssignmentValue<'a> {
    /// The epoch that the member should have by its next heartbeat.
    pub member_epoch: i32,
    /// The epoch before, which a member that missed the last answer still has.
    pub previous_member_epoch: i32,
    /// 0 stable; 1 has partitions to give up; 2 waits for partitions that others have; 127 not known.
    pub state: i8,
    /// The partitions that the member has.
    pub assigned_partitions: Vec<TopicPartitions<'a>>,
    /// The partitions that the member is to give up.
    pub partitions_pending_revocation: Vec<TopicPartitions<'a>>,
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
    /// For each of them, the member epoch in which the member got it, so that commits of the time before are refused; null when it is
    /// not known.
    #[field(nullable = "0+", tag = 0)]
    pub assignment_epochs: Option<Vec<i32>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
