//! What one replica holds to be committed no other one ever replaces: all that is committed is one log. Raft, figure 3, "State Machine
//! Safety"; `NoCommittedRecordLostGlobally` and `CommittedEntriesReachMajority` of Vanlightly/kafka-tlaplus.

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct CommittedIsNeverLost;

impl Invariant for CommittedIsNeverLost {
    fn name(&self) -> &'static str {
        "committed_is_never_lost"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Moved { place, before } => moved(seen, *place, before.high_watermark),
            // A cut below what this replica itself knows to be committed.
            Fact::Truncated { place, .. } => {
                let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
                match replica.standing.high_watermark {
                    Some(watermark) if watermark > replica.log.end() => Err(format!(
                        "{} cuts its log at {}, below its high watermark {watermark}",
                        replica.key,
                        replica.log.end()
                    )),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn moved(seen: &Observed, place: usize, before: Option<i64>) -> Result<(), String> {
    let Some(replica) = seen.replicas.get(place) else { return Ok(()) };
    let Some(watermark) = replica.standing.high_watermark.filter(|&watermark| Some(watermark) != before) else {
        return Ok(());
    };
    if watermark > replica.log.end() {
        return Err(format!(
            "{} holds all below {watermark} to be committed, and its log ends at {}",
            replica.key,
            replica.log.end()
        ));
    }
    for link in replica.log.after(before.unwrap_or(0)).take_while(|link| link.batch.end <= watermark) {
        let (end, epoch) = (link.batch.end, link.batch.epoch);
        match seen.committed.get(&end) {
            Some(committed) if committed.history == link.history => {}
            Some(committed) => {
                return Err(format!(
                    "{} holds a batch of epoch {epoch} that ends at {end} to be committed, but one of epoch {} was, with another log before it",
                    replica.key, committed.epoch
                ));
            }
            None => {
                return Err(format!("{} holds a batch that ends at {end} to be committed across others", replica.key));
            }
        }
    }
    Ok(())
}
