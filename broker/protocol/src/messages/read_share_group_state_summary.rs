//! ReadShareGroupStateSummary (key 87): where share partitions start, without the states of their records (KIP-932, KIP-1226).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Asks where share partitions start.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ReadShareGroupStateSummary, response = ReadShareGroupStateSummaryResponse)]
pub struct ReadShareGroupStateSummaryRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// By topic.
    pub topics: Vec<ReadStateSummaryData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Share partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReadStateSummaryData<'a> {
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

/// Where they start.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ReadShareGroupStateSummary)]
pub struct ReadShareGroupStateSummaryResponse<'a> {
    /// By topic.
    pub results: Vec<ReadStateSummaryResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where they start in one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ReadStateSummaryResult<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where one share partition starts.
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
    /// The leader epoch of the partition that the share coordinator knows.
    pub leader_epoch: i32,
    /// The offset below which every record is settled; -1 when nothing has been given out.
    pub start_offset: i64,
    /// How many records from the start offset on need not be given out any more; -1 when it is not known.
    #[field(versions = "1+", default = -1, ignorable)]
    pub delivery_complete_count: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
