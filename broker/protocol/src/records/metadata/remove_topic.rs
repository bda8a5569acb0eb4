//! RemoveTopic (record type 9): a topic was deleted with all its partitions.

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// A topic that is gone.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemoveTopicRecord<'a> {
    /// The topic's id.
    pub topic_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
