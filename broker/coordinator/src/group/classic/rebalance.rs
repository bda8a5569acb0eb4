//! How a classic group gets from one generation to the next: gather the members, begin the generation, hand out the assignment.
//! Reads no request.

use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::SyncGroupResponse;

use super::join::{joined, refused};
use super::member::{Awaiting, Member};
use super::state::{ClassicGroup, Gathering, Phase};
use crate::group::event::{Event, Reason, Removal};
use crate::group::request::Response;
use crate::group::{GroupTimer, Scope};

/// How long a rebalance that nobody has joined goes on at least before it is looked at again: clients may give a timeout of 0.
const NOBODY_JOINED_MIN_WAIT_MS: i32 = 1_000;

/// Starts a rebalance unless one is gathering members already; in that case it may now be complete.
pub fn prepare_or_complete(group: &mut ClassicGroup, scope: &mut Scope<'_>, reason: Reason) {
    match group.phase {
        Phase::PreparingRebalance(gathering) => complete_if_all_joined(group, scope, gathering),
        Phase::Empty | Phase::CompletingRebalance | Phase::Stable => prepare(group, scope, reason),
    }
}

/// Gathers the members. Those that wait for an assignment are sent to join again.
pub fn prepare(group: &mut ClassicGroup, scope: &mut Scope<'_>, reason: Reason) {
    if group.phase == Phase::CompletingRebalance {
        withdraw_assignment(group, scope, ErrorCode::REBALANCE_IN_PROGRESS);
    }
    group.pending_sync.clear();
    scope.timers.cancel(&GroupTimer::Sync(Arc::clone(&group.id)));
    scope.event(Event::RebalanceStarted { group_id: Arc::clone(&group.id), generation: group.generation, reason });
    if group.is_empty() {
        let delay_ms = scope.config.initial_rebalance_delay_ms;
        let remaining_ms = group.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
        let gathering = Gathering::Initial { member_added: false, delay_ms, remaining_ms };
        group.enter(Phase::PreparingRebalance(gathering), scope.now.wall);
        scope.schedule(GroupTimer::Join(Arc::clone(&group.id)), delay_ms);
    } else {
        group.enter(Phase::PreparingRebalance(Gathering::Rejoin), scope.now.wall);
        if group.has_all_joined() {
            complete_join(group, scope);
        } else {
            scope.schedule(GroupTimer::Join(Arc::clone(&group.id)), group.rebalance_timeout_ms());
        }
    }
}

/// Ends the gathering if nobody is missing. A group that was empty waits out its delay, for members that it does not know of.
pub fn complete_if_all_joined(group: &mut ClassicGroup, scope: &mut Scope<'_>, gathering: Gathering) {
    if gathering == Gathering::Rejoin && group.has_all_joined() {
        complete_join(group, scope);
    }
}

/// The gathering has lasted as long as it was given.
pub fn join_timer_fired(group: &mut ClassicGroup, scope: &mut Scope<'_>) {
    match group.phase {
        Phase::PreparingRebalance(Gathering::Initial { member_added: true, delay_ms, remaining_ms })
            if remaining_ms > 0 =>
        {
            let next_delay_ms = scope.config.initial_rebalance_delay_ms.min(remaining_ms);
            group.phase = Phase::PreparingRebalance(Gathering::Initial {
                member_added: false,
                delay_ms: next_delay_ms,
                remaining_ms: remaining_ms.saturating_sub(delay_ms).max(0),
            });
            scope.schedule(GroupTimer::Join(Arc::clone(&group.id)), next_delay_ms);
        }
        Phase::PreparingRebalance(_) => complete_join(group, scope),
        Phase::Empty | Phase::CompletingRebalance | Phase::Stable => {}
    }
}

/// Begins the next generation with the members that are here. Dynamic members that are not are removed; static ones keep their
/// place until their session ends.
pub fn complete_join(group: &mut ClassicGroup, scope: &mut Scope<'_>) {
    let join_timer = GroupTimer::Join(Arc::clone(&group.id));
    scope.timers.cancel(&join_timer);
    for member_id in group.member_ids() {
        if group.member(&member_id).is_some_and(|member| !member.is_awaiting_join() && member.instance_id.is_none()) {
            remove(group, scope, &member_id, Removal::JoinExpired);
        }
    }
    if group.member_count() > 0 && !group.elect_joined_leader() {
        scope.event(Event::NobodyJoined { group_id: Arc::clone(&group.id) });
        scope.schedule(join_timer, group.rebalance_timeout_ms().max(NOBODY_JOINED_MIN_WAIT_MS));
        return;
    }
    group.begin_next_generation(scope.now.wall);
    if group.is_empty() {
        scope.event(Event::GroupEmptied { group_id: Arc::clone(&group.id), generation: group.generation });
        scope.out.records.push(group.to_record());
        return;
    }
    scope.event(Event::GenerationBegun {
        group_id: Arc::clone(&group.id),
        generation: group.generation,
        members: group.member_count(),
    });
    for member_id in group.member_ids() {
        if let Some(token) = group.take_join(&member_id) {
            scope.reply(token, Response::JoinGroup(joined(group, &member_id, false)));
        }
        if let Some(member) = group.member_mut(&member_id) {
            member.is_new = false;
        }
        restart_session(group, scope, &member_id);
    }
    scope.schedule(GroupTimer::Sync(Arc::clone(&group.id)), group.rebalance_timeout_ms());
}

/// Members that have not asked for their assignment by now are gone: gather the others again.
pub fn sync_timer_fired(group: &mut ClassicGroup, scope: &mut Scope<'_>) {
    if !matches!(group.phase, Phase::CompletingRebalance | Phase::Stable) || group.pending_sync.is_empty() {
        return;
    }
    for member_id in std::mem::take(&mut group.pending_sync) {
        remove(group, scope, &member_id, Removal::SyncExpired);
    }
    prepare(group, scope, Reason::SyncExpired);
}

/// The generation's assignment is there: the members that wait for theirs get it.
pub fn hand_out_assignment(group: &mut ClassicGroup, scope: &mut Scope<'_>) {
    for member_id in group.member_ids() {
        if let Some(token) = group.take_sync(&member_id) {
            let response = assignment_of(group, &member_id);
            scope.reply(token, Response::SyncGroup(response));
            restart_session(group, scope, &member_id);
        }
    }
}

/// There will be no assignment in this generation: the members that wait for theirs are told `error_code`.
pub fn withdraw_assignment(group: &mut ClassicGroup, scope: &mut Scope<'_>, error_code: ErrorCode) {
    for member_id in group.member_ids() {
        if let Some(member) = group.member_mut(&member_id) {
            member.assignment = Box::default();
        }
        if let Some(token) = group.take_sync(&member_id) {
            scope.reply(token, Response::SyncGroup(SyncGroupResponse { error_code, ..Default::default() }));
            restart_session(group, scope, &member_id);
        }
    }
}

/// The SyncGroup response that carries a member's assignment.
pub fn assignment_of(group: &ClassicGroup, member_id: &str) -> SyncGroupResponse<'static> {
    SyncGroupResponse {
        protocol_type: group.protocol_type.as_deref().map(|name| name.to_owned().into()),
        protocol_name: group.protocol_name.as_deref().map(|name| name.to_owned().into()),
        assignment: group.member(member_id).map(|member| member.assignment.to_vec()).unwrap_or_default().into(),
        ..Default::default()
    }
}

/// The member has shown that it lives: its session starts again.
pub fn restart_session(group: &ClassicGroup, scope: &mut Scope<'_>, member_id: &str) {
    if let Some(member) = group.member(member_id) {
        schedule_session(group, scope, &member.id, member.session_timeout_ms);
    }
}

/// Gives a member, known or pending, this long until it counts as gone.
pub fn schedule_session(group: &ClassicGroup, scope: &mut Scope<'_>, member_id: &Arc<str>, timeout_ms: i32) {
    let key = GroupTimer::Session(Arc::clone(&group.id), Arc::clone(member_id));
    scope.schedule(key, timeout_ms);
}

/// A member's session timed out: remove it, unless the coordinator owes it an answer.
pub fn session_timer_fired(group: &mut ClassicGroup, scope: &mut Scope<'_>, member_id: &Arc<str>) {
    if group.member(member_id).is_some_and(Member::is_excused_from_heartbeats) {
        return;
    }
    let is_pending = group.pending_join.contains(member_id);
    if !is_pending && group.member(member_id).is_none() {
        return;
    }
    remove(group, scope, member_id, Removal::SessionExpired);
    match group.phase {
        // Not even a group that was empty waits on: whoever it waited for is gone.
        Phase::PreparingRebalance(_) if group.has_all_joined() => complete_join(group, scope),
        Phase::CompletingRebalance | Phase::Stable if !is_pending => prepare(group, scope, Reason::SessionExpired),
        Phase::Empty | Phase::PreparingRebalance(_) | Phase::CompletingRebalance | Phase::Stable => {}
    }
}

/// Takes a member, known or pending, out of the group; what it waits for is answered with UNKNOWN_MEMBER_ID, on which a client
/// that is still there joins again. Starts no rebalance.
pub fn remove(group: &mut ClassicGroup, scope: &mut Scope<'_>, member_id: &Arc<str>, reason: Removal) {
    scope.timers.cancel(&GroupTimer::Session(Arc::clone(&group.id), Arc::clone(member_id)));
    if let Some(member) = group.remove(member_id) {
        answer_parked(scope, member.awaiting(), ErrorCode::UNKNOWN_MEMBER_ID, "");
    }
    scope.event(Event::MemberRemoved { group_id: Arc::clone(&group.id), member_id: Arc::clone(member_id), reason });
}

/// Answers a parked request, if there is one, with an error.
pub fn answer_parked(scope: &mut Scope<'_>, parked: Awaiting, error_code: ErrorCode, member_id: &str) {
    match parked {
        Awaiting::Nothing => {}
        Awaiting::Join(token) => scope.reply(token, Response::JoinGroup(refused(member_id, error_code))),
        Awaiting::Sync(token) => {
            scope.reply(token, Response::SyncGroup(SyncGroupResponse { error_code, ..Default::default() }));
        }
    }
}
