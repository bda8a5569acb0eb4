//! AddOffsetsToTxn (key 25): makes the offsets of a consumer group part of a transaction (KIP-98, KIP-360, KIP-890).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Adds a group's offsets to a transaction; TxnOffsetCommit then brings them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AddOffsetsToTxn, response = AddOffsetsToTxnResponse)]
pub struct AddOffsetsToTxnRequest<'a> {
    /// The producer's transactional id.
    pub transactional_id: Cow<'a, str>,
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether the offsets may come.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AddOffsetsToTxn)]
pub struct AddOffsetsToTxnResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
