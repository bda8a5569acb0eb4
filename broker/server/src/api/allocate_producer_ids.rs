//! AllocateProducerIds: a broker asks the controller for the next block of producer ids (KIP-730).

use std::time::Duration;

use barnabas_metadata::ProducerIdBlock;
use barnabas_protocol::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use barnabas_types::BrokerId;

use super::RequestContext;

/// The request carries no time limit of its own; a broker asks again.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Gives out a block, once that is committed: it is never given out again.
pub async fn handle(
    context: &RequestContext,
    request: AllocateProducerIdsRequest<'_>,
) -> AllocateProducerIdsResponse<'static> {
    let (broker, epoch) = (BrokerId(request.broker_id), request.broker_epoch);
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let decided = context
        .node
        .controller
        .try_decide_committed(deadline, move |controller, _| controller.allocate_producer_ids(broker, epoch));
    let refused = |error_code| AllocateProducerIdsResponse { error_code, ..AllocateProducerIdsResponse::default() };
    match decided.await {
        Ok(Ok(ProducerIdBlock { first, count })) => AllocateProducerIdsResponse {
            producer_id_start: first.0,
            producer_id_len: i32::try_from(count).unwrap_or(0),
            ..AllocateProducerIdsResponse::default()
        },
        Ok(Err(error)) => refused(error.code()),
        Err(error) => refused(error.code()),
    }
}
