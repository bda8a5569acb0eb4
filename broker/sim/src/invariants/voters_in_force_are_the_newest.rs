//! A replica goes by the newest voters that its snapshot and its log name, committed or not, and by those before them once their record is cut
//! off; by the configured ones where none are named. KIP-853, "Changing the voter set" ("as soon as it is appended to the log"); Raft
//! (Ongaro's dissertation), section 4.1.

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct VotersInForceAreTheNewest;

impl Invariant for VotersInForceAreTheNewest {
    fn name(&self) -> &'static str {
        "voters_in_force_are_the_newest"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Settled { place } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        let newest = replica.voters_in_log.last();
        let named = newest.map_or(&seen.configured, |(_, voters)| voters);
        if *named == replica.standing.voters {
            return Ok(());
        }
        let end = newest.map_or(0, |(end, _)| *end);
        Err(format!(
            "{} goes by the voters {:?}, and what it holds below {end} names {named:?}",
            replica.key, replica.standing.voters
        ))
    }
}
