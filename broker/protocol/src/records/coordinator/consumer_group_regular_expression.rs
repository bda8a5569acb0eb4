//! The topics that match a regular expression of a consumer group (KIP-848), record type 16. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which regular expression.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ConsumerGroupRegularExpressionKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The regular expression.
    pub regular_expression: Cow<'a, str>,
}

/// The topics that matched when it was last looked at.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ConsumerGroupRegularExpressionValue<'a> {
    /// The names of the topics.
    pub topics: Vec<Cow<'a, str>>,
    /// The offset of the metadata log at which it was looked at.
    pub version: i64,
    /// When it was looked at, in milliseconds since 1970.
    pub timestamp: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
