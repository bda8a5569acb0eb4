//! InitializeShareGroupState (key 83): the group coordinator has the share coordinator begin the state of share partitions (KIP-932).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Begins the state of share partitions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = InitializeShareGroupState, response = InitializeShareGroupStateResponse)]
pub struct InitializeShareGroupStateRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<InitializeStateData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Share partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct InitializeStateData<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// How the state of one share partition begins.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition: i32,
    /// How often the state of the share partition has been begun anew.
    pub state_epoch: i32,
    /// The offset from which records are given out; -1 to leave that to the group's configuration.
    pub start_offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = InitializeShareGroupState)]
pub struct InitializeShareGroupStateResponse<'a> {
    /// By topic.
    pub results: Vec<InitializeStateResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct InitializeStateResult<'a> {
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
