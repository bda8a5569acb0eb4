//! Start: the only voter stands for election at once; there is nobody to wait for.

use crate::{Effect, ElectionState, HaltReason, Node, Resigned, Role};

pub(crate) fn on_start(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Unattached(unattached) = node.role else { return };
    let Some(candidate) = unattached.stand() else {
        node.role = Role::Resigned(Resigned { epoch: unattached.epoch });
        out.push(Effect::Halt(HaltReason::EpochsExhausted { epoch: unattached.epoch }));
        return;
    };
    node.role = Role::Candidate(candidate);
    out.push(Effect::PersistElection(ElectionState::voted(candidate.epoch, node.config.key)));
}
