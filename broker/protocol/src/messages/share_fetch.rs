//! ShareFetch (key 78): acquires records for a member of a share group, and settles those that it had (KIP-932; KIP-1206 and KIP-1222
//! in version 2).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, Records, UnknownTags};

/// Acquires records from one or more partitions; waits until there are enough or time is up.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ShareFetch, response = ShareFetchResponse)]
pub struct ShareFetchRequest<'a> {
    /// The group's id; null is refused.
    #[field(nullable = "0+", default = null)]
    pub group_id: Option<Cow<'a, str>>,
    /// The member's id; null is refused.
    #[field(nullable = "0+")]
    pub member_id: Option<Cow<'a, str>>,
    /// The number of this request in its share session: 0 opens a session, -1 closes it.
    pub share_session_epoch: i32,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Answer as soon as this many bytes are there.
    pub min_bytes: i32,
    /// The most bytes to answer with. A first batch that is larger is sent all the same (KIP-74).
    #[field(default = i32::MAX)]
    pub max_bytes: i32,
    /// The most records to acquire; more may come where a batch would have to be cut, unless `share_acquire_mode` is 1.
    pub max_records: i32,
    /// How many records a group of acquired records should have, each group being settled as one.
    pub batch_size: i32,
    /// 0 acquires whole batches, 1 no more than `max_records` records.
    #[field(versions = "2+", ignorable)]
    pub share_acquire_mode: i8,
    /// Whether some of the acknowledgements are of type 4, renewal; nothing is acquired then.
    #[field(versions = "2+")]
    pub is_renew_ack: bool,
    /// What to acquire and to settle; in a session what is added, or has something to settle.
    pub topics: Vec<FetchTopic<'a>>,
    /// Partitions that leave the session.
    pub forgotten_topics_data: Vec<ForgottenTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What to acquire of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct FetchTopic<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<FetchPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What to acquire of one partition, and what to settle there.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct FetchPartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The most bytes to read of this partition, in version 0.
    #[field(versions = "0")]
    pub partition_max_bytes: i32,
    /// What to settle, in the order of offsets.
    pub acknowledgement_batches: Vec<AcknowledgementBatch<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Consecutive records to settle.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AcknowledgementBatch<'a> {
    /// The offset of the first record.
    pub first_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
    /// What to do with each record, or with all when there is one entry: 0 there is no such record, 1 it is done, 2 give it to
    /// others, 3 never give it out again, 4 (from version 2 on) keep it for longer.
    pub acknowledge_types: Vec<i8>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions that leave the share session.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ForgottenTopic<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The records acquired.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ShareFetch)]
pub struct ShareFetchResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// For how long acquired records are the member's own, in milliseconds.
    pub acquisition_lock_timeout_ms: i32,
    /// What was acquired, by topic.
    pub responses: Vec<ShareFetchableTopicResponse<'a>>,
    /// The addresses of the leaders named in this response.
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What was acquired of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ShareFetchableTopicResponse<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What was acquired of one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong with the reading, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// What went wrong with the settling, or NONE.
    pub acknowledge_error_code: ErrorCode,
    /// What went wrong with the settling, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub acknowledge_error_message: Option<Cow<'a, str>>,
    /// The leader to turn to, when this broker is not the one.
    pub current_leader: LeaderIdAndEpoch<'a>,
    /// The record batches that hold the acquired records, and maybe others.
    pub records: Records<'a>,
    /// Which of the records the member now has.
    pub acquired_records: Vec<AcquiredRecords<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who leads the partition now (KIP-951).
#[derive(Clone, Debug, PartialEq, Message)]
pub struct LeaderIdAndEpoch<'a> {
    /// The leader; -1 when there is none or it is not known.
    pub leader_id: i32,
    /// The leader's epoch; -1 when it is not known.
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Consecutive records that the member now has.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AcquiredRecords<'a> {
    /// The offset of the first record.
    pub first_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
    /// How often the records have been given out, this time included.
    pub delivery_count: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The address of a broker that is named as leader (KIP-951).
#[derive(Clone, Debug, PartialEq, Message)]
pub struct NodeEndpoint<'a> {
    /// The broker's id.
    pub node_id: i32,
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: i32,
    /// The broker's rack; null when it has none.
    #[field(nullable = "0+", default = null)]
    pub rack: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
