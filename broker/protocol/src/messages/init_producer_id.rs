//! InitProducerId (key 22): gives a producer its id and epoch (KIP-98, KIP-360, KIP-939).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for a producer id, or for the next epoch of one.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = InitProducerId, response = InitProducerIdResponse)]
pub struct InitProducerIdRequest<'a> {
    /// The producer's transactional id; null for a producer that is only idempotent.
    #[field(nullable = "0+")]
    pub transactional_id: Option<Cow<'a, str>>,
    /// After how long an idle transaction is aborted, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// The id that the producer has; -1 for none.
    #[field(versions = "3+", default = -1)]
    pub producer_id: i64,
    /// The epoch that the producer has; -1 for none.
    #[field(versions = "3+", default = -1)]
    pub producer_epoch: i16,
    /// Whether the producer takes part in two-phase commits, so that its transactions never time out.
    #[field(versions = "6+")]
    pub enable2_pc: bool,
    /// Whether to keep a transaction under way instead of aborting it.
    #[field(versions = "6+")]
    pub keep_prepared_txn: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The producer's id and epoch.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = InitProducerId)]
pub struct InitProducerIdResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The producer's id; -1 on an error.
    #[field(default = -1)]
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The producer id of the transaction that was kept; -1 for none.
    #[field(versions = "6+", default = -1)]
    pub ongoing_txn_producer_id: i64,
    /// The epoch of the transaction that was kept; -1 for none.
    #[field(versions = "6+", default = -1)]
    pub ongoing_txn_producer_epoch: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
