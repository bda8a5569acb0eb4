//! CreateTopics (key 19): makes topics and tells what they got (KIP-4, KIP-464, KIP-525).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Makes topics, each for itself: one may fail and the next succeed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = CreateTopics, response = CreateTopicsResponse)]
pub struct CreateTopicsRequest<'a> {
    /// The topics to make.
    pub topics: Vec<CreatableTopic<'a>>,
    /// How long to wait for it to be done, in milliseconds.
    #[field(default = 60000)]
    pub timeout_ms: i32,
    /// True to find out whether it would work, without doing it.
    pub validate_only: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic to make.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatableTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// How many partitions; -1 for the broker's default, or when they are assigned by hand.
    pub num_partitions: i32,
    /// How many replicas each; -1 for the broker's default, or when they are assigned by hand.
    pub replication_factor: i16,
    /// The partitions assigned by hand; empty to let the controller place them.
    pub assignments: Vec<CreatableReplicaAssignment<'a>>,
    /// The topic's own configurations.
    pub configs: Vec<CreatableTopicConfig<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// On which brokers a partition shall be.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatableReplicaAssignment<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The brokers, the preferred leader first.
    pub broker_ids: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A configuration of the new topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatableTopicConfig<'a> {
    /// The configuration's name.
    pub name: Cow<'a, str>,
    /// Its value.
    #[field(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = CreateTopics)]
pub struct CreateTopicsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// The results, one a topic.
    pub topics: Vec<CreatableTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatableTopicResult<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[field(versions = "7+", ignorable)]
    pub topic_id: Uuid,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// Why the configurations are missing here: TOPIC_AUTHORIZATION_FAILED when the client may not see them.
    #[field(versions = "5+", tag = 0, ignorable)]
    pub topic_config_error_code: ErrorCode,
    /// How many partitions the topic has; -1 when it was not made or the client may not see it.
    #[field(versions = "5+", default = -1, ignorable)]
    pub num_partitions: i32,
    /// How many replicas each; -1 when it was not made or the client may not see it.
    #[field(versions = "5+", default = -1, ignorable)]
    pub replication_factor: i16,
    /// All configurations of the topic; null when the client may not see them.
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub configs: Option<Vec<CreatableTopicConfigs<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A configuration that the topic has now, be it from the request or a default.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatableTopicConfigs<'a> {
    /// The configuration's name.
    #[field(versions = "5+")]
    pub name: Cow<'a, str>,
    /// Its value; null when it is sensitive or has none.
    #[field(versions = "5+", nullable = "5+")]
    pub value: Option<Cow<'a, str>>,
    /// True when it cannot be changed while the broker runs.
    #[field(versions = "5+")]
    pub read_only: bool,
    /// Where the value comes from: 1 the topic, 2 the broker, 3 the default of all brokers, 4 the broker's file, 5 Kafka's default, 6
    /// the broker's logger, 7 a client metrics subscription, 8 the group; -1 not known.
    #[field(versions = "5+", default = -1, ignorable)]
    pub config_source: i8,
    /// True for passwords and the like, whose value is never told.
    #[field(versions = "5+")]
    pub is_sensitive: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
