//! What images say of a partition is possible: the leader is in sync and let in, replicas in sync are replicas, those that may be elected beside
//! them are others, and there are some only while too few are in sync; where nobody is in sync nobody leads, and who led last is known; epochs go
//! on, and one partition epoch says one thing everywhere.
//!
//! Source: KIP-966 (a replica is in sync or eligible, not both, and eligible only below min.insync.replicas; ISR and eligible replicas may both
//! be empty when all came back unable to show that they kept everything, and then the last leader is elected once it is up), KIP-841 (a fenced
//! broker is not in the ISR; without eligible replicas the last one stays, and KIP-966 ends that).

use std::collections::BTreeMap;

use super::super::history::{Assigned, Event};
use super::super::scene::Shape;
use super::Invariant;

pub struct InSyncReplicasAreValid {
    shapes: Vec<Shape>,
    /// By partition and partition epoch.
    said: BTreeMap<(i32, i32), Assigned>,
}

impl InSyncReplicasAreValid {
    pub const fn new(shapes: Vec<Shape>) -> Self {
        Self { shapes, said: BTreeMap::new() }
    }
}

fn is_possible(assigned: &Assigned, min_in_sync: usize) -> Result<(), String> {
    let Assigned { replicas, isr, eligible, last_known, leader, unfenced, .. } = assigned;
    let repeated = |list: &[i32]| {
        list.iter().enumerate().any(|(index, one)| list.iter().skip(index + 1).any(|other| other == one))
    };
    let wrong = if repeated(isr) || repeated(eligible) {
        "a broker is named twice"
    } else if isr.iter().chain(eligible).chain(last_known).any(|broker| !replicas.contains(broker)) {
        "who is no replica is in sync, or may be elected"
    } else if isr.is_empty() && last_known.len() != 1 {
        "nobody is in sync, and who led last was forgotten"
    } else if !isr.is_empty() && *leader < 0 {
        "somebody is in sync, and nobody leads"
    } else if *leader >= 0 && !isr.contains(leader) {
        "the leader is not in sync"
    } else if *leader >= 0 && !unfenced.contains(leader) {
        "the leader is fenced"
    } else if isr.iter().any(|broker| eligible.contains(broker)) {
        "who is in sync needs not be eligible beside"
    } else if !eligible.is_empty() && isr.len() >= min_in_sync.min(replicas.len()) {
        "enough are in sync, and others may be elected"
    } else if isr.iter().any(|broker| !unfenced.contains(broker)) {
        "a fenced broker is in sync"
    } else if *leader >= 0 && !last_known.is_empty() {
        "somebody leads, and who led last is still kept"
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}

impl Invariant for InSyncReplicasAreValid {
    fn name(&self) -> &'static str {
        "in_sync_replicas_are_valid"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        let Event::Image { partition, assigned, .. } = event else { return Ok(()) };
        let told = |wrong: &str| format!("partition {partition}: {wrong}: {assigned:?}");
        let shape = usize::try_from(*partition).ok().and_then(|partition| self.shapes.get(partition));
        let min_in_sync = shape.unwrap_or(&Shape::SAFE).min_in_sync;
        is_possible(assigned, min_in_sync).map_err(|wrong| told(&wrong))?;
        let key = (*partition, assigned.partition_epoch);
        // Who is let in changes without the partition.
        let of_partition = |of: &Assigned| Assigned { unfenced: Vec::new(), broker_epochs: Vec::new(), ..of.clone() };
        let same = |other: &Assigned| of_partition(other) == of_partition(assigned);
        if let Some(other) = self.said.get(&key).filter(|other| !same(other)) {
            return Err(told(&format!("another image said {other:?} of the same partition epoch")));
        }
        let of_partition = (*partition, i32::MIN)..key;
        let before = self.said.range(of_partition).next_back();
        if let Some((_, before)) = before.filter(|(_, before)| before.leader_epoch > assigned.leader_epoch) {
            return Err(told(&format!("the leader epoch went back from {}", before.leader_epoch)));
        }
        self.said.entry(key).or_insert_with(|| assigned.clone());
        Ok(())
    }
}
