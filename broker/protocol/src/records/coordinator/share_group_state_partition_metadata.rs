//! Which share partitions of a share group have a state (KIP-932), record type 15. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ShareGroupStatePartitionMetadataKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
}

/// The share partitions by how far their state has come.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ShareGroupStatePartitionMetadataValue<'a> {
    /// Those whose state is being begun.
    pub initializing_topics: Vec<TopicPartitionsInfo<'a>>,
    /// Those that have a state.
    pub initialized_topics: Vec<TopicPartitionsInfo<'a>>,
    /// The topics whose states are being deleted.
    pub deleting_topics: Vec<TopicInfo<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartitionsInfo<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicInfo<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
