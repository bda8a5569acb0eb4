//! What a producer with acks=all is told is kept has been synced by at least `min.insync.replicas` replicas by then, where a topic's records
//! count once they are synced: no loss of power takes it away. Not where a topic's settings allow an unclean election, after which a late
//! answer may tell of what is gone.
//!
//! Source: Kafka's documentation of `min.insync.replicas` and `acks`: the minimum number of replicas that must acknowledge a write, and what a
//! replica acknowledges with `barnabas.durability=fsync` it has synced.

use super::super::history::{Acks, Event};
use super::super::scene::Kept;
use super::{Invariant, Lossy};

pub struct KeptByAllIsDurable(Lossy);

impl KeptByAllIsDurable {
    pub const fn new(lossy: Lossy) -> Self {
        Self(lossy)
    }
}

impl Invariant for KeptByAllIsDurable {
    fn name(&self) -> &'static str {
        "kept_by_all_is_durable"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        let Event::Kept { acks: Acks::All, partition, offset, durable_on, .. } = *event else { return Ok(()) };
        let shape = self.0.shape(partition);
        let enough = shape.min_in_sync.min(usize::try_from(shape.replicas).unwrap_or(1));
        if shape.unclean || shape.kept != Kept::Synced || durable_on >= enough {
            return Ok(());
        }
        Err(format!(
            "partition {partition}: the batch at offset {offset} is said to be kept, and is durable on {durable_on} disks, of {enough} that have to have it"
        ))
    }
}
