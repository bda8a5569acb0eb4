//! ConsumerProtocolSubscription: what a consumer says of itself in JoinGroup, in the field of its protocol (KIP-429, KIP-792,
//! KIP-881).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

/// What a consumer wants and has.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolSubscription<'a> {
    /// The topics that the consumer wants.
    pub topics: Vec<Cow<'a, str>>,
    /// What the assignor wants to know besides; null for nothing.
    #[field(nullable = "0+", default = null)]
    pub user_data: Option<Cow<'a, [u8]>>,
    /// The partitions that the consumer has, by topic.
    #[field(versions = "1+", ignorable)]
    pub owned_partitions: Vec<TopicPartition<'a>>,
    /// The generation in which it got them; -1 when it does not say.
    #[field(versions = "2+", default = -1, ignorable)]
    pub generation_id: i32,
    /// The consumer's rack; null when it has none.
    #[field(versions = "3+", nullable = "3+", default = null, ignorable)]
    pub rack_id: Option<Cow<'a, str>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartition<'a> {
    /// The topic's name.
    #[field(versions = "1+")]
    pub topic: Cow<'a, str>,
    /// The partitions' numbers.
    #[field(versions = "1+")]
    pub partitions: Vec<i32>,
}
