//! DescribeTransactions (key 65): transactions in full, from their coordinators (KIP-664).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for transactions; to be sent to their coordinators.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeTransactions, response = DescribeTransactionsResponse)]
pub struct DescribeTransactionsRequest<'a> {
    /// The transactional ids; without any there is no result.
    pub transactional_ids: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The transactions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeTransactions)]
pub struct DescribeTransactionsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By transactional id.
    pub transaction_states: Vec<TransactionState<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A transactional id and its transaction.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TransactionState<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The transactional id.
    pub transactional_id: Cow<'a, str>,
    /// The state: `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort` or `PrepareEpochFence`.
    pub transaction_state: Cow<'a, str>,
    /// After how long the transaction is aborted, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// When the transaction began, in milliseconds since 1970; -1 when there is none.
    pub transaction_start_time_ms: i64,
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The partitions of the transaction, by topic; while it is being decided, those that still lack their marker.
    pub topics: Vec<TopicData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicData<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
