//! A snapshot is complete: one that this node has written, or one that it has downloaded. Takes none itself.

use barnabas_types::Offset;

use crate::{Broken, ControlHistory, Effect, Follower, HaltReason, Node, Role, SnapshotId, VoterSet};

/// What the snapshot before it holds may leave the log. Not what the new one holds: replicas that are a little behind should not have to
/// download it.
pub(crate) fn on_snapshot_written(node: &mut Node, id: SnapshotId, out: &mut Vec<Effect>) {
    let before = node.log.snapshot();
    // One that was begun before a newer one was downloaded, or written twice.
    if id.end_offset <= before.end_offset {
        return;
    }
    let high_watermark = node.high_watermark;
    if id.end_offset > high_watermark || node.log.epoch_below(id.end_offset) != Some(id.epoch) {
        node.halt(HaltReason::Broken(Broken::SnapshotOfUncommitted { id, high_watermark }), out);
        return;
    }
    node.log.snapshot_taken(id);
    if before.end_offset > Offset(0) {
        node.log.trim(before);
        node.control.trim(before.end_offset);
        out.push(Effect::TrimLog { to: before });
    }
}

pub(crate) fn on_snapshot_installed(
    node: &mut Node,
    id: SnapshotId,
    kraft_version: u16,
    voters: Option<VoterSet>,
    out: &mut Vec<Effect>,
) {
    node.log.replace(id);
    node.control = ControlHistory::from_snapshot(id, kraft_version, voters);
    let installed_ms = node.fetch_timeout();
    if let Role::Follower(Follower { download, fetch_ms, .. }) = &mut node.role {
        *download = None;
        *fetch_ms = installed_ms;
    }
    if id.end_offset > node.high_watermark {
        node.high_watermark = id.end_offset;
        out.push(Effect::Commit { high_watermark: id.end_offset });
    }
}

/// Downloads it again, after the usual pause: the leader's may be whole.
pub(crate) fn on_snapshot_damaged(node: &mut Node, id: SnapshotId) {
    let until_ms = node.now_ms.saturating_add(node.config.retry_backoff_ms);
    let Role::Follower(follower) = &mut node.role else { return };
    if follower.download.take_if(|download| download.id == id).is_none() {
        return;
    }
    let (leader, endpoints) = (follower.leader, follower.endpoints.clone());
    if let Some(to) = node.destination(leader, &endpoints) {
        node.requests.pause(&to, until_ms);
    }
}
