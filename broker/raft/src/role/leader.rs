//! The replica that appends. What it has synced is committed, once that includes a record of its own epoch.

use barnabas_types::{LeaderEpoch, Offset};

use super::Resigned;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The epoch it leads.
    pub epoch: LeaderEpoch,
    /// The offset of the epoch's first record, the LeaderChange.
    pub epoch_start: Offset,
    /// Everything below is on disk.
    pub durable_end: Offset,
    /// Everything below is committed; None until the LeaderChange is.
    pub high_watermark: Option<Offset>,
}

impl Leader {
    /// Takes a new durable end and returns the high watermark if it moves. Nothing commits before the epoch's first record
    /// does, as in Raft: records of older epochs commit with it, never by themselves.
    pub fn synced(&mut self, end: Offset) -> Option<Offset> {
        self.durable_end = self.durable_end.max(end);
        if self.durable_end <= self.epoch_start || self.high_watermark >= Some(self.durable_end) {
            return None;
        }
        self.high_watermark = Some(self.durable_end);
        self.high_watermark
    }

    /// Gives up.
    #[must_use]
    pub const fn resign(self) -> Resigned {
        Resigned { epoch: self.epoch }
    }
}
