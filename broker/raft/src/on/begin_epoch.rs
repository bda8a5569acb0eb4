//! BeginQuorumEpoch: the new leader makes itself known to the voters (KIP-595, KIP-853).

use crate::on::request::{is_meant, learn_sender};
use crate::{BeginQuorumEpochRequest, Effect, EpochResponse, ErrorCode, Node, Response};

pub(crate) fn on_begin_epoch(node: &mut Node, token: u64, request: BeginQuorumEpochRequest, out: &mut Vec<Effect>) {
    let error = follow(node, request, out).err().unwrap_or_default();
    let response = Response::BeginQuorumEpoch(EpochResponse { error, leader: node.hint() });
    out.push(Effect::Respond { token, response });
}

fn follow(node: &mut Node, request: BeginQuorumEpochRequest, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
    // As in Kafka the leader is followed even where another replica of this node was meant: it does lead.
    learn_sender(node, request.leader, request.epoch, request.endpoints, out)?;
    if is_meant(node, request.voter.as_ref()) { Ok(()) } else { Err(ErrorCode::InvalidVoterKey) }
}
