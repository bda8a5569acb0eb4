//! Replicas that know who leads an epoch know the same one. KIP-595, "Data Schemas" (leader id and epoch travel together); `NoIllegalState`
//! and `NeverTwoLeadersInSameEpoch` of Vanlightly/kafka-tlaplus.

use std::collections::BTreeMap;

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct OneKnownLeader {
    leaders: BTreeMap<i32, i32>,
}

impl Invariant for OneKnownLeader {
    fn name(&self) -> &'static str {
        "one_known_leader"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Moved { place, .. } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        let (epoch, Some(leader)) = (replica.standing.epoch, replica.standing.leader) else { return Ok(()) };
        let first = *self.leaders.entry(epoch).or_insert(leader);
        if first == leader {
            return Ok(());
        }
        Err(format!("{} takes {leader} for the leader of epoch {epoch}, others {first}", replica.key))
    }
}
