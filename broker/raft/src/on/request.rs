//! A request of another node or of a user: checks what every kind has in common, then hands it to its file.

use barnabas_types::{BrokerId, LeaderEpoch};

use crate::node::Life;
use crate::{
    Effect, Endpoint, EpochResponse, ErrorCode, FetchContent, FetchResponse, FetchSnapshotResponse, LeaderHint, Node,
    ReplicaKey, Request, Response, Role, SnapshotContent, SnapshotId, VoteResponse, VoterResponse, on,
};

pub(crate) fn on_request(node: &mut Node, token: u64, request: Request, out: &mut Vec<Effect>) {
    let cluster_id = match &request {
        Request::Vote(request) => &request.cluster_id,
        Request::BeginQuorumEpoch(request) => &request.cluster_id,
        Request::EndQuorumEpoch(request) => &request.cluster_id,
        Request::Fetch(request) => &request.cluster_id,
        Request::FetchSnapshot(request) => &request.cluster_id,
        Request::AddVoter(request) => &request.cluster_id,
        Request::RemoveVoter(request) => &request.cluster_id,
        Request::UpdateVoter(request) => &request.cluster_id,
        Request::ApiVersions => &None,
    };
    if cluster_id.as_ref().is_some_and(|id| *id != node.config.cluster_id) {
        respond_error(node, token, &request, ErrorCode::InconsistentClusterId, out);
        return;
    }
    match request {
        Request::Vote(request) => on::vote::on_vote(node, token, &request, out),
        Request::BeginQuorumEpoch(request) => on::begin_epoch::on_begin_epoch(node, token, request, out),
        Request::EndQuorumEpoch(request) => on::end_epoch::on_end_epoch(node, token, request, out),
        Request::Fetch(request) => on::fetch::on_fetch(node, token, &request, out),
        Request::FetchSnapshot(request) => on::fetch_snapshot::on_fetch_snapshot(node, token, &request, out),
        Request::AddVoter(request) => on::voter_change::on_add(node, token, request, out),
        Request::RemoveVoter(request) => on::voter_change::on_remove(node, token, &request, out),
        Request::UpdateVoter(request) => on::voter_change::on_update(node, token, request, out),
        Request::ApiVersions => respond_error(node, token, &request, ErrorCode::InvalidRequest, out),
    }
}

/// The answer of a replica that has not started or has stopped for good.
pub(crate) fn refuse(node: &Node, token: u64, request: &Request, out: &mut Vec<Effect>) {
    respond_error(node, token, request, ErrorCode::BrokerNotAvailable, out);
}

/// Answers with an error and who leads.
pub(crate) fn respond_error(node: &Node, token: u64, request: &Request, error: ErrorCode, out: &mut Vec<Effect>) {
    let leader = node.hint();
    let response = match request {
        Request::Vote(_) => Response::Vote(VoteResponse { error, leader, granted: false }),
        Request::BeginQuorumEpoch(_) => Response::BeginQuorumEpoch(EpochResponse { error, leader }),
        Request::EndQuorumEpoch(_) => Response::EndQuorumEpoch(EpochResponse { error, leader }),
        Request::UpdateVoter(_) => Response::UpdateVoter(EpochResponse { error, leader }),
        Request::Fetch(_) => Response::Fetch(FetchResponse {
            error,
            leader,
            high_watermark: None,
            log_start: node.log.start(),
            content: FetchContent::Nothing,
        }),
        Request::FetchSnapshot(_) => {
            let (snapshot, content) = (SnapshotId::default(), SnapshotContent::Nothing);
            Response::FetchSnapshot(FetchSnapshotResponse { error, leader, snapshot, content })
        }
        Request::AddVoter(_) => Response::AddVoter(VoterResponse { error, message: None }),
        Request::RemoveVoter(_) => Response::RemoveVoter(VoterResponse { error, message: None }),
        Request::ApiVersions => Response::ApiVersions(None),
    };
    out.push(Effect::Respond { token, response });
}

/// What only a voter of the current or a newer epoch, or its leader, may ask.
pub(crate) fn check_voter_request(node: &Node, sender: i32, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
    if epoch < node.epoch() {
        Err(ErrorCode::FencedLeaderEpoch)
    } else if sender < 0 {
        Err(ErrorCode::InvalidRequest)
    } else {
        Ok(())
    }
}

/// Takes a leader's word that it leads, or led, `epoch`, and where it listens.
pub(crate) fn learn_sender(
    node: &mut Node,
    leader: BrokerId,
    epoch: LeaderEpoch,
    endpoints: Vec<Endpoint>,
    out: &mut Vec<Effect>,
) -> Result<(), ErrorCode> {
    check_voter_request(node, leader.0, epoch)?;
    // Nobody else can say that this replica leads.
    let is_other = leader != node.config.key.id;
    if is_other && node.learn(&LeaderHint { epoch, leader: Some(leader), endpoints }, out) {
        Ok(())
    } else {
        Err(ErrorCode::InvalidRequest)
    }
}

/// What only the leader answers, in its epoch.
pub(crate) fn check_leader_request(node: &Node, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
    if epoch < node.epoch() {
        Err(ErrorCode::FencedLeaderEpoch)
    } else if epoch > node.epoch() {
        Err(ErrorCode::UnknownLeaderEpoch)
    } else if !node.remembers() {
        // Who asks in order to remember must not rely on one that does not.
        Err(ErrorCode::BrokerNotAvailable)
    } else if !matches!(node.role, Role::Leader(_)) {
        Err(ErrorCode::NotLeaderOrFollower)
    } else if node.life != Life::Running {
        Err(ErrorCode::BrokerNotAvailable)
    } else {
        Ok(())
    }
}

/// True when a request was meant for this replica: a node whose disk was replaced is another one.
pub(crate) fn is_meant(node: &Node, voter: Option<&ReplicaKey>) -> bool {
    voter.is_none_or(|voter| voter.matches(&node.config.key))
}
