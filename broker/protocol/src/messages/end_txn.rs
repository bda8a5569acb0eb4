//! EndTxn (key 26): commits or aborts a transaction (KIP-98, KIP-360, KIP-890).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Ends a transaction.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = EndTxn, response = EndTxnResponse)]
pub struct EndTxnRequest<'a> {
    /// The producer's transactional id.
    pub transactional_id: Cow<'a, str>,
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// True to commit the transaction, false to abort it.
    pub committed: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether it is decided; the markers may still be under way.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = EndTxn)]
pub struct EndTxnResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The id that the producer has from now on, since a transaction that is over may raise it (KIP-890); -1 when it is not told.
    #[field(versions = "5+", default = -1, ignorable)]
    pub producer_id: i64,
    /// The epoch that the producer has from now on; -1 when it is not told.
    #[field(versions = "5+", default = -1, ignorable)]
    pub producer_epoch: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
