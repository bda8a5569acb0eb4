//! What a client hears is done is committed by then. KIP-595, "Leader: state machine"; the broker's own first invariant, "acknowledged means
//! kept".

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct AcknowledgedIsCommitted;

impl Invariant for AcknowledgedIsCommitted {
    fn name(&self) -> &'static str {
        "acknowledged_is_committed"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Acknowledged { place, end, epoch } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        match seen.committed.get(end) {
            Some(committed) if committed.epoch == *epoch => Ok(()),
            Some(_) => {
                Err(format!("{} acknowledges records that end at {end}, but others are committed there", replica.key))
            }
            None => Err(format!(
                "{} acknowledges records that end at {end}; only what is below {} is committed",
                replica.key,
                seen.committed_end()
            )),
        }
    }
}
