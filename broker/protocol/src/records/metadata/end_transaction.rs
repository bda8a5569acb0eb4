//! EndTransaction (record type 24): the records since the beginning take effect (KIP-868).

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// The end of a transaction of metadata records.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct EndTransactionRecord<'a> {
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
