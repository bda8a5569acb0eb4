//! From one partition epoch to the next nobody becomes eligible who was neither in sync nor eligible, and while too few are in sync nobody who was
//! either is forgotten, unless its broker has registered anew: it may not have been able to show that it kept everything. Who lost power where
//! records count as kept before they are synced is eligible no more once it has. Not where a topic's settings allow an unclean election, which
//! ends the account.
//!
//! Source: KIP-966, "ELR invariants": a replica enters by leaving the ISR, and leaves when enough are in sync again or after an unclean shutdown.

use std::collections::BTreeMap;

use super::super::history::{Assigned, Event};
use super::super::scene::{Kept, Shape};
use super::Invariant;

pub struct EligibleReplicasAreAccountedFor {
    shapes: Vec<Shape>,
    /// By partition and partition epoch: as the first image that had it.
    said: BTreeMap<(i32, i32), Assigned>,
    /// By partition and broker: who lost power while it might have been eligible, and its broker epoch then.
    lost_power: BTreeMap<(i32, i32), i64>,
}

impl EligibleReplicasAreAccountedFor {
    pub const fn new(shapes: Vec<Shape>) -> Self {
        Self { shapes, said: BTreeMap::new(), lost_power: BTreeMap::new() }
    }

    fn loses_power(&mut self, node: i32, broker_epoch: i64) {
        // A broker promises for all that it hosts, or for nothing.
        if self.shapes.iter().any(|shape| shape.kept == Kept::Replicated) {
            self.lost_power.extend((0..).zip(&self.shapes).map(|(partition, _)| ((partition, node), broker_epoch)));
        }
    }

    fn check_lost(&mut self, partition: i32, assigned: &Assigned) -> Result<(), String> {
        for (broker, epoch) in &assigned.broker_epochs {
            let key = (partition, *broker);
            if self.lost_power.get(&key).is_none_or(|before| epoch <= before) {
                continue;
            }
            if assigned.eligible.contains(broker) {
                return Err(format!("{broker} lost power, has registered anew, and is eligible still"));
            }
            self.lost_power.remove(&key);
        }
        Ok(())
    }
}

/// What is wrong with `after`, which follows `before`.
fn account(before: &Assigned, after: &Assigned, min_in_sync: usize) -> Result<(), String> {
    let had_all = |broker: &i32| before.isr.contains(broker) || before.eligible.contains(broker);
    if let Some(broker) = after.eligible.iter().find(|broker| !had_all(broker)) {
        return Err(format!("{broker} is eligible, and was neither in sync nor eligible"));
    }
    if after.isr.len() >= min_in_sync.min(after.replicas.len()) {
        return Ok(());
    }
    let epoch = |of: &Assigned, broker: i32| of.broker_epochs.iter().find(|(id, _)| *id == broker).copied();
    let forgotten = |broker: &&i32| {
        let counts = after.isr.contains(broker) || after.eligible.contains(broker);
        !counts && epoch(before, **broker) == epoch(after, **broker)
    };
    match before.isr.iter().chain(&before.eligible).find(forgotten) {
        Some(broker) => Err(format!("{broker} had everything, has not registered anew, and is not eligible")),
        None => Ok(()),
    }
}

impl Invariant for EligibleReplicasAreAccountedFor {
    fn name(&self) -> &'static str {
        "eligible_replicas_are_accounted_for"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        let (partition, assigned) = match event {
            Event::Image { partition, assigned, .. } => (partition, assigned),
            Event::LosesPower { node, broker_epoch, had_stopped: false } => {
                self.loses_power(*node, *broker_epoch);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let shape = usize::try_from(*partition).ok().and_then(|partition| self.shapes.get(partition));
        let shape = *shape.unwrap_or(&Shape::SAFE);
        if shape.unclean {
            return Ok(());
        }
        self.check_lost(*partition, assigned)
            .map_err(|wrong| format!("partition {partition}: {wrong}: {assigned:?}"))?;
        if self.said.contains_key(&(*partition, assigned.partition_epoch)) {
            return Ok(());
        }
        let said = |epoch: i32| self.said.get(&(*partition, epoch));
        let (before, after) = (said(assigned.partition_epoch - 1), said(assigned.partition_epoch + 1));
        let pairs = before.map(|before| (before, assigned)).into_iter().chain(after.map(|after| (assigned, after)));
        for (before, after) in pairs {
            account(before, after, shape.min_in_sync)
                .map_err(|wrong| format!("partition {partition}: {wrong}: {after:?} follows {before:?}"))?;
        }
        self.said.insert((*partition, assigned.partition_epoch), assigned.clone());
        Ok(())
    }
}
