//! What an idempotent producer sent is read once each, in the order in which it was sent, and nothing between is missing; and no leader
//! finds a gap between what it has and what the producer sends next.
//!
//! Source: KIP-98, "Idempotent Producer Guarantees", and KIP-360.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Acks, Event};
use super::{Invariant, Lossy};

pub struct IdempotentOrder {
    lossy: Lossy,
    idempotent: BTreeSet<u32>,
    /// What a consumer is to read next of a producer.
    next: BTreeMap<(u32, u32), u64>,
}

impl IdempotentOrder {
    pub const fn new(lossy: Lossy) -> Self {
        Self { lossy, idempotent: BTreeSet::new(), next: BTreeMap::new() }
    }
}

impl Invariant for IdempotentOrder {
    fn name(&self) -> &'static str {
        "idempotent_order"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        match *event {
            Event::Sent { producer, acks: Acks::All, .. } => _ = self.idempotent.insert(producer),
            Event::Read { consumer, partition, offset, record: Some(record), .. }
                if self.idempotent.contains(&record.producer) && !self.lossy.contains(partition) =>
            {
                let next = self.next.entry((consumer, record.producer)).or_default();
                let expected = std::mem::replace(next, record.number + 1);
                if expected != record.number {
                    return Err(format!(
                        "partition {partition}, offset {offset}: consumer {consumer} reads {record:?}, and number {expected} is next"
                    ));
                }
            }
            Event::OutOfOrder { producer, partition, first } if !self.lossy.contains(partition) => {
                return Err(format!(
                    "partition {partition}: producer {producer} sends number {first} after all before it was kept, and the leader misses some"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}
