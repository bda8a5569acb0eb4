//! EndQuorumEpoch: the leader steps down and says who should follow it, so that nobody waits for a timeout (KIP-595).

use crate::on::request::learn_sender;
use crate::{Effect, EndQuorumEpochRequest, EpochResponse, ErrorCode, Node, Response, Role};

pub(crate) fn on_end_epoch(node: &mut Node, token: u64, request: EndQuorumEpochRequest, out: &mut Vec<Effect>) {
    let error = end(node, request, out).err().unwrap_or_default();
    let response = Response::EndQuorumEpoch(EpochResponse { error, leader: node.hint() });
    out.push(Effect::Respond { token, response });
}

fn end(node: &mut Node, request: EndQuorumEpochRequest, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
    learn_sender(node, request.leader, request.epoch, request.endpoints, out)?;
    let own = node.config.key;
    let position = request.preferred.iter().position(|candidate| candidate.matches(&own));
    let backoff_ms = backoff_ms(position, request.preferred.len(), node.config.election_backoff_max_ms);
    let election_ms = node.now_ms.saturating_add(backoff_ms);
    match &mut node.role {
        Role::Follower(follower) if !follower.has_ended => {
            // From here on this replica would vote for another one (Kafka's waits for its own timeout first, and so for nothing).
            follower.has_ended = true;
            follower.fetch_ms = election_ms;
        }
        // It is not what to go back to.
        Role::Prospective(prospective) => prospective.leader = None,
        _ => {}
    }
    Ok(())
}

/// How long the successor at `position` of `successors` leaves the election to the ones before it: nothing for the first, then twice as
/// long for each, `longest` for the last and for who is not named.
fn backoff_ms(position: Option<usize>, successors: usize, longest: u64) -> u64 {
    match position {
        Some(0) => 0,
        Some(position) => {
            let steps_before_last = successors.saturating_sub(1).saturating_sub(position).min(63);
            longest >> steps_before_last
        }
        None => longest,
    }
}

/// The answer to this replica, which has resigned.
pub(crate) fn on_end_epoch_response(node: &mut Node, voter: Option<barnabas_types::BrokerId>) {
    if let (Role::Resigned(resigned), Some(voter)) = (&mut node.role, voter) {
        resigned.unacknowledged.remove(&voter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_successor_stands_at_once_and_each_further_one_waits_twice_as_long() {
        let backoffs: Vec<_> = (0..4).map(|position| backoff_ms(Some(position), 4, 1000)).collect();
        assert_eq!(backoffs, [0, 250, 500, 1000]);
        assert_eq!(backoff_ms(None, 4, 1000), 1000);
        assert_eq!(backoff_ms(Some(1), 200, 1000), 0);
    }
}
