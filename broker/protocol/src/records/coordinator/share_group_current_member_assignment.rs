//! What a member of a share group has (KIP-932), record type 14. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ShareGroupCurrentMemberAssignmentKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// How far the member is on the way to its target.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ShareGroupCurrentMemberAssignmentValue<'a> {
    /// The epoch that the member should have by its next heartbeat.
    pub member_epoch: i32,
    /// The epoch before, which a member that missed the last answer still has.
    pub previous_member_epoch: i32,
    /// 0 stable; 1 has partitions to give up; 2 waits for partitions that others have; 127 not known. Members of share groups are
    /// always stable.
    pub state: i8,
    /// The partitions that the member has.
    pub assigned_partitions: Vec<TopicPartitions<'a>>,
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
