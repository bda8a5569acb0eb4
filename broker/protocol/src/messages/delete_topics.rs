//! DeleteTopics (key 20): deletes topics by name or id (KIP-4, KIP-516).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Deletes topics, each for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DeleteTopics, response = DeleteTopicsResponse)]
pub struct DeleteTopicsRequest<'a> {
    /// The topics to delete, from version 6 on.
    #[field(versions = "6+")]
    pub topics: Vec<DeleteTopicState<'a>>,
    /// The topics to delete, up to version 5.
    #[field(versions = "0-5", ignorable)]
    pub topic_names: Vec<Cow<'a, str>>,
    /// How long to wait for it to be done, in milliseconds.
    pub timeout_ms: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic by name or by id, not both.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteTopicState<'a> {
    /// The topic's name; null when it is given by id.
    #[field(versions = "6+", nullable = "6+", default = null)]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id; zero when it is given by name.
    #[field(versions = "6+")]
    pub topic_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DeleteTopics)]
pub struct DeleteTopicsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// The results, one a topic.
    pub responses: Vec<DeletableTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeletableTopicResult<'a> {
    /// The topic's name; null when an id was given that the client may not know the name of, or that no topic has.
    #[field(nullable = "6+")]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id.
    #[field(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
