//! LeaveGroup: members go, by their own wish or, for static ones, by an administrator's.

use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};
use barnabas_types::Now;

use super::rebalance::{complete_if_all_joined, prepare, remove};
use super::state::{ClassicGroup, Phase};
use crate::group::{Event, GroupError, GroupShard, Reason, Removal, Response, Scope};
use crate::shard::Effects;

/// Removes the members that are named, then lets the group go on without them.
pub fn leave_group(
    shard: &mut GroupShard,
    request: &LeaveGroupRequest<'static>,
    now: Now,
    out: &mut Effects<Response, Event>,
) -> LeaveGroupResponse<'static> {
    let mut scope = Scope { config: &shard.config, timers: &mut shard.timers, now, out };
    let group = shard.groups.get_mut(&*request.group_id);
    let members = match group {
        Some(group) => {
            let members = leave(group, &mut scope, &request.members);
            group.assert_consistent();
            members
        }
        None => request.members.iter().map(|member| answer(member, ErrorCode::UNKNOWN_MEMBER_ID)).collect(),
    };
    LeaveGroupResponse { members, ..Default::default() }
}

fn leave(
    group: &mut ClassicGroup,
    scope: &mut Scope<'_>,
    leaving: &[MemberIdentity<'static>],
) -> Vec<MemberResponse<'static>> {
    let mut answers = Vec::with_capacity(leaving.len());
    let mut has_left = false;
    for member in leaving {
        let error_code = match find(group, member) {
            Ok(member_id) => {
                remove(group, scope, &member_id, Removal::Left);
                has_left = true;
                ErrorCode::NONE
            }
            Err(error) => error.code(),
        };
        answers.push(answer(member, error_code));
    }
    match group.phase() {
        Phase::CompletingRebalance | Phase::Stable if has_left => prepare(group, scope, Reason::MemberLeft),
        Phase::PreparingRebalance(gathering) if has_left => complete_if_all_joined(group, scope, gathering),
        Phase::Empty | Phase::PreparingRebalance(_) | Phase::CompletingRebalance | Phase::Stable => {}
    }
    answers
}

/// An administrator names a static member by its instance id alone.
fn find(group: &ClassicGroup, leaving: &MemberIdentity<'static>) -> Result<Arc<str>, GroupError> {
    let member_id = &*leaving.member_id;
    if member_id.is_empty() {
        let by_instance = leaving.group_instance_id.as_deref().and_then(|id| group.static_member_id(id));
        return by_instance.cloned().ok_or_else(|| group.unknown_member(member_id));
    }
    if !group.pending_join.contains(member_id) {
        group.validate_member(member_id, leaving.group_instance_id.as_deref())?;
    }
    Ok(super::shared(member_id))
}

fn answer(leaving: &MemberIdentity<'static>, error_code: ErrorCode) -> MemberResponse<'static> {
    MemberResponse {
        member_id: leaving.member_id.clone(),
        group_instance_id: leaving.group_instance_id.clone(),
        error_code,
        ..Default::default()
    }
}
