//! A replica that knows an epoch and no leader. A voter waits for one, votes, and stands for election in the end; an observer asks
//! around. It appends nothing.

use barnabas_types::LeaderEpoch;
use serde::{Deserialize, Serialize};

use super::Vote;
use crate::timers::Millis;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unattached {
    /// The newest epoch seen, in `quorum-state` or in the log.
    pub epoch: LeaderEpoch,
    /// What becomes of this replica's vote in that epoch.
    pub vote: Vote,
    /// When a voter stands for election; None for an observer.
    pub(crate) election_ms: Option<Millis>,
}
