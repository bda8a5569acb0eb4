//! FenceBroker (record type 7): a broker was fenced. Written by Kafka 3.2 and before; later ones write BrokerRegistrationChange.

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A broker that may not lead or be in sync.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct FenceBrokerRecord<'a> {
    /// The broker's id.
    pub id: i32,
    /// The epoch of its registration.
    pub epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
