//! What a replica has synced is there when its process starts again on the same disk. KIP-595, "Log flushing" (a fetch offset promises
//! durability); the broker's own first invariant, "acknowledged means kept".

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct SyncedIsKept;

impl Invariant for SyncedIsKept {
    fn name(&self) -> &'static str {
        "synced_is_kept"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Started { place, before, durable_end } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        // A snapshot took the place of all of it, in which the process died.
        if replica.log.start() > before.start() && replica.log.start() == replica.log.end() {
            return Ok(());
        }
        if replica.log.end() < *durable_end {
            return Err(format!(
                "{} starts with a log that ends at {}, but had synced all below {durable_end}",
                replica.key,
                replica.log.end()
            ));
        }
        let differs = before
            .after(replica.log.start())
            .filter(|link| link.batch.end <= *durable_end)
            .find(|link| replica.log.history_at(link.batch.end).is_none_or(|history| history != link.history));
        match differs {
            Some(link) => Err(format!(
                "{} starts with another log than it had synced, from the batch on that ends at {}",
                replica.key, link.batch.end
            )),
            None => Ok(()),
        }
    }
}
