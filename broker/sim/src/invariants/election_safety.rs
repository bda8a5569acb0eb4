//! At most one replica leads an epoch, ever. Raft (Ongaro and Ousterhout), figure 3, "Election Safety"; KIP-595; `NeverTwoLeadersInSameEpoch` of
//! Vanlightly/kafka-tlaplus.

use std::collections::BTreeMap;

use barnabas_raft::ReplicaKey;

use super::Invariant;
use crate::observed::{Fact, Observed, RoleName};

/// See the file.
#[derive(Default)]
pub struct ElectionSafety {
    leaders: BTreeMap<i32, ReplicaKey>,
}

impl Invariant for ElectionSafety {
    fn name(&self) -> &'static str {
        "election_safety"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Moved { place, .. } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place).filter(|replica| replica.standing.role == RoleName::Leader)
        else {
            return Ok(());
        };
        let (epoch, key) = (replica.standing.epoch, replica.key);
        match self.leaders.insert(epoch, key) {
            Some(other) if other != key => Err(format!("{key} leads epoch {epoch}, which {other} leads or led")),
            _ => Ok(()),
        }
    }
}
