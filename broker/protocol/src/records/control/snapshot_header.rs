//! SnapshotHeader (control record type 3): the first record of a snapshot (KIP-630).

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// How far the snapshot goes.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct SnapshotHeaderRecord<'a> {
    /// The version of this record, the same that it is written in.
    pub version: i16,
    /// The timestamp of the last record that is in the snapshot, in milliseconds since 1970.
    pub last_contained_log_timestamp: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
