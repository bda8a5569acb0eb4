//! AlterPartition: a partition's leader asks the controller for another ISR (KIP-497, KIP-841, KIP-903).

use std::time::Duration;

use barnabas_metadata::alter_partition_response;
use barnabas_protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::RequestContext;

/// The request carries no time limit of its own; a leader asks again.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Changes each ISR by itself; what is answered is committed.
pub async fn handle(context: &RequestContext, request: AlterPartitionRequest<'_>) -> AlterPartitionResponse<'static> {
    let request = request.into_owned();
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let decided = context
        .node
        .controller
        .try_decide_committed(deadline, move |controller, decision| controller.alter_partition(decision, &request));
    let refused = |error_code| AlterPartitionResponse { error_code, ..AlterPartitionResponse::default() };
    match decided.await {
        Ok(Ok(altered)) => alter_partition_response(&altered),
        // What it knows of itself is no longer so.
        Ok(Err(_)) => refused(ErrorCode::STALE_BROKER_EPOCH),
        Err(error) => refused(error.code()),
    }
}
