//! A voter that would like to lead and first asks whether it could win (KIP-996), so that a replica which only lost its connections
//! does not end the epoch of a leader that works. Promises nothing, keeps nothing.

use barnabas_types::{BrokerId, LeaderEpoch};
use serde::{Deserialize, Serialize};

use super::{Vote, Votes};
use crate::Endpoint;
use crate::timers::Millis;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prospective {
    /// The epoch that it is in, not the one that it would lead.
    pub epoch: LeaderEpoch,
    /// Whom it followed, to go back to when it could not win.
    pub leader: Option<(BrokerId, Vec<Endpoint>)>,
    /// What becomes of its vote in this epoch.
    pub vote: Vote,
    /// Who would vote for it.
    pub votes: Votes,
    /// When it gives up.
    pub(crate) election_ms: Millis,
}
