//! RemotePartitionDeleteMetadata (record type 2): how far the deletion of a partition from remote storage has come (KIP-405).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// How far the deletion has come.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemotePartitionDeleteMetadataRecord<'a> {
    /// The partition.
    pub topic_id_partition: TopicIdPartitionEntry<'a>,
    /// The node that wrote this: a controller to begin, then a broker.
    pub broker_id: i32,
    /// When this was written, in milliseconds since 1970.
    pub event_timestamp_ms: i64,
    /// 0 to be deleted, 1 being deleted, 2 deleted.
    pub remote_partition_delete_state: i8,
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
