//! JoinGroup: a member enters the group or comes back to it. The answer is parked until the group has its next generation.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use barnabas_types::{Now, Uuid};

use super::member::{Awaiting, Introduction, Member, Protocol};
use super::rebalance::{
    answer_parked, complete_if_all_joined, prepare, prepare_or_complete, restart_session, schedule_session,
};
use super::state::{ClassicGroup, Gathering, Phase};
use crate::group::{Context, Event, GroupConfig, GroupError, GroupShard, GroupTimer, Reason, Removal, Response, Scope};
use crate::record::Record;
use crate::shard::{Effects, ReplyToken};

/// The first version in which a dynamic member must come back with the id that it is given (KIP-394).
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;
/// The first version in which the leader can be told not to assign (KIP-814).
const SKIP_ASSIGNMENT_VERSION: i16 = 9;

/// A JoinGroup, taken apart.
struct Join {
    token: ReplyToken,
    version: i16,
    introduction: Introduction,
    member_uuid: Uuid,
}

/// Answers now, or parks the request in the group.
pub fn join_group(
    shard: &mut GroupShard,
    token: ReplyToken,
    context: Context,
    request: JoinGroupRequest<'static>,
    member_uuid: Uuid,
    now: Now,
    out: &mut Effects<Response, Event>,
) {
    if let Err(error) = try_join(shard, token, context, &request, member_uuid, now, out) {
        let member_id = if matches!(error, GroupError::GroupMaxSizeReached { .. }) { "" } else { &request.member_id };
        out.replies.push((token, Response::JoinGroup(refused(member_id, error.code()))));
    }
}

fn try_join(
    shard: &mut GroupShard,
    token: ReplyToken,
    context: Context,
    request: &JoinGroupRequest<'static>,
    member_uuid: Uuid,
    now: Now,
    out: &mut Effects<Response, Event>,
) -> Result<(), GroupError> {
    let timeout_ms = request.session_timeout_ms;
    if !(shard.config.min_session_timeout_ms..=shard.config.max_session_timeout_ms).contains(&timeout_ms) {
        return Err(GroupError::InvalidSessionTimeout { timeout_ms });
    }
    let group_id = &*request.group_id;
    let join = Join { token, version: context.version, introduction: introduction(context, request), member_uuid };
    if let Some(group) = shard.groups.get_mut(group_id) {
        let mut scope = Scope { config: &shard.config, timers: &mut shard.timers, now, out };
        let joined = join_known_group(group, &mut scope, join, &request.member_id);
        group.assert_consistent();
        return joined;
    }
    if !request.member_id.is_empty() {
        return Err(GroupError::UnknownMemberId { group_id: group_id.into(), member_id: (&*request.member_id).into() });
    }
    let max_groups = shard.config.max_groups;
    if shard.group_count() >= max_groups {
        return Err(GroupError::TooManyGroups { group_id: group_id.into(), max_groups });
    }
    let mut group = ClassicGroup::new(Arc::from(group_id), Some(now.wall));
    let birth = group.to_record();
    // Behind what others in this round asked for (the group's own tombstones may be among it), before what the member's entry asks for.
    let birth_index = out.records.len();
    let mut scope = Scope { config: &shard.config, timers: &mut shard.timers, now, out };
    join_known_group(&mut group, &mut scope, join, "")?;
    group.assert_consistent();
    scope.out.records.insert(birth_index, birth);
    shard.groups.insert(Arc::clone(group.id()), group);
    Ok(())
}

fn introduction(context: Context, request: &JoinGroupRequest<'static>) -> Introduction {
    // A protocol named twice would count twice.
    let mut names = HashSet::new();
    let named_first = request.protocols.iter().filter(|protocol| names.insert(&*protocol.name));
    let protocols = named_first
        .map(|protocol| Protocol { name: (&*protocol.name).into(), metadata: (&*protocol.metadata).into() })
        .collect();
    // Version 0 has no rebalance timeout: the session timeout serves as both.
    let has_rebalance_timeout = context.version >= 1 && request.rebalance_timeout_ms >= 0;
    Introduction {
        instance_id: request.group_instance_id.as_deref().map(Arc::from),
        client_id: context.client_id,
        client_host: context.client_host,
        rebalance_timeout_ms: if has_rebalance_timeout {
            request.rebalance_timeout_ms
        } else {
            request.session_timeout_ms
        },
        session_timeout_ms: request.session_timeout_ms,
        protocol_type: (&*request.protocol_type).into(),
        protocols,
    }
}

fn join_known_group(
    group: &mut ClassicGroup,
    scope: &mut Scope<'_>,
    join: Join,
    member_id: &str,
) -> Result<(), GroupError> {
    if !accepts(group, scope.config, member_id) {
        if group.member(member_id).is_some() {
            super::rebalance::remove(group, scope, &super::shared(member_id), Removal::GroupFull);
        }
        return Err(GroupError::GroupMaxSizeReached { group_id: group.id_text() });
    }
    if !group.supports(&join.introduction.protocol_type, &join.introduction.protocols) {
        return Err(GroupError::InconsistentGroupProtocol { group_id: group.id_text() });
    }
    if member_id.is_empty() { join_as_new(group, scope, join) } else { join_again(group, scope, join, member_id) }
}

/// While members are gathered those that wait count, not all: the group may have been larger than allowed, and then the last
/// ones to come back are turned away.
fn accepts(group: &ClassicGroup, config: &GroupConfig, member_id: &str) -> bool {
    match group.phase() {
        Phase::Empty => true,
        Phase::PreparingRebalance(_) => {
            group.member(member_id).is_some_and(Member::is_awaiting_join) || group.awaiting_join() < config.max_size
        }
        Phase::CompletingRebalance | Phase::Stable => {
            group.member(member_id).is_some() || group.member_count() < config.max_size
        }
    }
}

fn join_as_new(group: &mut ClassicGroup, scope: &mut Scope<'_>, join: Join) -> Result<(), GroupError> {
    let Some(instance_id) = &join.introduction.instance_id else {
        let member_id = new_member_id(&join.introduction.client_id, join.member_uuid);
        if join.version < MEMBER_ID_REQUIRED_VERSION {
            add(group, scope, join, member_id);
            return Ok(());
        }
        if group.pending_join.len() >= scope.config.max_pending_members {
            return Err(GroupError::GroupMaxSizeReached { group_id: group.id_text() });
        }
        group.pending_join.insert(Arc::clone(&member_id));
        schedule_session(group, scope, &member_id, join.introduction.session_timeout_ms);
        scope.reply(join.token, Response::JoinGroup(refused(&member_id, ErrorCode::MEMBER_ID_REQUIRED)));
        return Ok(());
    };
    let member_id = new_member_id(instance_id, join.member_uuid);
    match group.static_member_id(instance_id).cloned() {
        Some(old_id) => replace_static(group, scope, join, &old_id, &member_id),
        None => add(group, scope, join, member_id),
    }
    Ok(())
}

fn join_again(group: &mut ClassicGroup, scope: &mut Scope<'_>, join: Join, member_id: &str) -> Result<(), GroupError> {
    if group.pending_join.contains(member_id) {
        if join.introduction.instance_id.is_some() {
            return Err(GroupError::PendingMemberIsStatic { group_id: group.id_text(), member_id: member_id.into() });
        }
        add(group, scope, join, super::shared(member_id));
        return Ok(());
    }
    group.validate_member(member_id, join.introduction.instance_id.as_deref())?;
    let is_unchanged = group.member(member_id).is_some_and(|member| member.protocols == join.introduction.protocols);
    match group.phase() {
        // A follower, or anyone whose answer got lost, hears what the generation is. A leader that joins a stable group again
        // wants a rebalance: something that the members' metadata does not show has changed.
        Phase::CompletingRebalance if is_unchanged => {
            scope.reply(join.token, Response::JoinGroup(joined(group, member_id, false)));
        }
        Phase::Stable if is_unchanged && !group.is_leader(member_id) => {
            scope.reply(join.token, Response::JoinGroup(joined(group, member_id, false)));
        }
        Phase::PreparingRebalance(_) | Phase::CompletingRebalance | Phase::Stable => {
            group.update(member_id, &join.introduction);
            park(group, scope, member_id, join.token);
            prepare_or_complete(group, scope, Reason::MemberUpdated);
        }
        Phase::Empty => return Err(group.unknown_member(member_id)),
    }
    Ok(())
}

fn add(group: &mut ClassicGroup, scope: &mut Scope<'_>, join: Join, member_id: Arc<str>) {
    if let Phase::PreparingRebalance(Gathering::Initial { member_added, .. }) = &mut group.phase {
        *member_added = true;
    }
    let mut member = Member::new(Arc::clone(&member_id), join.introduction);
    member.is_new = true;
    group.add(member);
    park(group, scope, &member_id, join.token);
    // It does not know its id yet and cannot send heartbeats; if its client gives up and tries again under another id, this
    // keeps the abandoned one from staying for ever.
    schedule_session(group, scope, &member_id, scope.config.new_member_join_timeout_ms);
    prepare_or_complete(group, scope, Reason::MemberAdded);
}

fn park(group: &mut ClassicGroup, scope: &mut Scope<'_>, member_id: &str, token: ReplyToken) {
    let before = group.park(member_id, Awaiting::Join(token));
    answer_parked(scope, before, ErrorCode::REBALANCE_IN_PROGRESS, member_id);
}

/// A static member comes back as another process: it takes over the place and, if the group can stay as it is, the assignment.
fn replace_static(group: &mut ClassicGroup, scope: &mut Scope<'_>, join: Join, old_id: &Arc<str>, new_id: &Arc<str>) {
    let old_leader = group.leader.clone();
    if let Some(old) = group.replace_static(old_id, new_id) {
        answer_parked(scope, old.awaiting(), ErrorCode::FENCED_INSTANCE_ID, old_id);
    }
    scope.timers.cancel(&GroupTimer::Session(Arc::clone(group.id()), Arc::clone(old_id)));
    group.update(new_id, &join.introduction);
    park(group, scope, new_id, join.token);
    restart_session(group, scope, new_id);
    match group.phase() {
        Phase::Stable if group.select_protocol() == group.protocol_name => {
            match group.to_bounded_record(scope.config) {
                Ok(record) => keep_generation(group, scope, record, &join, new_id, old_leader),
                Err(_) => prepare(group, scope, Reason::StaticMemberReplaced),
            }
        }
        Phase::Empty | Phase::CompletingRebalance | Phase::Stable => {
            prepare(group, scope, Reason::StaticMemberReplaced);
        }
        Phase::PreparingRebalance(gathering) => complete_if_all_joined(group, scope, gathering),
    }
}

fn keep_generation(
    group: &mut ClassicGroup,
    scope: &mut Scope<'_>,
    record: Record,
    join: &Join,
    member_id: &str,
    old_leader: Option<Arc<str>>,
) {
    group.refresh_subscription();
    scope.out.records.push(record);
    let Some(token) = group.take_join(member_id) else { return };
    let response = if join.version >= SKIP_ASSIGNMENT_VERSION {
        joined(group, member_id, group.is_leader(member_id))
    } else {
        // An older client that hears that it leads would assign anew: it hears the id that led before.
        let leader = old_leader.as_deref().unwrap_or_default().to_owned();
        JoinGroupResponse { leader: leader.into(), members: Vec::new(), ..joined(group, member_id, false) }
    };
    scope.reply(token, Response::JoinGroup(response));
}

/// Kafka's form: the instance id or client id, then a random UUID.
fn new_member_id(prefix: &str, member_uuid: Uuid) -> Arc<str> {
    let mut member_id = format!("{prefix}-");
    for (index, byte) in member_uuid.0.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            member_id.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(member_id, "{byte:02x}");
    }
    member_id.into()
}

/// The answer to a member of the current generation; the leader hears who the others are.
pub fn joined(group: &ClassicGroup, member_id: &str, skip_assignment: bool) -> JoinGroupResponse<'static> {
    let protocol = group.protocol_name.as_deref().unwrap_or_default();
    let introduce = |member: &Member| JoinGroupResponseMember {
        member_id: member.id.to_string().into(),
        group_instance_id: member.instance_id.as_ref().map(|id| id.to_string().into()),
        metadata: member.metadata(protocol).to_vec().into(),
        ..Default::default()
    };
    JoinGroupResponse {
        generation_id: group.generation,
        protocol_type: group.protocol_type.as_deref().map(|name| name.to_owned().into()),
        protocol_name: group.protocol_name.as_deref().map(|name| name.to_owned().into()),
        leader: group.leader.as_deref().unwrap_or_default().to_owned().into(),
        skip_assignment,
        member_id: member_id.to_owned().into(),
        members: if group.is_leader(member_id) { group.members().map(introduce).collect() } else { Vec::new() },
        ..Default::default()
    }
}

/// The answer to a member that cannot join, or not yet.
pub fn refused(member_id: &str, error_code: ErrorCode) -> JoinGroupResponse<'static> {
    JoinGroupResponse { error_code, member_id: member_id.to_owned().into(), protocol_name: None, ..Default::default() }
}
