//! RemoteLogSegmentMetadataSnapshot (record type 3): a segment in remote storage, in the file that a broker keeps of a partition's
//! segments (KIP-405).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// A segment in remote storage.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemoteLogSegmentMetadataSnapshotRecord<'a> {
    /// The id of the segment's copy.
    pub segment_id: Uuid,
    /// The offset of the segment's first record.
    pub start_offset: i64,
    /// The offset of the segment's last record.
    pub end_offset: i64,
    /// The broker that wrote this.
    pub broker_id: i32,
    /// The largest timestamp in the segment, in milliseconds since 1970.
    pub max_timestamp_ms: i64,
    /// When this was written, in milliseconds since 1970.
    pub event_timestamp_ms: i64,
    /// The leader epochs in the segment.
    pub segment_leader_epochs: Vec<SegmentLeaderEpochEntry<'a>>,
    /// The size of the segment, in bytes.
    pub segment_size_in_bytes: i32,
    /// What the remote storage wants to be told when the segment is read; null for nothing.
    #[field(nullable = "0+", default = null)]
    pub custom_metadata: Option<Cow<'a, [u8]>>,
    /// 0 being copied, 1 copied, 2 being deleted, 3 deleted.
    pub remote_log_segment_state: i8,
    /// True when no transaction was aborted in the segment.
    #[field(tag = 0)]
    pub txn_index_empty: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where a leader epoch begins.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct SegmentLeaderEpochEntry<'a> {
    /// The leader epoch.
    pub leader_epoch: i32,
    /// The first offset of the epoch in the segment.
    pub offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
