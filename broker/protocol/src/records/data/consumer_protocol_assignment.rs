//! ConsumerProtocolAssignment: what the leader of a group of consumers assigns to one of them in SyncGroup.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

/// What a consumer shall have.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolAssignment<'a> {
    /// The partitions, by topic.
    pub assigned_partitions: Vec<TopicPartition<'a>>,
    /// What the assignor tells the consumer besides; null for nothing.
    #[field(nullable = "0+", default = null)]
    pub user_data: Option<Cow<'a, [u8]>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartition<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
}
