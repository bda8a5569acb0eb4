//! A replica's epoch never goes back while it runs, nor does it begin below its log or its last vote. Raft, section 5.1 ("current
//! term"); KIP-595, "Leader Epoch".

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct EpochsOnlyGrow;

impl Invariant for EpochsOnlyGrow {
    fn name(&self) -> &'static str {
        "epochs_only_grow"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Moved { place, before } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        if replica.standing.epoch < before.epoch {
            return Err(format!("{} goes back from epoch {} to {}", replica.key, before.epoch, replica.standing.epoch));
        }
        Ok(())
    }
}
