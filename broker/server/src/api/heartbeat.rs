//! Heartbeat: a member of a classic group lives.

use barnabas_coordinator::group::Request;
use barnabas_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::{Reply, RequestContext, coordinated};

/// Hands the request to the group's coordinator.
pub async fn handle(context: &RequestContext, request: HeartbeatRequest<'_>) -> Reply<HeartbeatResponse<'static>> {
    let request = request.into_owned();
    let group_id = request.group_id.clone();
    coordinated::ask_named(context, &group_id, Request::Heartbeat(request), |answer| match answer {
        Ok(response) => response,
        // While its group is loaded a member's silence is not held against it: all is well.
        Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => HeartbeatResponse::default(),
        Err(error_code) => HeartbeatResponse { error_code, ..Default::default() },
    })
    .await
}
