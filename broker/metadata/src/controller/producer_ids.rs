//! AllocateProducerIds: a block of ids for one broker, never given out again.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::records::metadata::{MetadataRecord, ProducerIdsRecord};
use barnabas_types::{BrokerId, ProducerId};

use super::{Controller, Outcome};

/// How many ids a block holds.
pub const PRODUCER_ID_BLOCK: i64 = 1000;

/// Ids that belong to one broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: ProducerId,
    /// How many ids, from the first on.
    pub count: i64,
}

/// Why there is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocateProducerIdsError {
    /// The broker is not registered with this epoch.
    #[error("broker {broker} is not registered with epoch {epoch}: register again")]
    StaleBrokerEpoch {
        /// The broker.
        broker: BrokerId,
        /// The epoch it came with.
        epoch: i64,
    },
    /// 2^63 ids have been given out.
    #[error("no producer id is left after {next}")]
    Exhausted {
        /// The next id.
        next: ProducerId,
    },
}

impl AllocateProducerIdsError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::StaleBrokerEpoch { .. } => ErrorCode::STALE_BROKER_EPOCH,
            Self::Exhausted { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
        }
    }
}

impl Controller {
    /// Gives `broker` the next block.
    ///
    /// # Errors
    /// The broker's registration is not current, or no id is left.
    pub fn allocate_producer_ids(
        &self,
        broker: BrokerId,
        epoch: i64,
    ) -> Result<Outcome<ProducerIdBlock>, AllocateProducerIdsError> {
        if self.registered(broker, epoch).is_none() {
            return Err(AllocateProducerIdsError::StaleBrokerEpoch { broker, epoch });
        }
        let first = self.head.producer_ids.next_producer_id;
        let Some(next_producer_id) = first.0.checked_add(PRODUCER_ID_BLOCK) else {
            return Err(AllocateProducerIdsError::Exhausted { next: first });
        };
        let record = ProducerIdsRecord {
            broker_id: broker.0,
            broker_epoch: epoch,
            next_producer_id,
            ..ProducerIdsRecord::default()
        };
        let response = ProducerIdBlock { first, count: PRODUCER_ID_BLOCK };
        Ok(Outcome { records: vec![MetadataRecord::ProducerIds(record)], response })
    }
}
