//! Voter sets that follow each other in a log differ by one replica at most, so that their majorities overlap, and a leader writes the next one
//! only when the one before is committed. KIP-853, "Changing the voter set"; Raft (Ongaro's dissertation), section 4.1.

use std::collections::BTreeMap;

use barnabas_raft::ReplicaKey;

use super::Invariant;
use crate::network::Place;
use crate::observed::{Fact, Observed, RoleName};

type Sets = Vec<(i64, Vec<ReplicaKey>)>;

/// See the file.
#[derive(Default)]
pub struct VotersChangeOneAtATime {
    /// The voter sets in each replica's log, by the offset after their batch.
    sets: BTreeMap<Place, Sets>,
}

impl Invariant for VotersChangeOneAtATime {
    fn name(&self) -> &'static str {
        "voters_change_one_at_a_time"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Appended { place, link, voters: Some(voters) } => {
                let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
                let sets = self.sets.entry(*place).or_default();
                sets.retain(|(end, _)| *end <= link.batch.base);
                let before = sets.last().cloned();
                sets.push((link.batch.end, voters.clone()));
                let Some((end, before)) = before else { return Ok(()) };
                let gone = before.iter().filter(|voter| !voters.contains(voter)).count();
                let new = voters.iter().filter(|voter| !before.contains(voter)).count();
                if gone + new > 1 {
                    return Err(format!("{} goes from voters {before:?} to {voters:?} at once", replica.key));
                }
                let leads = replica.standing.role == RoleName::Leader && replica.standing.epoch == link.batch.epoch;
                if leads && gone + new > 0 && replica.standing.high_watermark.is_none_or(|watermark| watermark < end) {
                    return Err(format!(
                        "{} changes the voters again before the set at {end} is committed",
                        replica.key
                    ));
                }
            }
            Fact::Truncated { place, .. } => {
                let end = seen.replicas.get(*place).map_or(0, |replica| replica.log.end());
                self.sets.entry(*place).or_default().retain(|(at, _)| *at <= end);
            }
            Fact::Started { place, .. } | Fact::Installed { place, .. } => {
                self.sets.remove(place);
            }
            _ => {}
        }
        Ok(())
    }
}
