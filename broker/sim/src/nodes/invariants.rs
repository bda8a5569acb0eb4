//! What must hold of whole nodes after every event: one file each, with its source. Each looks at what was seen just now and says what is
//! wrong with it; none changes anything.

mod committed_is_never_lost;
mod eligible_replicas_are_accounted_for;
mod idempotent_order;
mod in_sync_replicas_are_valid;
mod in_sync_replicas_have_what_is_committed;
mod kept_by_all_is_durable;
mod only_allowed_losses;
mod orderly_stop_leaves_enough;
mod reads_are_consistent;
mod replicas_agree;
mod watermark_only_grows;
mod watermark_waits_for_enough;

use super::history::Event;
use super::scene::{Kept, Scene, Shape};

/// Consumers with this number and larger ones read after all faults, from the beginning to the end.
pub const LAST_READERS: u32 = 1000;

/// Something that must always hold.
pub trait Invariant: Send {
    /// Its name: that of its file.
    fn name(&self) -> &'static str;
    /// Looks at one event.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn check(&mut self, event: &Event) -> Result<(), String>;
}

/// All of them, for a history in `scene`.
#[must_use]
pub fn all(scene: &Scene) -> Vec<Box<dyn Invariant>> {
    let lossy = Lossy(scene.shapes.clone());
    vec![
        Box::<watermark_only_grows::WatermarkOnlyGrows>::default(),
        Box::new(watermark_waits_for_enough::WatermarkWaitsForEnough::new(scene.shapes.clone())),
        Box::new(committed_is_never_lost::CommittedIsNeverLost::new(lossy.clone())),
        Box::new(reads_are_consistent::ReadsAreConsistent::new(lossy.clone())),
        Box::new(in_sync_replicas_are_valid::InSyncReplicasAreValid::new(scene.shapes.clone())),
        Box::new(eligible_replicas_are_accounted_for::EligibleReplicasAreAccountedFor::new(scene.shapes.clone())),
        Box::new(in_sync_replicas_have_what_is_committed::InSyncReplicasHaveWhatIsCommitted::new(lossy.clone())),
        Box::new(kept_by_all_is_durable::KeptByAllIsDurable::new(lossy.clone())),
        Box::new(idempotent_order::IdempotentOrder::new(lossy)),
        Box::<only_allowed_losses::OnlyAllowedLosses>::default(),
        Box::new(orderly_stop_leaves_enough::OrderlyStopLeavesEnough::new(scene.shapes.clone())),
        Box::<replicas_agree::ReplicasAgree>::default(),
    ]
}

/// Which partitions may lose what was committed: those in which somebody may be elected who does not have it.
#[derive(Clone, Debug)]
struct Lossy(Vec<Shape>);

impl Lossy {
    fn shape(&self, partition: i32) -> Shape {
        let shape = usize::try_from(partition).ok().and_then(|partition| self.0.get(partition));
        shape.copied().unwrap_or(Shape::SAFE)
    }

    fn contains(&self, partition: i32) -> bool {
        self.shape(partition).unclean
    }

    /// When its records count as kept.
    fn kept(&self, partition: i32) -> Kept {
        self.shape(partition).kept
    }
}

#[cfg(test)]
mod tests;
