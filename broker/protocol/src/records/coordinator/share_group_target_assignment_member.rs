//! A member's part in the target assignment of a share group (KIP-932), record type 13. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ShareGroupTargetAssignmentMemberKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// What the member shall have when the group has settled.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ShareGroupTargetAssignmentMemberValue<'a> {
    /// The partitions, by topic.
    pub topic_partitions: Vec<TopicPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartition<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
