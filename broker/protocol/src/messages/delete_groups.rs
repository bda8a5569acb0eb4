//! DeleteGroups (key 42): deletes groups that have no members (KIP-229).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Deletes groups, each for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DeleteGroups, response = DeleteGroupsResponse)]
pub struct DeleteGroupsRequest<'a> {
    /// The groups' ids.
    pub groups_names: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DeleteGroups)]
pub struct DeleteGroupsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By group.
    pub results: Vec<DeletableGroupResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one group.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeletableGroupResult<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all. New in Kafka 4.4.0.
    #[field(versions = "3+", nullable = "3+", default = null, ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
