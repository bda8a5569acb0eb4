//! ListGroups (key 16): the groups that a broker coordinates (KIP-518, KIP-848).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the groups that this broker coordinates.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ListGroups, response = ListGroupsResponse)]
pub struct ListGroupsRequest<'a> {
    /// The states asked for, such as `Stable`; empty for all.
    #[field(versions = "4+")]
    pub states_filter: Vec<Cow<'a, str>>,
    /// The types asked for, such as `classic`; empty for all.
    #[field(versions = "5+")]
    pub types_filter: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ListGroups)]
pub struct ListGroupsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The groups.
    pub groups: Vec<ListedGroup<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A group in brief.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ListedGroup<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The kind of group, `consumer` for consumers; empty for a group that only stores offsets.
    pub protocol_type: Cow<'a, str>,
    /// The group's state, such as `Stable`.
    #[field(versions = "4+", ignorable)]
    pub group_state: Cow<'a, str>,
    /// The group's type, such as `classic`.
    #[field(versions = "5+", ignorable)]
    pub group_type: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
