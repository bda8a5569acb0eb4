//! A replica that asks for votes. Its own counts once it is on disk; with one voter that is the majority.

use barnabas_types::{LeaderEpoch, Offset};

use super::Leader;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The epoch it wants to lead.
    pub epoch: LeaderEpoch,
}

impl Candidate {
    /// Has won: leads its epoch from `log_end` on.
    #[must_use]
    pub const fn win(self, log_end: Offset) -> Leader {
        Leader { epoch: self.epoch, epoch_start: log_end, durable_end: log_end, high_watermark: None }
    }
}
