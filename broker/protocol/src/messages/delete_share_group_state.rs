//! DeleteShareGroupState (key 86): the group coordinator has the share coordinator forget share partitions (KIP-932).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Forgets share partitions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DeleteShareGroupState, response = DeleteShareGroupStateResponse)]
pub struct DeleteShareGroupStateRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<DeleteStateData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Share partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteStateData<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A share partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DeleteShareGroupState)]
pub struct DeleteShareGroupStateResponse<'a> {
    /// By topic.
    pub results: Vec<DeleteStateResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteStateResult<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionResult<'a> {
    /// The partition's number.
    pub partition: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
