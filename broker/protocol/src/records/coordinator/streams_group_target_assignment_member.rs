//! A member's part in the target assignment of a streams group (KIP-1071), record type 21. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct StreamsGroupTargetAssignmentMemberKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// The tasks that the member shall have when the group has settled.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct StreamsGroupTargetAssignmentMemberValue<'a> {
    /// The tasks to run.
    pub active_tasks: Vec<TaskIds<'a>>,
    /// The tasks whose state to keep as a spare.
    pub standby_tasks: Vec<TaskIds<'a>>,
    /// The tasks whose state to restore.
    pub warmup_tasks: Vec<TaskIds<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TaskIds<'a> {
    /// The name of the subtopology, which follows from the topology.
    pub subtopology_id: Cow<'a, str>,
    /// The tasks' numbers: those of their partitions.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
