//! When all faults are over and every replica is in sync, the logs of a partition's replicas are the same, batch for batch, with the same epochs.
//!
//! Source: KIP-101 and KIP-279, whose histories end with logs that differ for ever; Vanlightly's TLA+ specification of Kafka replication,
//! `ConsistentReplicas`.

use std::collections::BTreeMap;

use super::super::history::{Event, StoredBatch};
use super::Invariant;

#[derive(Default)]
pub struct ReplicasAgree {
    /// By partition: the first that was looked at, and what it had.
    first: BTreeMap<i32, (usize, Vec<StoredBatch>)>,
}

impl Invariant for ReplicasAgree {
    fn name(&self) -> &'static str {
        "replicas_agree"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        let Event::Stored { place, partition, batches } = event else { return Ok(()) };
        let (other, known) = self.first.entry(*partition).or_insert_with(|| (*place, batches.clone()));
        let parted = known.iter().zip(batches).find(|(one, other)| one != other);
        match parted {
            Some((one, other_batch)) => {
                Err(format!("partition {partition}: node {other} has {one:?} where node {place} has {other_batch:?}"))
            }
            None if known.len() != batches.len() => Err(format!(
                "partition {partition}: node {other} has {} batches, node {place} has {}, though both are in sync",
                known.len(),
                batches.len()
            )),
            None => Ok(()),
        }
    }
}
