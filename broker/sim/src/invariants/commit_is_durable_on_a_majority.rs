//! When something is first held to be committed, it is synced on a majority of the voters, as the disks see it. Raft, section 5.3; KIP-595, "Log flushing";
//! `CommittedEntriesReachMajority` of Vanlightly/kafka-tlaplus.

use super::Invariant;
use crate::observed::{Fact, Observed, RoleName};

/// See the file.
#[derive(Default)]
pub struct CommitIsDurableOnAMajority {
    checked: i64,
}

impl Invariant for CommitIsDurableOnAMajority {
    fn name(&self) -> &'static str {
        "commit_is_durable_on_a_majority"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Moved { place, before } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        let Some(watermark) = replica.standing.high_watermark.filter(|&watermark| watermark > self.checked) else {
            return Ok(());
        };
        // A leader that has removed itself steps down as it commits that.
        if replica.standing.role != RoleName::Leader && before.role != RoleName::Leader {
            return Err(format!(
                "{} is the first to hold all below {watermark} to be committed, and does not lead",
                replica.key
            ));
        }
        self.checked = watermark;
        let history = replica.log.history_at(watermark);
        let voters = &replica.standing.voters;
        let has = |voter: &&barnabas_raft::ReplicaKey| {
            let same = |other: &&crate::observed::Replica| {
                other.key.id == voter.id
                    && (other.key.directory_id == voter.directory_id
                        || voter.directory_id == barnabas_types::Uuid::ZERO)
            };
            // What a replica said before its disk was lost may arrive afterwards.
            seen.replicas.iter().chain(&seen.lost).filter(same).any(|other| {
                other.durable_end >= watermark
                    && (other.log.start() > watermark || other.log.history_at(watermark) == history)
            })
        };
        let holding = voters.iter().filter(has).count();
        if holding * 2 > voters.len() {
            return Ok(());
        }
        Err(format!(
            "{} holds all below {watermark} to be committed, which {holding} of {} voters have on disk",
            replica.key,
            voters.len()
        ))
    }
}
