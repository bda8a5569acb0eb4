//! While fewer replicas are in sync than `min.insync.replicas` asks for, and the leader knows it, its high watermark stays. Whether enough are in
//! sync again the leader may know before any image says so: the active controller has answered it, and its metadata takes longer.
//!
//! Source: KIP-966, "Additional high watermark advancement requirement".

use std::collections::BTreeMap;

use super::super::history::{Assigned, Event};
use super::super::scene::Shape;
use super::Invariant;

/// How many looks in a row at the same state until the leader surely has taken it over: 250 ms.
const PATIENCE: u32 = 10;

/// What a leader is known to be in.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Under {
    partition_epoch: i32,
    looks: u32,
    high_watermark: i64,
}

pub struct WatermarkWaitsForEnough {
    shapes: Vec<Shape>,
    /// By node and partition: the newest that its image has said.
    known: BTreeMap<(i32, i32), Assigned>,
    /// By node and partition.
    under: BTreeMap<(i32, i32), Under>,
}

impl WatermarkWaitsForEnough {
    pub const fn new(shapes: Vec<Shape>) -> Self {
        Self { shapes, known: BTreeMap::new(), under: BTreeMap::new() }
    }

    /// The partition epoch, where the node leads with too few in sync, as it knows itself, and no image says anything newer.
    fn is_under(&self, (node, partition): (i32, i32), leader_epoch: i32, in_sync: usize) -> Option<i32> {
        let known = self.known.get(&(node, partition))?;
        let shape = usize::try_from(partition).ok().and_then(|partition| self.shapes.get(partition));
        let min_in_sync = shape.unwrap_or(&Shape::SAFE).min_in_sync.min(known.replicas.len());
        let of_partition = self.known.iter().filter(|((_, of), _)| *of == partition);
        let is_newest = of_partition.map(|(_, known)| known.partition_epoch).max() == Some(known.partition_epoch);
        let is_under = known.leader == node && known.leader_epoch == leader_epoch && known.isr.len() < min_in_sync;
        (is_newest && is_under && in_sync < min_in_sync).then_some(known.partition_epoch)
    }
}

impl Invariant for WatermarkWaitsForEnough {
    fn name(&self) -> &'static str {
        "watermark_waits_for_enough"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Image { node, partition, assigned } => {
                self.known.insert((*node, *partition), assigned.clone());
            }
            Event::Replica { node, partition, leads, in_sync, leader_epoch, high_watermark, .. } => {
                let key = (*node, *partition);
                let under = self.is_under(key, *leader_epoch, *in_sync).filter(|_| *leads);
                let Some(partition_epoch) = under else {
                    self.under.remove(&key);
                    return Ok(());
                };
                let fresh = Under { partition_epoch, looks: 0, high_watermark: *high_watermark };
                let under = self.under.entry(key).or_insert(fresh);
                if under.partition_epoch != partition_epoch {
                    *under = fresh;
                }
                let before = std::mem::replace(&mut under.high_watermark, *high_watermark);
                under.looks += 1;
                if under.looks > PATIENCE && before < *high_watermark {
                    return Err(format!(
                        "partition {partition}: node {node} leads with too few in sync, and its high watermark went from {before} to {high_watermark}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
