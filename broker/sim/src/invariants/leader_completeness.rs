//! Whoever comes to lead has everything that was committed before. Raft, figure 3, "Leader Completeness"; `LeaderCompleteness` of
//! Vanlightly/kafka-tlaplus.

use super::Invariant;
use crate::observed::{Fact, Observed, RoleName};

/// See the file.
#[derive(Default)]
pub struct LeaderCompleteness;

impl Invariant for LeaderCompleteness {
    fn name(&self) -> &'static str {
        "leader_completeness"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Moved { place, before } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        if replica.standing.role != RoleName::Leader || before.role == RoleName::Leader {
            return Ok(());
        }
        // A leader of an old epoch may have won before and hear of it only now: others may have committed since.
        let Some((&end, committed)) =
            seen.committed.iter().rev().find(|(_, committed)| committed.epoch < replica.standing.epoch)
        else {
            return Ok(());
        };
        if replica.log.start() >= end || replica.log.history_at(end) == Some(committed.history) {
            return Ok(());
        }
        Err(format!(
            "{} leads epoch {} and its log ends at {}, but all below {end} was committed, up to epoch {}",
            replica.key,
            replica.standing.epoch,
            replica.log.end(),
            committed.epoch
        ))
    }
}
