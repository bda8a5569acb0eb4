//! What must hold of whole nodes after every event: one file each, with its source. Each looks at what was seen just now and says what is
//! wrong with it; none changes anything.

mod committed_is_never_lost;
mod idempotent_order;
mod in_sync_replicas_are_valid;
mod in_sync_replicas_have_what_is_committed;
mod only_allowed_losses;
mod reads_are_consistent;
mod watermark_only_grows;

use super::history::Event;

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

/// All of them, for one history.
#[must_use]
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<watermark_only_grows::WatermarkOnlyGrows>::default(),
        Box::<committed_is_never_lost::CommittedIsNeverLost>::default(),
        Box::<reads_are_consistent::ReadsAreConsistent>::default(),
        Box::<in_sync_replicas_are_valid::InSyncReplicasAreValid>::default(),
        Box::<in_sync_replicas_have_what_is_committed::InSyncReplicasHaveWhatIsCommitted>::default(),
        Box::<idempotent_order::IdempotentOrder>::default(),
        Box::<only_allowed_losses::OnlyAllowedLosses>::default(),
    ]
}

#[cfg(test)]
mod tests;
