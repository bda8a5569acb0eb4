//! A replica that knows an epoch and no leader. It waits; it appends nothing.

use barnabas_types::LeaderEpoch;

use super::Candidate;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unattached {
    /// The newest epoch seen, in `quorum-state` or in the log.
    pub epoch: LeaderEpoch,
}

impl Unattached {
    /// Stands for election in the next epoch; None when there is no next.
    ///
    /// Always a new epoch, even where this replica had voted for itself in the old one: the log may have lost records of
    /// the old epoch, and an offset with its epoch must never name two different records.
    #[must_use]
    pub fn stand(self) -> Option<Candidate> {
        Some(Candidate { epoch: LeaderEpoch(self.epoch.0.checked_add(1)?) })
    }
}
