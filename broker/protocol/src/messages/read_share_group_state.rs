//! ReadShareGroupState (key 84): the leader of share partitions reads their state from the share coordinator (KIP-932).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Asks for the state of share partitions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ReadShareGroupState, response = ReadShareGroupStateResponse)]
pub struct ReadShareGroupStateRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<ReadStateData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Share partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReadStateData<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A share partition, and who asks.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The leader epoch of the partition's leader, who asks; -1 to leave out the check.
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The states.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ReadShareGroupState)]
pub struct ReadShareGroupStateResponse<'a> {
    /// By topic.
    pub results: Vec<ReadStateResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The states in one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReadStateResult<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The state of one share partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionResult<'a> {
    /// The partition's number.
    pub partition: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// How often the state of the share partition has been begun anew.
    pub state_epoch: i32,
    /// The offset below which every record is settled; -1 when nothing has been given out.
    pub start_offset: i64,
    /// The records from the start offset on that have been given out.
    pub state_batches: Vec<StateBatch<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Consecutive records in the same state.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct StateBatch<'a> {
    /// The offset of the first record.
    pub first_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
    /// 0 available, 2 acknowledged, 4 archived (given up).
    pub delivery_state: i8,
    /// How often the records have been given out.
    pub delivery_count: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
