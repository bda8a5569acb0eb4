//! BeginQuorumEpoch: the new leader makes itself known to the voters (KIP-595, KIP-853).

use crate::on::request::{check_voter_request, is_meant};
use crate::{BeginQuorumEpochRequest, Effect, EpochResponse, ErrorCode, LeaderHint, Node, Response};

pub(crate) fn on_begin_epoch(node: &mut Node, token: u64, request: BeginQuorumEpochRequest, out: &mut Vec<Effect>) {
    let error = follow(node, request, out).err().unwrap_or_default();
    let response = Response::BeginQuorumEpoch(EpochResponse { error, leader: node.hint() });
    out.push(Effect::Respond { token, response });
}

fn follow(node: &mut Node, request: BeginQuorumEpochRequest, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
    check_voter_request(node, request.leader.0, request.epoch)?;
    if request.leader == node.config.key.id {
        // Nobody else can say so.
        return Err(ErrorCode::InvalidRequest);
    }
    // As in Kafka the leader is followed even where another replica of this node was meant: it does lead.
    let hint = LeaderHint { epoch: request.epoch, leader: Some(request.leader), endpoints: request.endpoints };
    if !node.learn(&hint, out) {
        return Err(ErrorCode::InvalidRequest);
    }
    if is_meant(node, request.voter.as_ref()) { Ok(()) } else { Err(ErrorCode::InvalidVoterKey) }
}
