//! Where the next block of producer ids begins.

use barnabas_types::{BrokerId, ProducerId};

/// The end of the last block that was given out. Ids below it are never given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextProducerId {
    /// The broker that got the last block.
    pub broker_id: BrokerId,
    /// Its epoch at that time.
    pub broker_epoch: i64,
    /// The first id that nobody has.
    pub next_producer_id: ProducerId,
}

impl Default for NextProducerId {
    fn default() -> Self {
        Self { broker_id: BrokerId::NONE, broker_epoch: -1, next_producer_id: ProducerId(0) }
    }
}
