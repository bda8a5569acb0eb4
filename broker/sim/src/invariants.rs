//! What must hold after every event: one file each, with its source. Each looks at what was seen just now and says what is wrong
//! with it; none changes anything.

mod acknowledged_is_committed;
mod broker_epochs_only_grow;
mod commit_is_durable_on_a_majority;
mod committed_is_never_lost;
mod election_safety;
mod epochs_only_grow;
mod high_watermark_only_grows;
mod image_equality;
mod leader_append_only;
mod leader_completeness;
mod leader_is_a_voter;
mod log_matching;
mod one_known_leader;
mod snapshot_equivalence;
mod synced_is_kept;
mod unfenced_broker_knows_itself;
mod vote_once;
mod voters_change_one_at_a_time;
mod voters_in_force_are_the_newest;

use crate::observed::{Fact, Observed};

/// Something that must always hold.
pub trait Invariant {
    /// Its name: that of its file.
    fn name(&self) -> &'static str;
    /// Looks at one fact.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String>;
}

/// All of them, for one history.
#[must_use]
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<election_safety::ElectionSafety>::default(),
        Box::<one_known_leader::OneKnownLeader>::default(),
        Box::<vote_once::VoteOnce>::default(),
        Box::<epochs_only_grow::EpochsOnlyGrow>::default(),
        Box::<leader_is_a_voter::LeaderIsAVoter>::default(),
        Box::<leader_append_only::LeaderAppendOnly>::default(),
        Box::<log_matching::LogMatching>::default(),
        Box::<synced_is_kept::SyncedIsKept>::default(),
        Box::<committed_is_never_lost::CommittedIsNeverLost>::default(),
        Box::<commit_is_durable_on_a_majority::CommitIsDurableOnAMajority>::default(),
        Box::<leader_completeness::LeaderCompleteness>::default(),
        Box::<high_watermark_only_grows::HighWatermarkOnlyGrows>::default(),
        Box::<voters_change_one_at_a_time::VotersChangeOneAtATime>::default(),
        Box::<voters_in_force_are_the_newest::VotersInForceAreTheNewest>::default(),
        Box::<snapshot_equivalence::SnapshotEquivalence>::default(),
        Box::<image_equality::ImageEquality>::default(),
        Box::<acknowledged_is_committed::AcknowledgedIsCommitted>::default(),
        Box::<broker_epochs_only_grow::BrokerEpochsOnlyGrow>::default(),
        Box::<unfenced_broker_knows_itself::UnfencedBrokerKnowsItself>::default(),
    ]
}

#[cfg(test)]
mod tests;
