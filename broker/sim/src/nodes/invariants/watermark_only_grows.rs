//! Within one leader epoch a partition's high watermark never goes back, neither at its leader nor as a consumer is told; and no replica's is past
//! the end of its log.
//!
//! Source: KIP-101 and KIP-207 (after an election the watermark may be behind for a while; within an epoch it may not go back);
//! Vanlightly's TLA+ specification of Kafka replication, `HighWatermarkMonotonic`.

use std::collections::BTreeMap;

use super::super::history::Event;
use super::Invariant;

/// Who said it, of which partition and epoch.
type Told = (u32, i32, i32);

#[derive(Default)]
pub struct WatermarkOnlyGrows {
    /// Consumers are told in the order of their own requests, so that each is held against itself. Number 0 stands for the leader itself.
    highest: BTreeMap<Told, i64>,
}

impl Invariant for WatermarkOnlyGrows {
    fn name(&self) -> &'static str {
        "watermark_only_grows"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        if let Event::Replica { node, partition, log_end, high_watermark, .. } = event
            && high_watermark > log_end
        {
            return Err(format!(
                "partition {partition}: node {node} has a log that ends at {log_end}, and the high watermark {high_watermark}"
            ));
        }
        let (told, watermark) = match event {
            Event::Replica { partition, leads: true, leader_epoch, high_watermark, .. } => {
                ((0, *partition, *leader_epoch), *high_watermark)
            }
            Event::Watermark { consumer, partition, leader_epoch, watermark } => {
                ((1 + consumer, *partition, *leader_epoch), *watermark)
            }
            _ => return Ok(()),
        };
        let before = self.highest.insert(told, watermark);
        match before.filter(|before| *before > watermark) {
            Some(before) => Err(format!(
                "partition {} in leader epoch {}: the high watermark was {before} and is {watermark}",
                told.1, told.2
            )),
            None => Ok(()),
        }
    }
}
