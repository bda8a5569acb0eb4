//! A replica that led and has stepped down. It tells the voters until they know, votes for nobody in that epoch, and waits for the next.

use std::collections::BTreeSet;

use barnabas_types::{BrokerId, LeaderEpoch};
use serde::{Deserialize, Serialize};

use crate::ReplicaKey;
use crate::timers::Millis;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resigned {
    /// The epoch that it led, or in which it stopped.
    pub epoch: LeaderEpoch,
    /// Who should follow, the one with the longest log first.
    pub preferred: Vec<ReplicaKey>,
    /// The voters that have not said that they know.
    pub unacknowledged: BTreeSet<BrokerId>,
    /// When it takes part in elections again.
    pub(crate) election_ms: Millis,
}
