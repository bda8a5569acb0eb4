//! Start: takes up where `quorum-state` left off, as a follower or without a leader, and makes durable what an earlier run left.

use crate::node::Life;
use crate::{Effect, ElectionState, Node, Role};

pub(crate) fn on_start(node: &mut Node, out: &mut Vec<Effect>) {
    if node.life != Life::Created {
        return;
    }
    node.life = Life::Running;
    // The log may end in records that only the page cache holds: nobody is told of them before they are synced.
    if node.log.durable_end() < node.log.end() {
        out.push(Effect::Sync);
    }
    if !node.remembers() {
        out.push(Effect::MemoryDoubted);
    }
    let epoch = node.epoch();
    let leader = node.kept.leader.filter(|&leader| node.kept.epoch == epoch && leader != node.config.key.id);
    if epoch > node.kept.epoch {
        node.keep(ElectionState::seen(epoch), out);
    }
    if let Some(leader) = leader {
        let endpoints = node.voter_endpoints(leader).to_vec();
        if !endpoints.is_empty() {
            return node.become_follower(epoch, leader, endpoints, out);
        }
    }
    if node.may_be_elected() {
        let election_ms = node.election_timeout();
        if let Role::Unattached(unattached) = &mut node.role {
            unattached.election_ms = Some(election_ms);
        }
    }
}
