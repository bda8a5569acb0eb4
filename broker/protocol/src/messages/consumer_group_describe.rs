//! ConsumerGroupDescribe (key 69): consumer groups with their members (KIP-848, KIP-1099).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Asks for groups in full; to be sent to their coordinator.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ConsumerGroupDescribe, response = ConsumerGroupDescribeResponse)]
pub struct ConsumerGroupDescribeRequest<'a> {
    /// The groups asked for.
    pub group_ids: Vec<Cow<'a, str>>,
    /// Whether to tell what the client may do with each group.
    pub include_authorized_operations: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The groups in full.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ConsumerGroupDescribe)]
pub struct ConsumerGroupDescribeResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
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
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The group's state, such as `Stable`; empty on an error.
    pub group_state: Cow<'a, str>,
    /// Grows whenever something changes from which the target assignment is computed.
    pub group_epoch: i32,
    /// The group epoch from which the target assignment was computed.
    pub assignment_epoch: i32,
    /// The assignor that the group uses.
    pub assignor_name: Cow<'a, str>,
    /// The members.
    pub members: Vec<Member<'a>>,
    /// What the client may do with the group: bit n is operation n. `i32::MIN` when it was not asked.
    #[field(default = i32::MIN)]
    pub authorized_operations: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Member<'a> {
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// The name of a static member; null when it is none.
    #[field(nullable = "0+", default = null)]
    pub instance_id: Option<Cow<'a, str>>,
    /// The member's rack; null when it has none.
    #[field(nullable = "0+", default = null)]
    pub rack_id: Option<Cow<'a, str>>,
    /// The epoch of the member.
    pub member_epoch: i32,
    /// The member's `client.id`.
    pub client_id: Cow<'a, str>,
    /// The member's address.
    pub client_host: Cow<'a, str>,
    /// The topics that the member wants.
    pub subscribed_topic_names: Vec<Cow<'a, str>>,
    /// The regular expression for further topics; null when there is none.
    #[field(nullable = "0+", default = null)]
    pub subscribed_topic_regex: Option<Cow<'a, str>>,
    /// What the member has.
    pub assignment: Assignment<'a>,
    /// What the member shall have when the group has settled.
    pub target_assignment: Assignment<'a>,
    /// 0 a member by the classic protocol, 1 by the consumer protocol, -1 when it is not known.
    #[field(versions = "1+", default = -1, ignorable)]
    pub member_type: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of a member.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Assignment<'a> {
    /// The partitions, by topic.
    pub topic_partitions: Vec<TopicPartitions<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartitions<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
