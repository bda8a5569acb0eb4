//! What a follower may count on: how far its log has come, how far that is synced, and what the leader has told it. Compares; moves nothing.

use barnabas_types::Offset;

use crate::bug::Bug;
use crate::{Durability, Settings};

/// How far a log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The next record's offset.
    pub log_end: Offset,
    /// Everything below is synced.
    pub durable_end: Offset,
}

impl Ends {
    /// A log that says it has synced more than it has is not believed.
    pub(crate) fn new(log_end: Offset, durable_end: Offset) -> Self {
        Self { log_end, durable_end: durable_end.min(log_end) }
    }

    /// The end that counts for the watermark.
    pub(crate) fn counted(self, settings: &Settings) -> Offset {
        let unsynced = self.log_end.0.saturating_sub(self.durable_end.0);
        let is_flush_due = u64::try_from(unsynced).is_ok_and(|unsynced| unsynced >= settings.flush_messages);
        match settings.durability {
            Durability::Fsync if settings.has(Bug::CountsUnsynced) => self.log_end,
            Durability::Replicated if !is_flush_due => self.log_end,
            Durability::Fsync | Durability::Replicated => self.durable_end,
        }
    }
}
