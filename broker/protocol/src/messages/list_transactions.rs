//! ListTransactions (key 66): the transactions that a broker coordinates, in brief (KIP-664, KIP-994, KIP-1152).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for transactions; to be sent to all brokers. Filters narrow the answer together.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ListTransactions, response = ListTransactionsResponse)]
pub struct ListTransactionsRequest<'a> {
    /// The states asked for, such as `Ongoing`; empty for all.
    pub state_filters: Vec<Cow<'a, str>>,
    /// The producer ids asked for; empty for all.
    pub producer_id_filters: Vec<i64>,
    /// Only transactions that have run longer than this many milliseconds; below 0 for all.
    #[field(versions = "1+", default = -1)]
    pub duration_filter: i64,
    /// A regular expression (RE2) that the whole transactional id must match; null or empty for all.
    #[field(versions = "2+", nullable = "2+", default = null)]
    pub transactional_id_pattern: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The transactions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ListTransactions)]
pub struct ListTransactionsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The states in the request that the broker does not know.
    pub unknown_state_filters: Vec<Cow<'a, str>>,
    /// By transactional id.
    pub transaction_states: Vec<TransactionState<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A transactional id and its state.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TransactionState<'a> {
    /// The transactional id.
    pub transactional_id: Cow<'a, str>,
    /// The producer's id.
    pub producer_id: i64,
    /// The state: `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort` or `PrepareEpochFence`.
    pub transaction_state: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
