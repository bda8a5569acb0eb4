//! AbortedTxn: an entry of a transaction index, `*.txnindex`: which transaction was aborted in a segment (KIP-98). Its version stands before it.

use barnabas_protocol_derive::Message;

/// An aborted transaction. A schema since 4.4.0; the bytes are those of earlier releases.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct AbortedTxn {
    /// Whose transaction it was.
    pub producer_id: i64,
    /// The first offset of the transaction.
    pub first_offset: i64,
    /// The offset of the control record that aborted it.
    pub last_offset: i64,
    /// The last stable offset when it was aborted: none of the records below it belongs to a transaction that was still going on.
    pub last_stable_offset: i64,
}
