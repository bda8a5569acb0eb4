//! Producer ids for this broker's clients, out of blocks that the controller gives. An id is given out once; what is left of a
//! block at a stop is lost, never given again.

use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::AllocateProducerIdsRequest;
use barnabas_types::ProducerId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::ControllerError;
use crate::node::Node;

/// There is no id. A client tries again in every case.
#[derive(Debug, thiserror::Error)]
pub enum ProducerIdError {
    /// The controller gave no answer.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// The controller refused.
    #[error("the active controller gives no producer ids: {0}")]
    Refused(ErrorCode),
}

/// Ids that were not given out yet.
#[derive(Debug, Default)]
struct Block {
    next: i64,
    left: i32,
}

/// The ids of this broker.
#[derive(Clone, Debug, Default)]
pub struct ProducerIds {
    /// What is left of the current block. Locked while a block is fetched, so that only one is.
    left: Arc<Mutex<Block>>,
}

impl ProducerIds {
    /// An id that nobody has had. No block is asked for before the first id is.
    ///
    /// # Errors
    /// The block is used up and there is no other by `deadline`.
    pub async fn next(&self, node: &Arc<Node>, deadline: Instant) -> Result<ProducerId, ProducerIdError> {
        let mut left = self.left.lock().await;
        if left.left <= 0 {
            let broker = node.image().brokers.get(node.broker_id).map_or(-1, |registered| registered.epoch);
            let request = AllocateProducerIdsRequest {
                broker_id: node.broker_id.0,
                broker_epoch: broker,
                ..AllocateProducerIdsRequest::default()
            };
            let response = node.ask_controller(deadline, &request, |response| response.error_code).await?;
            if response.error_code != ErrorCode::NONE {
                return Err(ProducerIdError::Refused(response.error_code));
            }
            *left = Block { next: response.producer_id_start, left: response.producer_id_len };
        }
        let id = ProducerId(left.next);
        *left = Block { next: left.next.saturating_add(1), left: left.left - 1 };
        Ok(id)
    }
}
