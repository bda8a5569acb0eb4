//! What images say of a partition is possible: the leader is in sync and let in, replicas in sync are replicas, those that may be elected beside them are
//! others, and there are some only while too few are in sync; epochs go on, and one partition epoch says one thing everywhere.
//!
//! Source: KIP-966 (eligible leader replicas: their number with the ISR never passes min.insync.replicas, and both never share a
//! member), KIP-841 (a fenced broker is not in the ISR, unless it is the last).

use std::collections::BTreeMap;

use super::super::history::{Assigned, Event};
use super::Invariant;

/// `min.insync.replicas` of all topics.
const MIN_IN_SYNC: usize = 2;

#[derive(Default)]
pub struct InSyncReplicasAreValid {
    /// By partition and partition epoch.
    said: BTreeMap<(i32, i32), Assigned>,
}

fn is_possible(assigned: &Assigned) -> Result<(), String> {
    let Assigned { replicas, isr, eligible, leader, unfenced, .. } = assigned;
    let repeated = |list: &[i32]| {
        list.iter().enumerate().any(|(index, one)| list.iter().skip(index + 1).any(|other| other == one))
    };
    let wrong = if repeated(isr) || repeated(eligible) {
        "a broker is named twice"
    } else if isr.iter().chain(eligible).any(|broker| !replicas.contains(broker)) {
        "who is no replica is in sync, or may be elected"
    } else if *leader >= 0 && !isr.contains(leader) {
        "the leader is not in sync"
    } else if *leader >= 0 && !unfenced.contains(leader) {
        "the leader is fenced"
    } else if isr.iter().any(|broker| eligible.contains(broker)) {
        "who is in sync needs not be eligible beside"
    } else if !eligible.is_empty() && isr.len() >= MIN_IN_SYNC {
        "enough are in sync, and others may be elected"
    } else if isr.len() > 1 && isr.iter().any(|broker| !unfenced.contains(broker)) {
        "a fenced broker is in sync beside others"
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
        is_possible(assigned).map_err(|wrong| told(&wrong))?;
        let key = (*partition, assigned.partition_epoch);
        // Who is let in changes without the partition.
        let same = |other: &Assigned| {
            Assigned { unfenced: Vec::new(), ..other.clone() } == Assigned { unfenced: Vec::new(), ..assigned.clone() }
        };
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
