//! A voter that asks for votes. Its own counts as soon as it is kept; with one voter that is the majority.

use barnabas_types::LeaderEpoch;
use serde::{Deserialize, Serialize};

use super::Votes;
use crate::timers::Millis;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The epoch it wants to lead.
    pub epoch: LeaderEpoch,
    /// Who voted for it.
    pub votes: Votes,
    /// When it gives up.
    pub(crate) election_ms: Millis,
}
