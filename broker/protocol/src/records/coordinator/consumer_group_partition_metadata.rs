//! The topics of a consumer group (KIP-848), record type 4. Key and value. Kafka 4.1 and later write it no more.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ConsumerGroupPartitionMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
}

/// The topics that the group reads, as the assignment was computed from.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ConsumerGroupPartitionMetadataValue<'a> {
    /// The topics.
    pub topics: Vec<TopicMetadata<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicMetadata<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// How many partitions it has.
    pub num_partitions: i32,
    /// The racks by partition; empty when they are not known. Not used by Kafka 4.
    pub partition_metadata: Vec<PartitionMetadata<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition and the racks of its replicas.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionMetadata<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The racks of its replicas.
    pub racks: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
