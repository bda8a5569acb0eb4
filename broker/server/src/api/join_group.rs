//! JoinGroup: a member enters a classic group; the answer comes when the group has its next generation.

use barnabas_coordinator::group::Request;
use barnabas_protocol::IntoOwned;
use barnabas_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use super::{Reply, RequestContext, coordinated};

/// The first version in which the protocol's name may be null.
const NULLABLE_PROTOCOL_VERSION: i16 = 7;

/// Hands the request to the group's coordinator.
pub async fn handle(context: &RequestContext, request: JoinGroupRequest<'_>) -> Reply<JoinGroupResponse<'static>> {
    let request = request.into_owned();
    let (group_id, member_id) = (request.group_id.clone(), request.member_id.clone());
    let version = context.api_version;
    let member_uuid = context.node.runtime.random_uuid();
    let asked = Request::JoinGroup { context: context.caller(), request, member_uuid };
    coordinated::ask_named(context, &group_id, asked, move |answer| {
        let mut response: JoinGroupResponse<'static> = answer.unwrap_or_else(|error_code| JoinGroupResponse {
            error_code,
            member_id,
            protocol_name: None,
            ..Default::default()
        });
        if version < NULLABLE_PROTOCOL_VERSION {
            response.protocol_name.get_or_insert_default();
        }
        response
    })
    .await
}
