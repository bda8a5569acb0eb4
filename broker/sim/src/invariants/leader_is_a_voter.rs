//! Who stands for election is among the voters that it knows, id and directory; or was, and the change that left it out may not be committed: then
//! its log may be the only one that can win. KIP-853, "Vote"; Ongaro's dissertation, section 4.2.2.

use std::collections::BTreeSet;

use barnabas_raft::ReplicaKey;

use super::Invariant;
use crate::observed::{Fact, Observed, RoleName};

/// See the file.
#[derive(Default)]
pub struct LeaderIsAVoter {
    /// Everybody who ever was one.
    voters: BTreeSet<ReplicaKey>,
}

impl Invariant for LeaderIsAVoter {
    fn name(&self) -> &'static str {
        "leader_is_a_voter"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let (Fact::Moved { place, .. } | Fact::Started { place, .. }) = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        let (standing, key) = (&replica.standing, replica.key);
        self.voters.extend(&standing.voters);
        let Fact::Moved { before, .. } = fact else { return Ok(()) };
        let role = standing.role;
        // A leader that is removed goes on until that is committed; so only who becomes one is looked at.
        if before.role == role || !matches!(role, RoleName::Prospective | RoleName::Candidate | RoleName::Leader) {
            return Ok(());
        }
        let is_voter = standing.voters.iter().any(|voter| {
            voter.id == key.id
                && (voter.directory_id == key.directory_id || voter.directory_id == barnabas_types::Uuid::ZERO)
        });
        let may_still_be = self.voters.contains(&key) && before.high_watermark.unwrap_or(0) < standing.voters_end;
        if is_voter || may_still_be {
            return Ok(());
        }
        Err(format!("{key} becomes {role:?} and is not among {:?}", standing.voters))
    }
}
