//! AbortTransaction (record type 25): the records since the beginning have no effect (KIP-868).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// The end of a transaction of metadata records that is given up.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct AbortTransactionRecord<'a> {
    /// Why it is given up; null when it does not say.
    #[field(nullable = "0+", tag = 0, default = null)]
    pub reason: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
