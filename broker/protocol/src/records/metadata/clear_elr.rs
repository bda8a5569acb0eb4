//! ClearElr (record type 28): partitions forget the replicas that may lead although out of sync (KIP-966).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which topic's partitions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ClearElrRecord<'a> {
    /// The topic's name; empty for all topics.
    pub topic_name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
