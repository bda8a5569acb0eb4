//! Records of `__transaction_state`, of which there is one kind. A key begins with the record type, a value with its version.

use super::keyed::keyed_records;

pub mod transaction_log;

pub use transaction_log::{TransactionLogKey, TransactionLogValue};

crate::every_transaction_record! {
    keyed_records
    /// A record of `__transaction_state`. Without a value the transactional id has expired.
    TransactionRecord, "transaction record type";
}
