//! A snapshot is the committed log up to its end, and names that log's epoch there: never something else, never something that is not
//! committed. KIP-630, "Snapshot Format" and "When to Snapshot".

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct SnapshotEquivalence;

impl Invariant for SnapshotEquivalence {
    fn name(&self) -> &'static str {
        "snapshot_equivalence"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let (Fact::SnapshotTaken { place, id } | Fact::Installed { place, id }) = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        match seen.committed.get(&id.end_offset.0) {
            Some(committed) if committed.epoch == id.epoch.0 => Ok(()),
            Some(committed) => {
                Err(format!("{} has snapshot {id}, but epoch {} was committed there", replica.key, committed.epoch))
            }
            None => Err(format!("{} has snapshot {id}, and no batch that is committed ends there", replica.key)),
        }
    }
}
