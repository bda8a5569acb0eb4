//! ProducerIds (record type 15): a block of producer ids was given to a broker.

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Where the next block of producer ids begins.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ProducerIdsRecord<'a> {
    /// The broker that got the block.
    pub broker_id: i32,
    /// The epoch of its registration; -1 when it is not known.
    #[field(default = -1)]
    pub broker_epoch: i64,
    /// The first id of the next block; those below it are never given out again.
    pub next_producer_id: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
