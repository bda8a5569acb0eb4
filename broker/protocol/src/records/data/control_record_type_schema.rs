//! ControlRecordTypeSchema: the key of a control record, which says what kind it is (KIP-98).

use barnabas_protocol_derive::Message;

/// The kind of control record.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ControlRecordTypeSchema {
    /// 0 abort, 1 commit; in the metadata log 2 leader change, 3 snapshot header, 4 snapshot footer, 5 KRaft version, 6 KRaft voters.
    pub r#type: i16,
}
