//! Stop: the leader resigns, so that nothing is appended after the last sync.

use crate::{Effect, Node, Resigned, Role};

pub(crate) fn on_stop(node: &mut Node, out: &mut Vec<Effect>) {
    if let Role::Leader(leader) = node.role {
        out.push(Effect::LeadershipLost { epoch: leader.epoch });
        node.role = Role::Resigned(leader.resign());
    } else {
        node.role = Role::Resigned(Resigned { epoch: node.role.epoch() });
    }
}
