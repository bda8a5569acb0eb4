//! LeaveGroup: members leave a classic group.

use barnabas_coordinator::group::Request;
use barnabas_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::{Reply, RequestContext, coordinated};

/// The first version that names several members (KIP-345).
const BATCH_VERSION: i16 = 3;

/// Hands the request to the group's coordinator. Before version 3 it names one member and hears one error.
pub async fn handle(context: &RequestContext, request: LeaveGroupRequest<'_>) -> Reply<LeaveGroupResponse<'static>> {
    let mut request = request.into_owned();
    let is_batch = context.api_version >= BATCH_VERSION;
    if !is_batch {
        let member_id = std::mem::take(&mut request.member_id);
        request.members = vec![MemberIdentity { member_id, ..Default::default() }];
    }
    let group_id = request.group_id.clone();
    coordinated::ask_named(context, &group_id, Request::LeaveGroup(request), move |answer| {
        let mut response: LeaveGroupResponse<'static> =
            answer.unwrap_or_else(|error_code| LeaveGroupResponse { error_code, ..Default::default() });
        if !is_batch {
            let members = std::mem::take(&mut response.members);
            if let Some(member) = members.first().filter(|_| response.error_code == ErrorCode::NONE) {
                response.error_code = member.error_code;
            }
        }
        response
    })
    .await
}
