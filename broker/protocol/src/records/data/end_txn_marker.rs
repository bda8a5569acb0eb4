//! EndTxnMarker: the value of the control records 0 (abort) and 1 (commit), which end a transaction in a partition (KIP-98).

use barnabas_protocol_derive::Message;

/// Who ended the transaction.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct EndTxnMarker {
    /// The epoch of the transaction coordinator, the leader epoch of its partition of `__transaction_state`.
    pub coordinator_epoch: i32,
}
