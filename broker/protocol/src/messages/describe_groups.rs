//! DescribeGroups (key 15): classic groups with their members (KIP-345, KIP-430).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for groups in full; to be sent to their coordinator.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeGroups, response = DescribeGroupsResponse)]
pub struct DescribeGroupsRequest<'a> {
    /// The groups' ids.
    pub groups: Vec<Cow<'a, str>>,
    /// Whether to tell what the client may do with each group.
    #[field(versions = "3+")]
    pub include_authorized_operations: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The groups in full.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeGroups)]
pub struct DescribeGroupsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// By group.
    pub groups: Vec<DescribedGroup<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribedGroup<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(versions = "6+", nullable = "6+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The group's state, such as `Stable`; `Dead` for one that does not exist.
    pub group_state: Cow<'a, str>,
    /// The kind of group; empty when it has none.
    pub protocol_type: Cow<'a, str>,
    /// The protocol that the group chose; empty unless it is stable.
    pub protocol_data: Cow<'a, str>,
    /// The members.
    pub members: Vec<DescribedGroupMember<'a>>,
    /// What the client may do with the group: bit n is operation n. `i32::MIN` when it was not asked.
    #[field(versions = "3+", default = i32::MIN)]
    pub authorized_operations: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribedGroupMember<'a> {
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// `group.instance.id` of a static member; null for a dynamic one.
    #[field(versions = "4+", nullable = "4+", default = null, ignorable)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The member's `client.id`.
    pub client_id: Cow<'a, str>,
    /// The member's address.
    pub client_host: Cow<'a, str>,
    /// What the chosen protocol wants to know of the member; empty unless the group is stable.
    pub member_metadata: Cow<'a, [u8]>,
    /// What the member got; empty unless the group is stable.
    pub member_assignment: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
