//! The leader does not answer, neither a Fetch nor whoever asks at its listener: its process stands still, or is cut off. It is not waited for
//! until the fetch timeout is over. A Fetch alone is no reason: a disk that is busy holds it up, and not the leader. Promises nothing, as a
//! pre-vote comes first, which everybody refuses who still hears from the leader (KIP-996).

use barnabas_types::{BrokerId, LeaderEpoch};

use super::response::leader_gone;
use crate::{Node, Role};

pub(crate) fn on_leader_silent(node: &mut Node, leader: BrokerId, epoch: LeaderEpoch) {
    let Role::Follower(follower) = &node.role else { return };
    // The answer to a Fetch may wait for news itself, for up to a quarter of the timeout.
    let is_quiet = node.now_ms.saturating_sub(follower.heard_ms) >= node.config.fetch_timeout_ms / 2;
    if (follower.leader, follower.epoch) == (leader, epoch) && is_quiet {
        leader_gone(node);
    }
}
