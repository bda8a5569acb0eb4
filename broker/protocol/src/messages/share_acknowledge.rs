//! ShareAcknowledge (key 79): settles records that a member of a share group had acquired (KIP-932; KIP-1222 in version 2).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Settles records.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ShareAcknowledge, response = ShareAcknowledgeResponse)]
pub struct ShareAcknowledgeRequest<'a> {
    /// The group's id; null is refused.
    #[field(nullable = "0+", default = null)]
    pub group_id: Option<Cow<'a, str>>,
    /// The member's id; null is refused.
    #[field(nullable = "0+")]
    pub member_id: Option<Cow<'a, str>>,
    /// The number of this request in its share session: 0 opens a session, -1 closes it.
    pub share_session_epoch: i32,
    /// Whether some of the acknowledgements are of type 4, renewal; nothing is acquired then.
    #[field(versions = "2+")]
    pub is_renew_ack: bool,
    /// By topic.
    pub topics: Vec<AcknowledgeTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What to settle in one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AcknowledgeTopic<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<AcknowledgePartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What to settle in one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AcknowledgePartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
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

/// What became of the records.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ShareAcknowledge)]
pub struct ShareAcknowledgeResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// For how long acquired records are the member's own, in milliseconds.
    #[field(versions = "2+", ignorable)]
    pub acquisition_lock_timeout_ms: i32,
    /// By topic.
    pub responses: Vec<ShareAcknowledgeTopicResponse<'a>>,
    /// The addresses of the leaders named in this response.
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The results for one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ShareAcknowledgeTopicResponse<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<PartitionData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The result for one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionData<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The leader to turn to, when this broker is not the one.
    pub current_leader: LeaderIdAndEpoch<'a>,
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
