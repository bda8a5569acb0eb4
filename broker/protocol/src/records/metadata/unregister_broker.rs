//! UnregisterBroker (record type 1): a broker has left for good.

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A broker that is gone.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct UnregisterBrokerRecord<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// The epoch of the registration: the offset of its record.
    pub broker_epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
