//! BeginTransaction (record type 23): the records up to the end take effect together (KIP-868).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// The beginning of a transaction of metadata records.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct BeginTransactionRecord<'a> {
    /// What the transaction is for; null when it does not say.
    #[field(nullable = "0+", tag = 0, default = null)]
    pub name: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
