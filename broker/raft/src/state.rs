//! What `quorum-state` holds: the epoch, who leads it, and whom this replica voted for. Knows no file format.

use barnabas_types::{BrokerId, LeaderEpoch};
use serde::{Deserialize, Serialize};

use crate::ReplicaKey;

/// A replica's durable part in elections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ElectionState {
    /// The newest epoch this replica has seen; 0 before the first election.
    pub epoch: LeaderEpoch,
    /// Who leads it, when known.
    pub leader: Option<BrokerId>,
    /// Whom this replica voted for in it.
    pub voted: Option<ReplicaKey>,
}

impl ElectionState {
    /// Nothing but the epoch is known.
    #[must_use]
    pub const fn seen(epoch: LeaderEpoch) -> Self {
        Self { epoch, leader: None, voted: None }
    }

    /// `candidate` has this replica's vote in `epoch`.
    #[must_use]
    pub const fn voted(epoch: LeaderEpoch, candidate: ReplicaKey) -> Self {
        Self { epoch, leader: None, voted: Some(candidate) }
    }

    /// `leader` leads `epoch`.
    #[must_use]
    pub const fn led(epoch: LeaderEpoch, leader: BrokerId) -> Self {
        Self { epoch, leader: Some(leader), voted: None }
    }
}
