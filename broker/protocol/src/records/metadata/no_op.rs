//! NoOp (record type 20): nothing; keeps the high watermark moving.

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Nothing.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct NoOpRecord<'a> {
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
