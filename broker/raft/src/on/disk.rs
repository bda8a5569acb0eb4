//! The disk reports that records are kept. Only those count: for the leader's own part of a majority, for a follower's fetch offset, and
//! for what is said to be committed here.

use barnabas_types::Offset;

use crate::{Broken, Effect, HaltReason, Node, Role, on};

pub(crate) fn on_synced(node: &mut Node, end: Offset, out: &mut Vec<Effect>) {
    let log_end = node.log.end();
    if end > log_end {
        node.halt(HaltReason::Broken(Broken::DurableBeyondEnd { durable_end: end, log_end }), out);
        return;
    }
    let was_behind = node.log.durable_end() < log_end;
    node.log.synced(end);
    let fetch_ms = node.fetch_timeout();
    if let Role::Follower(follower) = &mut node.role
        && was_behind
        && end == log_end
    {
        // While it synced it could not fetch: a slow disk here is no silence of the leader.
        follower.fetch_ms = follower.fetch_ms.max(fetch_ms);
    }
    match &node.role {
        Role::Leader(_) => on::fetch::move_high_watermark(node, out),
        Role::Follower(_) => on::fetch_response::commit(node, out),
        Role::Unattached(_) | Role::Prospective(_) | Role::Candidate(_) | Role::Resigned(_) => {}
    }
}
