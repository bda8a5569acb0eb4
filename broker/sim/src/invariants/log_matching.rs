//! Two logs that hold a batch of the same epoch at the same place are the same up to it. Raft, figure 3, "Log Matching"; `LogMatching` of
//! Vanlightly/kafka-tlaplus.

use std::collections::BTreeMap;

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct LogMatching {
    /// The hash of the log up to the batch that ends there, by its end and epoch.
    histories: BTreeMap<(i64, i32), u64>,
}

impl Invariant for LogMatching {
    fn name(&self) -> &'static str {
        "log_matching"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Appended { place, link, .. } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        let batch = &link.batch;
        let first = *self.histories.entry((batch.end, batch.epoch)).or_insert(link.history);
        if first == link.history {
            return Ok(());
        }
        Err(format!(
            "{} holds a batch of epoch {} that ends at {}, and so does another replica, but their logs differ before",
            replica.key, batch.epoch, batch.end
        ))
    }
}
