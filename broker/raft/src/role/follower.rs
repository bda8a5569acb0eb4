//! A replica that knows the leader and fetches from it. A voter that no longer gets answers stands for election.

use barnabas_types::{BrokerId, LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

use super::Vote;
use crate::timers::Millis;
use crate::{Endpoint, SnapshotId};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Who leads it.
    pub leader: BrokerId,
    /// Where the leader listens.
    pub endpoints: Vec<Endpoint>,
    /// What became of this replica's vote in that epoch, should the leader turn out to be gone.
    pub vote: Vote,
    /// True once the leader has answered a Fetch: until then others may try to replace it.
    pub has_fetched: bool,
    /// The leader has said that it steps down.
    pub has_ended: bool,
    /// Nobody listens where the leader did, or answers there: others may try to replace it.
    pub is_gone: bool,
    /// What the leader says is committed; a part of it may not have come yet.
    pub leader_high_watermark: Option<Offset>,
    /// The snapshot that is being downloaded.
    pub download: Option<Download>,
    /// When the leader answered a Fetch last, or began to be followed.
    pub(crate) heard_ms: Millis,
    /// Without an answer until then a voter stands for election.
    pub(crate) fetch_ms: Millis,
    /// When the quorum is next told what is new about this replica.
    pub(crate) update_voter_ms: Millis,
    /// The leader knows what this replica supports (`kraft.version` 0: it keeps that in memory only).
    pub(crate) has_updated: bool,
}

/// A snapshot on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// Which.
    pub id: SnapshotId,
    /// How many bytes are there.
    pub position: i64,
    /// How many there are in all, once known.
    pub size: Option<i64>,
}
