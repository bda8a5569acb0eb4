//! Producer ids for this broker's clients, out of blocks that the controller gives. An id is given out once; what is left of a
//! block at a stop is lost, never given again.

use std::sync::Arc;

use barnabas_metadata::{AllocateProducerIdsError, PRODUCER_ID_BLOCK, ProducerIdBlock};
use barnabas_protocol::ErrorCode;
use barnabas_types::{BrokerId, ProducerId};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::controller::ControllerHandle;
use super::error::ControllerError;

/// There is no id.
#[derive(Debug, thiserror::Error)]
pub enum ProducerIdError {
    /// The controller gave no answer.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// The controller refused.
    #[error(transparent)]
    Refused(#[from] AllocateProducerIdsError),
}

impl ProducerIdError {
    /// Kafka's code. A client tries again in every case.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Controller(_) | Self::Refused(_) => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        }
    }
}

/// The ids of this broker.
#[derive(Clone)]
pub struct ProducerIds {
    controller: ControllerHandle,
    broker: BrokerId,
    /// What is left of the current block. Locked while a block is fetched, so that only one is.
    left: Arc<Mutex<ProducerIdBlock>>,
}

impl ProducerIds {
    /// Ids for clients of `broker`. No block is asked for before the first id is.
    #[must_use]
    pub fn new(controller: ControllerHandle, broker: BrokerId) -> Self {
        let none = ProducerIdBlock { first: ProducerId(0), count: 0 };
        Self { controller, broker, left: Arc::new(Mutex::new(none)) }
    }

    /// An id that nobody has had.
    ///
    /// # Errors
    /// The block is used up and there is no other by `deadline`.
    pub async fn next(&self, deadline: Instant) -> Result<ProducerId, ProducerIdError> {
        let mut left = self.left.lock().await;
        if left.count == 0 {
            let broker = self.broker;
            let allocated = self.controller.try_decide(deadline, move |controller, _| {
                let epoch = controller.head().brokers.get(broker).map_or(-1, |registered| registered.epoch);
                controller.allocate_producer_ids(broker, epoch)
            });
            *left = allocated.await??;
            debug_assert_eq!(left.count, PRODUCER_ID_BLOCK, "a block has another size");
        }
        let id = left.first;
        *left = ProducerIdBlock { first: ProducerId(id.0 + 1), count: left.count - 1 };
        Ok(id)
    }
}
