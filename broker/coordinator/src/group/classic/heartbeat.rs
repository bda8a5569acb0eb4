//! Heartbeat: a member lives, and learns whether it must join again.

use barnabas_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use barnabas_types::Now;

use super::rebalance::restart_session;
use super::state::{ClassicGroup, Phase};
use crate::group::{Event, GroupError, GroupShard, Response, Scope};
use crate::shard::Effects;

/// Starts the member's session again and says what the group is doing.
pub fn heartbeat(
    shard: &mut GroupShard,
    request: &HeartbeatRequest<'static>,
    now: Now,
    out: &mut Effects<Response, Event>,
) -> HeartbeatResponse<'static> {
    let mut scope = Scope { config: &shard.config, timers: &mut shard.timers, now, out };
    let outcome = match shard.groups.get(&*request.group_id) {
        Some(group) => beat(group, &mut scope, request),
        None => Err(GroupError::UnknownMemberId {
            group_id: (&*request.group_id).into(),
            member_id: (&*request.member_id).into(),
        }),
    };
    let mut response = HeartbeatResponse::default();
    if let Err(error) = outcome {
        response.error_code = error.code();
    }
    response
}

fn beat(group: &ClassicGroup, scope: &mut Scope<'_>, request: &HeartbeatRequest<'static>) -> Result<(), GroupError> {
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    group.validate_generation(request.generation_id)?;
    match group.phase() {
        Phase::Empty => Err(group.unknown_member(&request.member_id)),
        Phase::PreparingRebalance(_) => {
            restart_session(group, scope, &request.member_id);
            Err(GroupError::RebalanceInProgress { group_id: group.id_text() })
        }
        // A member may send heartbeats as soon as it knows its generation, before it has its assignment.
        Phase::CompletingRebalance | Phase::Stable => {
            restart_session(group, scope, &request.member_id);
            Ok(())
        }
    }
}
