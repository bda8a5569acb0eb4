//! What happens to groups, for logs and metrics. Formats nothing for a particular sink.

use std::sync::Arc;

/// Something that happened to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Members are being gathered for a new generation.
    RebalanceStarted {
        /// The group.
        group_id: Arc<str>,
        /// Its old generation.
        generation: i32,
        /// Why.
        reason: Reason,
    },
    /// All members know their generation; the leader's assignment is awaited.
    GenerationBegun {
        /// The group.
        group_id: Arc<str>,
        /// Its new generation.
        generation: i32,
        /// How many members it has.
        members: usize,
    },
    /// The leader's assignment has been taken.
    RebalanceCompleted {
        /// The group.
        group_id: Arc<str>,
        /// Its generation.
        generation: i32,
    },
    /// The last member is gone.
    GroupEmptied {
        /// The group.
        group_id: Arc<str>,
        /// Its generation.
        generation: i32,
    },
    /// A rebalance timed out without a single member having joined; it goes on.
    NobodyJoined {
        /// The group.
        group_id: Arc<str>,
    },
    /// A member was removed.
    MemberRemoved {
        /// The group.
        group_id: Arc<str>,
        /// The member.
        member_id: Arc<str>,
        /// Why.
        reason: Removal,
    },
    /// Offsets have expired or gone with their topic.
    OffsetsRemoved {
        /// How many.
        count: usize,
    },
    /// Groups have been deleted, on request or because nothing was left in them.
    GroupsDeleted {
        /// How many.
        count: usize,
    },
}

/// Why a rebalance starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A new member joined.
    MemberAdded,
    /// A member joined again with other metadata, or the leader joined again.
    MemberUpdated,
    /// A static member came back as another process and the generation cannot stay.
    StaticMemberReplaced,
    /// A member left.
    MemberLeft,
    /// A member's session timed out.
    SessionExpired,
    /// Members did not ask for their assignment in time.
    SyncExpired,
    /// The leader's assignment could not be stored.
    AssignmentRefused,
    /// The group, as loaded, has more members than `group.max.size`.
    OverCapacity,
}

/// Why a member is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It said so.
    Left,
    /// It was silent for its session timeout.
    SessionExpired,
    /// It did not join again within the rebalance timeout.
    JoinExpired,
    /// It did not ask for its assignment within the rebalance timeout.
    SyncExpired,
    /// The group is full.
    GroupFull,
}
