//! An answer to a request of this replica, or the news that there is none: takes in who leads, then hands it to its file.

use crate::requests::{InFlight, Kind};
use crate::{Effect, ErrorCode, LeaderHint, Node, RequestFailure, RequestId, Response, Role, on};

pub(crate) fn on_response(node: &mut Node, id: RequestId, response: Response, out: &mut Vec<Effect>) {
    let until_ms = node.now_ms.saturating_add(node.config.retry_backoff_ms);
    // The pause stays unless the answer is of use: whoever has nothing to say is not asked again at once.
    let Some(request) = node.requests.failed(id, until_ms) else { return };
    if is_answer_to(request.kind, &response) && take(node, &request, response, out) {
        node.requests.resume(id);
    }
}

pub(crate) fn on_request_failed(node: &mut Node, id: RequestId, failure: RequestFailure, out: &mut Vec<Effect>) {
    let until_ms = node.now_ms.saturating_add(node.config.retry_backoff_ms);
    let Some(request) = node.requests.failed(id, until_ms) else { return };
    let unsupported = failure == RequestFailure::UnsupportedVersion;
    match (request.kind, &mut node.role) {
        // A voter of an older release does not know pre-votes: there is no way but to stand (KIP-996).
        (Kind::PreVote, Role::Prospective(_)) if unsupported => node.become_candidate(out),
        // An older leader keeps no such thing.
        (Kind::UpdateVoter, Role::Follower(follower)) if unsupported => follower.has_updated = true,
        (Kind::Fetch | Kind::FetchSnapshot, Role::Follower(follower))
            if failure == RequestFailure::Refused && request.node == Some(follower.leader) =>
        {
            leader_gone(node);
        }
        (Kind::ApiVersions, Role::Leader(_)) => on::voter_change::on_api_versions_failed(node, out),
        _ => {}
    }
}

/// The leader's process has ended, or stands still. Not waited for any longer than it takes that not all stand at the
/// same moment. The pre-vote sees to it that a leader stays whom the others still hear from. Once only: where it is back to, no Fetch has been
/// answered.
pub(super) fn leader_gone(node: &mut Node) {
    let soon_ms = node.now_ms.saturating_add(node.patience_ms);
    if let Role::Follower(follower) = &mut node.role
        && follower.has_fetched
        && !follower.is_gone
    {
        follower.is_gone = true;
        follower.fetch_ms = follower.fetch_ms.min(soon_ms);
    }
}

fn is_answer_to(kind: Kind, response: &Response) -> bool {
    matches!(
        (kind, response),
        (Kind::Vote | Kind::PreVote, Response::Vote(_))
            | (Kind::BeginQuorumEpoch, Response::BeginQuorumEpoch(_))
            | (Kind::EndQuorumEpoch, Response::EndQuorumEpoch(_))
            | (Kind::Fetch, Response::Fetch(_))
            | (Kind::FetchSnapshot, Response::FetchSnapshot(_))
            | (Kind::Join, Response::AddVoter(_) | Response::RemoveVoter(_))
            | (Kind::UpdateVoter, Response::UpdateVoter(_))
            | (Kind::ApiVersions, Response::ApiVersions(_))
    )
}

/// The error and the leader in an answer, where it has them.
fn parts(response: &Response) -> Option<(ErrorCode, LeaderHint)> {
    match response {
        Response::Vote(response) => Some((response.error, response.leader.clone())),
        Response::BeginQuorumEpoch(response) | Response::EndQuorumEpoch(response) | Response::UpdateVoter(response) => {
            Some((response.error, response.leader.clone()))
        }
        Response::Fetch(response) => Some((response.error, response.leader.clone())),
        Response::FetchSnapshot(response) => Some((response.error, response.leader.clone())),
        Response::AddVoter(_)
        | Response::RemoveVoter(_)
        | Response::ApiVersions(_)
        | Response::UpgradeKRaftVersion(_) => None,
    }
}

/// True when the sender may be asked again at once.
fn take(node: &mut Node, request: &InFlight, response: Response, out: &mut Vec<Effect>) -> bool {
    if let Some((error, leader)) = parts(&response) {
        // A request that was refused as a whole says nothing about who leads.
        let says_nothing = error == ErrorCode::InconsistentClusterId || leader.epoch < node.epoch();
        let role = std::mem::discriminant(&node.role);
        if says_nothing || !node.learn(&leader, out) {
            return false;
        }
        if let (Some(voter), Kind::Fetch, ErrorCode::None | ErrorCode::NotLeaderOrFollower) =
            (request.node, request.kind, error)
        {
            node.confirm(voter, leader.epoch);
        }
        let has_changed = role != std::mem::discriminant(&node.role);
        // Who asked without knowing a leader, and asked the leader, has the answer already.
        let goes_on = matches!((request.kind, &node.role), (Kind::Fetch, Role::Follower(_)));
        if has_changed && !goes_on {
            return false;
        }
        if request.kind == Kind::PreVote && error == ErrorCode::UnsupportedVersion {
            node.become_candidate(out);
            return false;
        }
        let is_news = error == ErrorCode::SnapshotNotFound || error == ErrorCode::PositionOutOfRange;
        if error != ErrorCode::None && !(request.kind == Kind::FetchSnapshot && is_news) {
            return false;
        }
    }
    match response {
        Response::Vote(response) => {
            on::vote::on_vote_response(node, request.node, &response);
            return response.granted || request.kind != Kind::PreVote;
        }
        Response::BeginQuorumEpoch(_) | Response::AddVoter(_) | Response::RemoveVoter(_) => {}
        Response::EndQuorumEpoch(_) => on::end_epoch::on_end_epoch_response(node, request.node),
        Response::Fetch(response) => {
            let is_current = request.log_end == (node.log.last_epoch(), node.log.end());
            return is_current && on::fetch_response::on_fetch_response(node, response, out);
        }
        Response::FetchSnapshot(response) => {
            return on::fetch_snapshot::on_fetch_snapshot_response(node, &response, out);
        }
        Response::UpdateVoter(_) => {
            if let Role::Follower(follower) = &mut node.role {
                follower.has_updated = true;
            }
        }
        Response::ApiVersions(range) => on::voter_change::on_api_versions(node, request.node, range, out),
        Response::UpgradeKRaftVersion(_) => {}
    }
    true
}
