//! Topic (record type 2): a topic was made; its partitions follow.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// A topic's name and id.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct TopicRecord<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The topic's id.
    pub topic_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
