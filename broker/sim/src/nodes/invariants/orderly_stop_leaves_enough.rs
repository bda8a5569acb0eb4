//! While all is well otherwise, who is told to stop in order takes no partition that has enough replicas below `min.insync.replicas`, from when it
//! is told until it is started again and all is well.
//!
//! Source: Kafka's documentation of `controlled.shutdown.enable`: leadership moves before the broker goes, and nobody else leaves the ISR for
//! it; `barnabas.shutdown.grace.ms`: who is needed stays.

use std::collections::BTreeMap;

use super::super::history::Event;
use super::super::scene::Shape;
use super::Invariant;

pub struct OrderlyStopLeavesEnough {
    shapes: Vec<Shape>,
    stops: Option<usize>,
    /// The newest partition epochs that any image has said: who starts again has older ones at first.
    newest: BTreeMap<i32, i32>,
}

impl OrderlyStopLeavesEnough {
    pub const fn new(shapes: Vec<Shape>) -> Self {
        Self { shapes, stops: None, newest: BTreeMap::new() }
    }

    /// How many have to be in sync without one of them; none where all are needed.
    fn enough(&self, partition: i32) -> usize {
        let shape = usize::try_from(partition).ok().and_then(|partition| self.shapes.get(partition));
        let Shape { replicas, min_in_sync, .. } = *shape.unwrap_or(&Shape::SAFE);
        if usize::try_from(replicas).is_ok_and(|replicas| replicas > min_in_sync) { min_in_sync } else { 0 }
    }
}

impl Invariant for OrderlyStopLeavesEnough {
    fn name(&self) -> &'static str {
        "orderly_stop_leaves_enough"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Stops { place } => self.stops = Some(*place),
            Event::Rolled { .. } => self.stops = None,
            Event::Image { partition, assigned, .. } => {
                let newest = self.newest.entry(*partition).or_insert(-1);
                let is_new = *newest < assigned.partition_epoch;
                *newest = assigned.partition_epoch.max(*newest);
                let enough = self.enough(*partition);
                if let Some(place) = self.stops.filter(|_| is_new && assigned.isr.len() < enough) {
                    return Err(format!(
                        "partition {partition}: node {place} was told to stop, and {:?} are in sync, of {enough} that have to be",
                        assigned.isr
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
