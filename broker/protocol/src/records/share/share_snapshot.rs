//! The state of a share partition (KIP-932), record type 0. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Which share partition.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ShareSnapshotKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
}

/// The whole state.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ShareSnapshotValue<'a> {
    /// Grows with every snapshot; an update belongs to the snapshot of the same number.
    pub snapshot_epoch: i32,
    /// How often the state of the share partition has been begun anew.
    pub state_epoch: i32,
    /// The leader epoch of the partition's leader, who wrote last.
    pub leader_epoch: i32,
    /// The offset below which every record is settled; -1 when nothing has been given out.
    pub start_offset: i64,
    /// How many records from the start offset on need not be given out any more; -1 when it is not known.
    #[field(tag = 0, default = -1)]
    pub delivery_complete_count: i32,
    /// When the state was begun, in milliseconds since 1970.
    pub create_timestamp: i64,
    /// When it was last written, in milliseconds since 1970.
    pub write_timestamp: i64,
    /// The records from the start offset on that have been given out.
    pub state_batches: Vec<StateBatch<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Consecutive records in the same state.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct StateBatch<'a> {
    /// The offset of the first record.
    pub first_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
    /// 0 available, 2 acknowledged, 4 archived (given up).
    pub delivery_state: i8,
    /// How often the records have been given out.
    pub delivery_count: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
