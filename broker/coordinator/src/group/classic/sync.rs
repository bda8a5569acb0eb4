//! SyncGroup: the leader brings the assignment, the others fetch theirs. Nobody gets it before it is in the log.

use std::collections::HashMap;
use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use barnabas_types::Now;

use super::member::Awaiting;
use super::rebalance::{answer_parked, assignment_of, hand_out_assignment, prepare, withdraw_assignment};
use super::state::{ClassicGroup, Phase};
use crate::group::{Event, GroupError, GroupShard, GroupTimer, Reason, Response, Scope};
use crate::shard::{Effects, ReplyToken};

/// Answers now, or parks the request until the leader's has come.
pub fn sync_group(
    shard: &mut GroupShard,
    token: ReplyToken,
    request: &SyncGroupRequest<'static>,
    now: Now,
    out: &mut Effects<Response, Event>,
) {
    let mut scope = Scope { config: &shard.config, timers: &mut shard.timers, now, out };
    let synced = match shard.groups.get_mut(&*request.group_id) {
        Some(group) => {
            let synced = sync(group, &mut scope, token, request);
            group.assert_consistent();
            synced
        }
        None => Err(GroupError::UnknownMemberId {
            group_id: (&*request.group_id).into(),
            member_id: (&*request.member_id).into(),
        }),
    };
    if let Err(error) = synced {
        let response = SyncGroupResponse { error_code: error.code(), ..Default::default() };
        scope.reply(token, Response::SyncGroup(response));
    }
}

fn sync(
    group: &mut ClassicGroup,
    scope: &mut Scope<'_>,
    token: ReplyToken,
    request: &SyncGroupRequest<'static>,
) -> Result<(), GroupError> {
    let member_id = &*request.member_id;
    group.validate_member(member_id, request.group_instance_id.as_deref())?;
    group.validate_generation(request.generation_id)?;
    if disagree(request.protocol_type.as_deref(), group.protocol_type.as_deref())
        || disagree(request.protocol_name.as_deref(), group.protocol_name.as_deref())
    {
        return Err(GroupError::InconsistentGroupProtocol { group_id: group.id_text() });
    }
    match group.phase() {
        Phase::Empty => Err(group.unknown_member(member_id)),
        Phase::PreparingRebalance(_) => Err(GroupError::RebalanceInProgress { group_id: group.id_text() }),
        Phase::CompletingRebalance => {
            let before = group.park(member_id, Awaiting::Sync(token));
            answer_parked(scope, before, ErrorCode::REBALANCE_IN_PROGRESS, member_id);
            synced(group, scope, member_id);
            if group.is_leader(member_id) {
                take_assignment(group, scope, request);
            }
            Ok(())
        }
        Phase::Stable => {
            synced(group, scope, member_id);
            scope.reply(token, Response::SyncGroup(assignment_of(group, member_id)));
            Ok(())
        }
    }
}

/// Only what both sides name can disagree: clients before version 5 name neither.
fn disagree(requested: Option<&str>, current: Option<&str>) -> bool {
    matches!((requested, current), (Some(requested), Some(current)) if requested != current)
}

fn synced(group: &mut ClassicGroup, scope: &mut Scope<'_>, member_id: &str) {
    group.pending_sync.remove(member_id);
    if group.pending_sync.is_empty() {
        scope.timers.cancel(&GroupTimer::Sync(Arc::clone(group.id())));
    }
}

fn take_assignment(group: &mut ClassicGroup, scope: &mut Scope<'_>, request: &SyncGroupRequest<'static>) {
    let assignments: HashMap<&str, &[u8]> =
        request.assignments.iter().map(|assignment| (&*assignment.member_id, &*assignment.assignment)).collect();
    for member in group.members_mut() {
        member.assignment = assignments.get(&*member.id).copied().unwrap_or_default().into();
    }
    group.enter(Phase::Stable, scope.now.wall);
    match group.to_bounded_record(scope.config) {
        Ok(record) => {
            scope.out.records.push(record);
            scope.event(Event::RebalanceCompleted { group_id: Arc::clone(group.id()), generation: group.generation });
            hand_out_assignment(group, scope);
        }
        Err(error) => {
            group.enter(Phase::CompletingRebalance, scope.now.wall);
            withdraw_assignment(group, scope, error.code());
            prepare(group, scope, Reason::AssignmentRefused);
        }
    }
}
