//! Why a group request is refused, and the one place where that becomes Kafka's code.

use barnabas_protocol::ErrorCode;
use thiserror::Error;

/// A refused group request.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GroupError {
    /// This shard holds no such group.
    // Kafka's own words: its tools print them.
    #[error("Group {group_id} not found.")]
    GroupIdNotFound {
        /// The group asked for.
        group_id: Box<str>,
    },
    /// The member is not, or no longer, in the group: it must join again with no member id.
    #[error("member {member_id} is not in group {group_id}; join it again")]
    UnknownMemberId {
        /// The group asked for.
        group_id: Box<str>,
        /// The member that asked.
        member_id: Box<str>,
    },
    /// A newer process has taken over this `group.instance.id`.
    #[error("static member {instance_id} of group {group_id} is now another process, which has member id {current}")]
    FencedInstanceId {
        /// The group asked for.
        group_id: Box<str>,
        /// The `group.instance.id`.
        instance_id: Box<str>,
        /// Who has it now.
        current: Box<str>,
    },
    /// The member has missed a rebalance.
    #[error("group {group_id} is in generation {current}, the request in {generation}; join it again")]
    IllegalGeneration {
        /// The group asked for.
        group_id: Box<str>,
        /// The request's generation.
        generation: i32,
        /// The group's generation.
        current: i32,
    },
    /// The group is between two generations.
    #[error("group {group_id} is rebalancing; join it again")]
    RebalanceInProgress {
        /// The group asked for.
        group_id: Box<str>,
    },
    /// No protocol is left that all members support, or the request names another than the group's.
    #[error("the protocols of group {group_id} and of the request do not agree")]
    InconsistentGroupProtocol {
        /// The group asked for.
        group_id: Box<str>,
    },
    /// The group has as many members as `group.max.size` or the bound on pending members allows.
    #[error("group {group_id} is full")]
    GroupMaxSizeReached {
        /// The group asked for.
        group_id: Box<str>,
    },
    /// The session timeout is outside of what the broker allows.
    #[error("session timeout {timeout_ms} ms is outside group.min.session.timeout.ms..group.max.session.timeout.ms")]
    InvalidSessionTimeout {
        /// What was asked for.
        timeout_ms: i32,
    },
    /// Only an empty group can be deleted.
    #[error("group {group_id} has members")]
    NonEmptyGroup {
        /// The group asked for.
        group_id: Box<str>,
    },
    /// The shard holds as many groups as it may.
    #[error("group {group_id} is refused: this coordinator holds {max_groups} groups already")]
    TooManyGroups {
        /// The group asked for.
        group_id: Box<str>,
        /// The bound.
        max_groups: usize,
    },
    /// A member id that was just given out comes back as a static member's, which never happens to an honest client.
    #[error("member {member_id} of group {group_id} was given out to a dynamic member and comes back as a static one")]
    PendingMemberIsStatic {
        /// The group asked for.
        group_id: Box<str>,
        /// The member id.
        member_id: Box<str>,
    },
    /// The members' metadata and assignment do not fit into a record.
    #[error("the assignment of group {group_id} takes {bytes} bytes in one record; at most {max_bytes} fit")]
    AssignmentTooLarge {
        /// The group asked for.
        group_id: Box<str>,
        /// The record's size.
        bytes: usize,
        /// What the partition takes.
        max_bytes: usize,
    },
}

impl GroupError {
    /// The code that goes to the client.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::GroupIdNotFound { .. } => ErrorCode::GROUP_ID_NOT_FOUND,
            Self::UnknownMemberId { .. } => ErrorCode::UNKNOWN_MEMBER_ID,
            Self::FencedInstanceId { .. } => ErrorCode::FENCED_INSTANCE_ID,
            Self::IllegalGeneration { .. } => ErrorCode::ILLEGAL_GENERATION,
            Self::RebalanceInProgress { .. } => ErrorCode::REBALANCE_IN_PROGRESS,
            Self::InconsistentGroupProtocol { .. } => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            Self::GroupMaxSizeReached { .. } => ErrorCode::GROUP_MAX_SIZE_REACHED,
            Self::InvalidSessionTimeout { .. } => ErrorCode::INVALID_SESSION_TIMEOUT,
            Self::NonEmptyGroup { .. } => ErrorCode::NON_EMPTY_GROUP,
            Self::TooManyGroups { .. } => ErrorCode::POLICY_VIOLATION,
            Self::PendingMemberIsStatic { .. } | Self::AssignmentTooLarge { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
        }
    }
}
