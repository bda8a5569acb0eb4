//! DeleteShareGroupOffsets (key 92): makes an empty share group forget topics (KIP-932).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Forgets topics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DeleteShareGroupOffsets, response = DeleteShareGroupOffsetsResponse)]
pub struct DeleteShareGroupOffsetsRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The topics to forget.
    pub topics: Vec<DeleteShareGroupOffsetsRequestTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteShareGroupOffsetsRequestTopic<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DeleteShareGroupOffsets)]
pub struct DeleteShareGroupOffsetsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The results, one a topic.
    pub responses: Vec<DeleteShareGroupOffsetsResponseTopic<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DeleteShareGroupOffsetsResponseTopic<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The topic's id.
    pub topic_id: Uuid,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
