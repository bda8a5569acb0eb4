//! WriteShareGroupState (key 85): the leader of share partitions has the share coordinator keep what changed in their state (KIP-932,
//! KIP-1226).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// What changed in the state of share partitions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = WriteShareGroupState, response = WriteShareGroupStateResponse)]
pub struct WriteShareGroupStateRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<WriteStateData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What changed in one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct WriteStateData<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What changed in one share partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition: i32,
    /// How often the state of the share partition has been begun anew.
    pub state_epoch: i32,
    /// The leader epoch of the partition's leader, who writes.
    pub leader_epoch: i32,
    /// The offset below which every record is settled; -1 when it stays.
    pub start_offset: i64,
    /// How many records from the start offset on need not be given out any more; -1 when it is not known.
    #[field(versions = "1+", default = -1, ignorable)]
    pub delivery_complete_count: i32,
    /// The records whose state has changed.
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

/// Whether it is kept.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = WriteShareGroupState)]
pub struct WriteShareGroupStateResponse<'a> {
    /// By topic.
    pub results: Vec<WriteStateResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct WriteStateResult<'a> {
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
