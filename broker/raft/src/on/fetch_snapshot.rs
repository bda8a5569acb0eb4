//! FetchSnapshot: the leader hands out a piece of a snapshot; a follower puts the pieces together (KIP-630).

use crate::on::fetch::count_fetch;
use crate::on::request::{check_leader_request, respond_error};
use crate::{
    Download, Effect, ErrorCode, FetchSnapshotRequest, FetchSnapshotResponse, Node, Request, Response, Role,
    SnapshotContent, SnapshotId,
};

pub(crate) fn on_fetch_snapshot(node: &mut Node, token: u64, request: &FetchSnapshotRequest, out: &mut Vec<Effect>) {
    if let Err(error) = check(node, request) {
        return respond_error(node, token, &Request::FetchSnapshot(request.clone()), error, out);
    }
    count_fetch(node, request.replica);
    let response = FetchSnapshotResponse {
        error: ErrorCode::None,
        leader: node.hint(),
        snapshot: request.snapshot,
        content: SnapshotContent::Read { position: request.position, max_bytes: request.max_bytes },
    };
    out.push(Effect::Respond { token, response: Response::FetchSnapshot(response) });
}

fn check(node: &Node, request: &FetchSnapshotRequest) -> Result<(), ErrorCode> {
    check_leader_request(node, request.epoch)?;
    if request.replica.id == node.config.key.id {
        Err(ErrorCode::InvalidRequest)
    } else if request.snapshot == SnapshotId::default() || !node.log.snapshots().contains(&request.snapshot) {
        // The format's snapshot is every node's own.
        Err(ErrorCode::SnapshotNotFound)
    } else if request.position < 0 {
        Err(ErrorCode::PositionOutOfRange)
    } else {
        Ok(())
    }
}

/// A piece has come. False when it is of no use: the sender is asked again after a pause.
pub(crate) fn on_fetch_snapshot_response(
    node: &mut Node,
    response: &FetchSnapshotResponse,
    out: &mut Vec<Effect>,
) -> bool {
    let fetch_ms = node.fetch_timeout();
    let Role::Follower(follower) = &mut node.role else { return true };
    let Some(download) = follower.download else { return true };
    if response.error == ErrorCode::SnapshotNotFound || response.error == ErrorCode::PositionOutOfRange {
        // There is a newer one: the next Fetch names it.
        follower.download = None;
        follower.fetch_ms = fetch_ms;
        out.push(Effect::AbandonSnapshot { id: download.id });
        return true;
    }
    let SnapshotContent::Piece { token, size, position, length } = response.content else { return false };
    let end = position.saturating_add(length);
    let fits = response.snapshot == download.id
        && position == download.position
        && length > 0
        && end <= size
        && download.size.is_none_or(|known| known == size);
    if !fits {
        return false;
    }
    follower.download = Some(Download { position: end, size: Some(size), ..download });
    follower.fetch_ms = fetch_ms;
    follower.has_fetched = true;
    out.push(Effect::WriteSnapshotPiece { id: download.id, position, token });
    if end == size {
        out.push(Effect::InstallSnapshot { id: download.id });
    }
    true
}
