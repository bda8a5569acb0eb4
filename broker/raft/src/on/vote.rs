//! Vote and pre-vote: whether the candidate may lead, and what its answer means to the candidate (KIP-595, KIP-853, KIP-996).

use barnabas_types::{BrokerId, Offset};

use crate::bug::Bug;
use crate::on::request::{check_voter_request, is_meant, respond_error};
use crate::{
    Effect, ElectionState, ErrorCode, LeaderHint, Node, Request, Response, Role, Vote, VoteRequest, VoteResponse,
};

pub(crate) fn on_vote(node: &mut Node, token: u64, request: &VoteRequest, out: &mut Vec<Effect>) {
    let refuse = |node: &Node, error, out: &mut Vec<Effect>| {
        respond_error(node, token, &Request::Vote(request.clone()), error, out);
    };
    // A candidate stands in an epoch that its log does not have; who only asks may be in the epoch of its last record.
    let epoch_is_taken =
        if request.pre_vote { request.last_epoch > request.epoch } else { request.last_epoch >= request.epoch };
    if request.last_offset.0 < 0 || request.last_epoch.0 < 0 || epoch_is_taken {
        return refuse(node, ErrorCode::InvalidRequest, out);
    }
    if let Err(error) = check_voter_request(node, request.candidate.id.0, request.epoch) {
        return refuse(node, error, out);
    }
    if request.epoch > node.epoch() {
        node.learn(&LeaderHint { epoch: request.epoch, leader: None, endpoints: Vec::new() }, out);
    }
    if !is_meant(node, request.voter.as_ref()) || request.candidate.id == node.config.key.id {
        return refuse(node, ErrorCode::InvalidVoterKey, out);
    }
    let is_up_to_date = (request.last_epoch, request.last_offset) >= (node.log.last_epoch(), node.log.end())
        || node.has(Bug::VotesForShortLogs);
    if request.last_offset > Offset(0) {
        node.doubt(out);
    }
    let granted = if request.pre_vote {
        is_up_to_date && node.remembers() && would_vote(node)
    } else {
        vote(node, request, is_up_to_date, out)
    };
    out.push(Effect::Respond {
        token,
        response: Response::Vote(VoteResponse { error: ErrorCode::None, leader: node.hint(), granted }),
    });
}

/// A replica that hears from its leader wants no other. An observer may be a voter by now and not know it: its leader may need its vote to tell
/// it so.
fn would_vote(node: &Node) -> bool {
    match &node.role {
        Role::Leader(_) => false,
        Role::Follower(follower) => {
            !follower.has_fetched || follower.has_ended || follower.is_gone || follower.fetch_ms <= node.now_ms
        }
        Role::Unattached(_) | Role::Prospective(_) | Role::Candidate(_) | Role::Resigned(_) => true,
    }
}

/// Gives the vote where it is free, and keeps that on disk before it is told.
fn vote(node: &mut Node, request: &VoteRequest, is_up_to_date: bool, out: &mut Vec<Effect>) -> bool {
    if !node.remembers() {
        return false;
    }
    let vote = match &node.role {
        Role::Unattached(unattached) => unattached.vote,
        Role::Prospective(prospective) => prospective.vote,
        Role::Follower(_) | Role::Candidate(_) | Role::Leader(_) | Role::Resigned(_) => Vote::Withheld,
    };
    match vote {
        Vote::Withheld => false,
        Vote::Given(_) if node.has(Bug::VotesTwice) => is_up_to_date,
        // Asked again. Kafka grants it again without a look at the log; but the candidate may have lost records since.
        Vote::Given(candidate) => candidate.matches(&request.candidate) && is_up_to_date,
        Vote::Free if !is_up_to_date => false,
        Vote::Free => {
            let given = Vote::Given(request.candidate);
            if !node.has(Bug::ForgetsVotes) {
                node.keep(ElectionState::voted(request.epoch, request.candidate), out);
            }
            let election_ms = node.election_timeout();
            let may_be_elected = node.may_be_elected();
            match &mut node.role {
                Role::Unattached(unattached) => {
                    unattached.vote = given;
                    // The candidate gets the time that an election takes.
                    unattached.election_ms = may_be_elected.then_some(election_ms);
                }
                Role::Prospective(prospective) => prospective.vote = given,
                _ => {}
            }
            true
        }
    }
}

/// The answer of `voter` to this replica, a candidate or prospective one.
pub(crate) fn on_vote_response(node: &mut Node, voter: Option<BrokerId>, response: &VoteResponse) {
    let Some(voter) = voter else { return };
    match &mut node.role {
        Role::Candidate(candidate) => candidate.votes.answered(voter, response.granted),
        Role::Prospective(prospective) => prospective.votes.answered(voter, response.granted),
        Role::Unattached(_) | Role::Follower(_) | Role::Leader(_) | Role::Resigned(_) => {}
    }
}
