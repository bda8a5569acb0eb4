//! SnapshotFooter (control record type 4): the last record of a snapshot; without it the snapshot is not whole (KIP-630).

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// The end of the snapshot.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct SnapshotFooterRecord<'a> {
    /// The version of this record, the same that it is written in.
    pub version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
