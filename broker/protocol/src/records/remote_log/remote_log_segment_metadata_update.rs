//! RemoteLogSegmentMetadataUpdate (record type 1): what has become of a segment in remote storage (KIP-405).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// What is new about a segment.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemoteLogSegmentMetadataUpdateRecord<'a> {
    /// The segment.
    pub remote_log_segment_id: RemoteLogSegmentIdEntry<'a>,
    /// The broker that wrote this.
    pub broker_id: i32,
    /// When this was written, in milliseconds since 1970.
    pub event_timestamp_ms: i64,
    /// What the remote storage wants to be told when the segment is read; null for nothing.
    #[field(nullable = "0+", default = null)]
    pub custom_metadata: Option<Cow<'a, [u8]>>,
    /// 0 being copied, 1 copied, 2 being deleted, 3 deleted.
    pub remote_log_segment_state: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Names a segment in remote storage.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct RemoteLogSegmentIdEntry<'a> {
    /// The partition.
    pub topic_id_partition: TopicIdPartitionEntry<'a>,
    /// Chosen anew for each copy of a segment.
    pub id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition by name and id.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicIdPartitionEntry<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The topic's id.
    pub id: Uuid,
    /// The partition's number.
    pub partition: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
