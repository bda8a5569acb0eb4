//! A snapshot is complete: what it holds may leave the log. Takes none itself.

use crate::{Broken, Effect, HaltReason, Leader, Node, Role, SnapshotId};

pub(crate) fn on_snapshot_written(node: &mut Node, id: SnapshotId, out: &mut Vec<Effect>) {
    if id.end_offset <= node.log.snapshot().end_offset {
        return;
    }
    // One that completes after a stop is picked up by the next start.
    let Role::Leader(Leader { high_watermark: committed, .. }) = node.role else { return };
    if Some(id.end_offset) > committed || node.log.epoch_below(id.end_offset) != Some(id.epoch) {
        node.halt(HaltReason::Broken(Broken::SnapshotOfUncommitted { id, high_watermark: committed }), out);
        return;
    }
    node.log.snapshot_taken(id);
    out.push(Effect::TrimLog { start: id.end_offset });
}
