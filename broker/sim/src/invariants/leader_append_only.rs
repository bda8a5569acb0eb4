//! A leader never cuts or replaces its log. Raft, figure 3, "Leader Append-Only".

use super::Invariant;
use crate::observed::{Fact, Observed, RoleName};

/// See the file.
#[derive(Default)]
pub struct LeaderAppendOnly;

impl Invariant for LeaderAppendOnly {
    fn name(&self) -> &'static str {
        "leader_append_only"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let (Fact::Truncated { place, .. } | Fact::Installed { place, .. }) = fact else { return Ok(()) };
        match seen.replicas.get(*place) {
            Some(replica) if replica.standing.role == RoleName::Leader => {
                Err(format!("{} leads epoch {} and changes its log", replica.key, replica.standing.epoch))
            }
            _ => Ok(()),
        }
    }
}
