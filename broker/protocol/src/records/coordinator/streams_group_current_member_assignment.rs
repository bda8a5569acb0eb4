//! What a member of a streams group has (KIP-1071), record type 22. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which member.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct StreamsGroupCurrentMemberAssignmentKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
}

/// How far the member is on the way to its target.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct StreamsGroupCurrentMemberAssignmentValue<'a> {
    /// The epoch that the member should have by its next heartbeat.
    pub member_epoch: i32,
    /// The epoch before, which a member that missed the last answer still has.
    pub previous_member_epoch: i32,
    /// 0 stable; 1 has tasks to give up; 2 waits for tasks that others have; 127 not known.
    pub state: i8,
    /// The tasks that the member runs.
    pub active_tasks: Vec<TaskIds<'a>>,
    /// The tasks whose state it keeps as a spare.
    pub standby_tasks: Vec<TaskIds<'a>>,
    /// The tasks whose state it restores in order to run them.
    pub warmup_tasks: Vec<TaskIds<'a>>,
    /// The tasks that it is to stop running.
    pub active_tasks_pending_revocation: Vec<TaskIds<'a>>,
    /// The spares that it is to drop.
    pub standby_tasks_pending_revocation: Vec<TaskIds<'a>>,
    /// The tasks that it is to stop restoring.
    pub warmup_tasks_pending_revocation: Vec<TaskIds<'a>>,
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
    /// For each of them, the member epoch in which the member got it, so that commits of the time before are refused; null when it is
    /// not known.
    #[field(nullable = "0+", tag = 0)]
    pub assignment_epochs: Option<Vec<i32>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
