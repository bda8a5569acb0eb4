//! A replica never takes back what it held to be committed, while its process runs. KIP-595, "High watermark"; `LeaderHwMonotonic` and
//! `ReplicaHwMonotonic` of Vanlightly/kafka-tlaplus.

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct HighWatermarkOnlyGrows;

impl Invariant for HighWatermarkOnlyGrows {
    fn name(&self) -> &'static str {
        "high_watermark_only_grows"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Moved { place, before } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        // A new leader does not know yet, and nobody is told anything meanwhile.
        match (before.high_watermark, replica.standing.high_watermark) {
            (Some(before), Some(after)) if after < before => {
                Err(format!("{} takes its high watermark back from {before} to {after}", replica.key))
            }
            _ => Ok(()),
        }
    }
}
