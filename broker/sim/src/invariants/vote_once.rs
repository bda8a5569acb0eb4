//! A replica votes for one candidate in an epoch, whatever happens to its process in between. Raft, section 5.2; KIP-595 (`votedId` of
//! quorum-state); KIP-853 (`votedDirectoryId`).

use std::collections::BTreeMap;

use barnabas_raft::ReplicaKey;

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct VoteOnce {
    votes: BTreeMap<(ReplicaKey, i32), ReplicaKey>,
}

impl Invariant for VoteOnce {
    fn name(&self) -> &'static str {
        "vote_once"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Voted { place, epoch, candidate } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        match self.votes.insert((replica.key, *epoch), *candidate) {
            Some(other) if other != *candidate => {
                Err(format!("{} votes for {candidate} in epoch {epoch}, in which it voted for {other}", replica.key))
            }
            _ => Ok(()),
        }
    }
}
