//! InitProducerId: an id for an idempotent producer, which nobody has had before. Transactions are not served: a request with a
//! transactional id is refused, so that no producer believes in a guarantee that it does not get.

use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use super::RequestContext;

/// How long to wait for the controller; clients ask again.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Gives an id, always a new one with epoch 0, as Kafka does for producers without a transactional id.
pub async fn handle(context: &RequestContext, request: InitProducerIdRequest<'_>) -> InitProducerIdResponse<'static> {
    let refused = |error_code| InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() };
    match &request.transactional_id {
        Some(id) if id.is_empty() => return refused(ErrorCode::INVALID_REQUEST),
        Some(_) => return refused(ErrorCode::UNSUPPORTED_VERSION),
        None => {}
    }
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return refused(ErrorCode::INVALID_REQUEST);
    }
    match context.node.producer_ids.next(&context.node, context.node.runtime.deadline(TIMEOUT)).await {
        Ok(id) => InitProducerIdResponse { producer_id: id.0, producer_epoch: 0, ..Default::default() },
        Err(error) => {
            tracing::warn!(%error, "no producer id for a client");
            refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
        }
    }
}
