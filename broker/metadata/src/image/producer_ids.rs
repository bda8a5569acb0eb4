//! Where the next block of producer ids begins.

use barnabas_types::ProducerId;

use super::hash::record_hash;
use crate::snapshot;

/// The end of the last block that was given out. Ids below it are never given out again. Who got that block stands in the log only, as
/// in Kafka: a snapshot does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NextProducerId {
    /// The first id that nobody has.
    pub next_producer_id: ProducerId,
}

impl NextProducerId {
    pub(super) fn hash(self) -> u64 {
        snapshot::producer_ids(self).map_or(0, |record| record_hash(&record))
    }
}
