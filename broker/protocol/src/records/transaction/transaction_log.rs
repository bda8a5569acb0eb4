//! The state of a transactional id, record type 0. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which transactional id.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct TransactionLogKey<'a> {
    /// The transactional id.
    pub transactional_id: Cow<'a, str>,
}

/// A transactional id's producer and the state of its transaction.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct TransactionLogValue<'a> {
    /// The producer id that the transactional id has.
    pub producer_id: i64,
    /// The producer id of its last committed transaction; -1 when it is not known.
    #[field(versions = "1+", tag = 0, default = -1)]
    pub previous_producer_id: i64,
    /// The producer id that it will have once the transaction has ended; -1 when it stays.
    #[field(versions = "1+", tag = 1, default = -1)]
    pub next_producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The epoch that belongs to `next_producer_id`; -1 when there is none.
    #[field(versions = "1+", tag = 3, default = -1)]
    pub next_producer_epoch: i16,
    /// After how long the transaction is aborted, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// 0 empty, 1 ongoing, 2 prepare commit, 3 prepare abort, 4 complete commit, 5 complete abort, 6 dead, 7 prepare epoch fence.
    pub transaction_status: i8,
    /// The partitions of the transaction, by topic; null in the state empty.
    #[field(nullable = "0+")]
    pub transaction_partitions: Option<Vec<PartitionsSchema<'a>>>,
    /// When the state last changed, in milliseconds since 1970.
    pub transaction_last_update_timestamp_ms: i64,
    /// When the transaction began, in milliseconds since 1970; -1 when there is none.
    pub transaction_start_timestamp_ms: i64,
    /// The level of `transaction.version` that the client uses.
    #[field(versions = "1+", tag = 2)]
    pub client_transaction_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionsSchema<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions' numbers.
    pub partition_ids: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
