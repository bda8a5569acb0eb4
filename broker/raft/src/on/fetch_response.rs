//! The answer to a Fetch, on the follower: appends, truncates or begins to download a snapshot (KIP-595, KIP-630).

use barnabas_types::{LeaderEpoch, Offset};

use crate::bug::Bug;
use crate::{BatchSummary, Broken, Download, Effect, FetchContent, FetchResponse, HaltReason, Node, Role, SnapshotId};

/// False when the answer is of no use: the sender is asked again after a pause.
pub(crate) fn on_fetch_response(node: &mut Node, response: FetchResponse, out: &mut Vec<Effect>) -> bool {
    let Role::Follower(follower) = &node.role else { return true };
    // Only the leader answers without an error, and it names itself.
    if response.leader.leader != Some(follower.leader) || response.leader.epoch != follower.epoch {
        return false;
    }
    if follower.download.is_some() {
        // Asked while the leader did not answer; the records come after the snapshot.
        return true;
    }
    // Only an answer that goes on from the end of this log says that this log is a prefix of the leader's.
    let is_prefix = matches!(response.content, FetchContent::Nothing | FetchContent::Batches { .. })
        || node.has(Bug::BelievesWatermarkTooEarly);
    let is_good = match response.content {
        FetchContent::Nothing => true,
        FetchContent::Diverging { epoch, end_offset } => truncate(node, epoch, end_offset, out),
        FetchContent::Snapshot(id) => download(node, id),
        FetchContent::Batches { token, batches } => append(node, token, &batches, out),
        FetchContent::Read { .. } => false,
    };
    let (now_ms, fetch_ms) = (node.now_ms, node.fetch_timeout());
    let Role::Follower(follower) = &mut node.role else { return true };
    if !is_good {
        return false;
    }
    follower.heard_ms = now_ms;
    follower.has_fetched = true;
    follower.has_ended = false;
    follower.is_gone = false;
    follower.fetch_ms = fetch_ms;
    if is_prefix {
        follower.leader_high_watermark = follower.leader_high_watermark.max(response.high_watermark);
    }
    commit(node, out);
    true
}

/// Commits what the leader says is committed and this replica has on disk. Kafka does not wait for the disk here; but then a snapshot
/// could hold records that the log loses.
pub(crate) fn commit(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Follower(follower) = &node.role else { return };
    let Some(committed) = follower.leader_high_watermark else { return };
    let unsynced = node.has(Bug::FollowerCommitsUnsynced);
    let committed = committed.min(if unsynced { node.log.end() } else { node.log.durable_end() });
    if committed > node.high_watermark {
        node.high_watermark = committed;
        out.push(Effect::Commit { high_watermark: committed });
    }
    node.remember(out);
}

fn truncate(node: &mut Node, epoch: LeaderEpoch, end_offset: Offset, out: &mut Vec<Effect>) -> bool {
    if epoch.0 < 0 || end_offset.0 < 0 {
        return false;
    }
    let end = node.log.truncation_point(epoch, end_offset).min(node.log.end());
    if end < node.high_watermark {
        let high_watermark = node.high_watermark;
        node.halt(HaltReason::Broken(Broken::TruncationOfCommitted { end, high_watermark }), out);
        return true;
    }
    if end < node.log.end() {
        node.log.truncate(end);
        if !node.has(Bug::KeepsCutVoters) {
            node.control.truncate(end);
        }
        out.push(Effect::Truncate { end });
        let Role::Follower(follower) = &mut node.role else { return true };
        // What was said to be committed was said of a log that went on from here.
        follower.leader_high_watermark = None;
        return true;
    }
    // The same question would get the same answer.
    false
}

fn download(node: &mut Node, id: SnapshotId) -> bool {
    // What is committed here is in every snapshot that this replica could need.
    if id.epoch.0 < 0 || id.end_offset <= node.high_watermark {
        return false;
    }
    let Role::Follower(follower) = &mut node.role else { return true };
    follower.download = Some(Download { id, position: 0, size: None });
    true
}

fn append(node: &mut Node, token: u64, batches: &[BatchSummary], out: &mut Vec<Effect>) -> bool {
    let (mut end, mut last_epoch, mut count) = (node.log.end(), node.log.last_epoch(), 0);
    for batch in batches {
        let follows = batch.base_offset == end && batch.next_offset > end && batch.epoch >= last_epoch;
        // Whoever leads writes in its own epoch or has it from an older one. A newer one comes from a node that does not lead this
        // epoch any more: what it sent before that is good, the rest is not.
        if !follows || batch.epoch > node.epoch() {
            break;
        }
        (end, last_epoch, count) = (batch.next_offset, batch.epoch, count + 1);
    }
    for batch in batches.iter().take(count) {
        node.log.append(batch.epoch, batch.next_offset);
        for (offset, record) in &batch.control {
            node.control.record(*offset, record);
        }
    }
    if count > 0 {
        out.push(Effect::AppendFetched { token, batches: count });
        out.push(Effect::Sync);
    }
    // Bytes without a whole batch at the end of this log are damaged where the leader has them: it cannot do what a leader is for.
    count > 0
}
