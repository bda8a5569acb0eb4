//! Everything that can happen to a quorum replica. Closed: what is not here cannot change it.

use barnabas_types::{BrokerId, LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

use crate::{Request, RequestFailure, RequestId, Response, SnapshotId, VoterSet};

/// One event. A driver hands them in one by one and carries out the effects of each before the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The driver is ready to execute effects. Sent once, first.
    Start,
    /// [`Node::deadline`](crate::Node::deadline) has passed. Harmless at any other time.
    Tick,
    /// Another node, or a user, asks. The answer comes as [`Effect::Respond`](crate::Effect::Respond), exactly once, maybe later.
    Request {
        /// Names the request in its answer.
        token: u64,
        /// What is asked.
        request: Request,
    },
    /// The answer to a request that [`Effect::Send`](crate::Effect::Send) sent. One that is no longer expected is ignored.
    Response {
        /// The request.
        id: RequestId,
        /// The answer.
        response: Response,
    },
    /// There will be no answer to a request that [`Effect::Send`](crate::Effect::Send) sent.
    RequestFailed {
        /// The request.
        id: RequestId,
        /// Why.
        failure: RequestFailure,
    },
    /// The leader has long answered nothing at its listener, by another connection than that of its Fetches. Said again as long as that is so.
    LeaderSilent {
        /// Who; somebody else is followed by now, perhaps.
        leader: BrokerId,
        /// The epoch that it leads.
        epoch: LeaderEpoch,
    },
    /// The controller wants a batch appended.
    Append {
        /// Names the batch in the answer; the engine does not look at it.
        token: u64,
        /// The epoch in which the controller decided; a batch of another epoch is refused.
        epoch: LeaderEpoch,
        /// How many records the batch holds, 1 or more.
        records: u32,
    },
    /// Everything below `end` is on disk, synced: the answer to [`Effect::Sync`](crate::Effect::Sync). Reports of syncs that began before
    /// a truncation are not handed in after it.
    Synced {
        /// The first offset that is not known to be durable.
        end: Offset,
    },
    /// A write or a sync failed: nothing after it can be trusted.
    DiskFailed,
    /// A snapshot that this node wrote of its own committed records is complete on disk, synced and named.
    SnapshotWritten(SnapshotId),
    /// [`Effect::InstallSnapshot`](crate::Effect::InstallSnapshot) is done: the snapshot has its name, and the log begins, empty, at its end.
    SnapshotInstalled {
        /// Which.
        id: SnapshotId,
        /// The `kraft.version` that it holds (0 when none).
        kraft_version: u16,
        /// The voters that it holds.
        voters: Option<VoterSet>,
    },
    /// The downloaded snapshot is damaged or has no footer; its file is removed, log and older snapshots are as they were.
    SnapshotDamaged(SnapshotId),
    /// The controller wants `kraft.version` raised. Answered by [`Response::UpgradeKRaftVersion`], once committed.
    UpgradeKRaftVersion {
        /// Names the request in its answer.
        token: u64,
        /// The level.
        version: u16,
        /// Only check.
        validate_only: bool,
    },
    /// The controller cannot go on in `epoch`: another node should lead.
    Resign {
        /// The epoch; another one is not resigned from.
        epoch: LeaderEpoch,
    },
    /// The process is stopping. [`Effect::Stopped`](crate::Effect::Stopped) says when the others know; a driver need not wait for it.
    Stop,
}
