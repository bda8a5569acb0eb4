//! Stop and resign: the leader steps down and says so, so that nothing is appended after the last sync and the next leader comes soon.

use barnabas_types::LeaderEpoch;

use crate::node::Life;
use crate::{Effect, Node, Role};

pub(crate) fn on_stop(node: &mut Node, out: &mut Vec<Effect>) {
    if node.life == Life::Running {
        node.life = Life::Stopping;
        node.become_resigned(out);
    }
}

pub(crate) fn on_resign(node: &mut Node, epoch: LeaderEpoch, out: &mut Vec<Effect>) {
    if matches!(&node.role, Role::Leader(leader) if leader.epoch == epoch) {
        node.become_resigned(out);
    }
}
