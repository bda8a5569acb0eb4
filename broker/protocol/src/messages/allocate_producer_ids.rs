//! AllocateProducerIds (key 67): a broker gets a block of producer ids from the controller (KIP-730).

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for a block of producer ids.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AllocateProducerIds, response = AllocateProducerIdsResponse)]
pub struct AllocateProducerIdsRequest<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// The epoch of the broker's registration; -1 when it is not known.
    #[field(default = -1)]
    pub broker_epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The block, which no one else gets.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AllocateProducerIds)]
pub struct AllocateProducerIdsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The first id of the block.
    pub producer_id_start: i64,
    /// How many ids there are.
    pub producer_id_len: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
