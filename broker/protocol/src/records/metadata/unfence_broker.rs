//! UnfenceBroker (record type 8): a broker was unfenced. Written by Kafka 3.2 and before; later ones write BrokerRegistrationChange.

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A broker that may lead and be in sync.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct UnfenceBrokerRecord<'a> {
    /// The broker's id.
    pub id: i32,
    /// The epoch of its registration.
    pub epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
