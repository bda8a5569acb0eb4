//! SyncGroup: the leader of a classic group brings the assignment, the others wait for theirs.

use barnabas_coordinator::group::Request;
use barnabas_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::{Reply, RequestContext, coordinated};

/// The first version that must name the protocol and its type (KIP-559).
const PROTOCOL_VERSION: i16 = 5;

/// Hands the request to the group's coordinator.
pub async fn handle(context: &RequestContext, request: SyncGroupRequest<'_>) -> Reply<SyncGroupResponse<'static>> {
    let fold = |answer: Result<SyncGroupResponse<'static>, ErrorCode>| {
        answer.unwrap_or_else(|error_code| SyncGroupResponse { error_code, ..Default::default() })
    };
    let is_named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.api_version >= PROTOCOL_VERSION && !is_named {
        return Reply::Now(fold(Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)));
    }
    let request = request.into_owned();
    let group_id = request.group_id.clone();
    coordinated::ask_named(context, &group_id, Request::SyncGroup(request), fold).await
}
