//! WriteTxnMarkers (key 27): the transaction coordinator has partition leaders write how transactions ended (KIP-98, KIP-1228).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Ends transactions in partitions. The broker writes a marker into each.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = WriteTxnMarkers, response = WriteTxnMarkersResponse)]
pub struct WriteTxnMarkersRequest<'a> {
    /// The markers by producer.
    pub markers: Vec<WritableTxnMarker<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A producer, how its transaction ended, and in which partitions.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct WritableTxnMarker<'a> {
    /// The producer's id.
    pub producer_id: i64,
    /// The epoch to write into the marker.
    pub producer_epoch: i16,
    /// True when the transaction is committed, false when it is aborted.
    pub transaction_result: bool,
    /// The partitions to write to, by topic.
    pub topics: Vec<WritableTxnMarkerTopic<'a>>,
    /// The leader epoch of the coordinator's partition of `__transaction_state`; older ones are refused.
    pub coordinator_epoch: i32,
    /// The level of `transaction.version` that the transaction runs at: up to 1 a marker may have the epoch of the records before it,
    /// from 2 on it has a higher one.
    #[field(versions = "2+", ignorable)]
    pub transaction_version: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct WritableTxnMarkerTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partition_indexes: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each marker.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = WriteTxnMarkers)]
pub struct WriteTxnMarkersResponse<'a> {
    /// The results by producer.
    pub markers: Vec<WritableTxnMarkerResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one producer.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct WritableTxnMarkerResult<'a> {
    /// The producer's id.
    pub producer_id: i64,
    /// By topic.
    pub topics: Vec<WritableTxnMarkerTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct WritableTxnMarkerTopicResult<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<WritableTxnMarkerPartitionResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct WritableTxnMarkerPartitionResult<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
