//! What a history is played with, drawn from its seed: topics that differ in what they promise, and how patient nodes are. What may then be lost
//! follows from it; nothing here happens.

use std::time::Duration;

use crate::random::Random;

/// One history in so many has no faults.
const QUIET: u64 = 8;

/// When a record counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// When it is synced (`barnabas.durability=fsync`).
    Synced,
    /// When every replica in sync has it (`barnabas.durability=replicated`).
    Replicated,
}

/// A topic, which has one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// When its records count as kept.
    pub kept: Kept,
    /// How many replicas it has.
    pub replicas: i16,
    /// `min.insync.replicas`.
    pub min_in_sync: usize,
    /// Whether who is not in sync may be elected where nobody else is left.
    pub unclean: bool,
}

impl Shape {
    /// What it is unless it is said otherwise: nothing that was acknowledged may be lost.
    pub const SAFE: Self = Self { kept: Kept::Synced, replicas: 3, min_in_sync: 2, unclean: false };

    /// Its settings, as a client gives them.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, String); 3] {
        let durability = if self.kept == Kept::Synced { "fsync" } else { "replicated" };
        [
            ("barnabas.durability", durability.to_owned()),
            ("min.insync.replicas", self.min_in_sync.to_string()),
            ("unclean.leader.election.enable", self.unclean.to_string()),
        ]
    }
}

/// What a history is played with.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The topics: events name each by its place here.
    pub shapes: Vec<Shape>,
    /// Whether nothing fails.
    pub is_quiet: bool,
    /// Whether each node is stopped in order and started again after all faults.
    pub rolls: bool,
    /// `replica.lag.time.max.ms`
    pub lag: Duration,
    /// `broker.session.timeout.ms`
    pub session: Duration,
}

impl Scene {
    /// The scene of `seed`.
    #[must_use]
    pub fn draw(seed: u64, random: &mut Random) -> Self {
        let other = match random.below(10) {
            0..=2 => Shape { min_in_sync: 1, ..Shape::SAFE },
            3 => Shape { replicas: 1, min_in_sync: 1, ..Shape::SAFE },
            4..=7 => Shape { kept: Kept::Replicated, ..Shape::SAFE },
            8 => Shape { min_in_sync: 1, unclean: true, ..Shape::SAFE },
            _ => Shape::SAFE,
        };
        let lag = Duration::from_millis(random.pick(&[500, 1_000, 2_000]).unwrap_or(2_000));
        let session = Duration::from_millis(random.pick(&[1_500, 3_000]).unwrap_or(3_000));
        let is_quiet = seed.is_multiple_of(QUIET);
        // Where nothing fails nobody else leads, and nothing at all may be lost.
        let rolls = random.chance(200) && !is_quiet;
        Self { shapes: vec![Shape::SAFE, other], is_quiet, rolls, lag, session }
    }

    /// One in which nothing fails.
    #[must_use]
    pub const fn quiet(shapes: Vec<Shape>) -> Self {
        Self { shapes, is_quiet: true, rolls: false, lag: Duration::from_secs(2), session: Duration::from_secs(3) }
    }

    /// True where a machine that loses what it did not sync may take committed records with it, unless all others have them: some topic
    /// promises no more.
    #[must_use]
    pub fn is_fragile(&self) -> bool {
        self.shapes.iter().any(|shape| shape.kept == Kept::Replicated)
    }

    /// True where a disk may be lost as long as all others have what it had.
    #[must_use]
    pub fn has_spare_disks(&self) -> bool {
        self.shapes.iter().all(|shape| shape.replicas > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_draw_topics_of_every_kind_and_most_histories_have_faults() {
        let scenes: Vec<_> = (1..200).map(|seed| Scene::draw(seed, &mut Random::new(seed))).collect();
        let some = |has: &dyn Fn(&Shape) -> bool| scenes.iter().flat_map(|scene| &scene.shapes).any(has);
        assert!(some(&|shape| shape.kept == Kept::Replicated && !shape.unclean));
        assert!(some(&|shape| shape.unclean) && some(&|shape| shape.replicas == 1));
        assert!(some(&|shape| shape.min_in_sync == 1 && shape.replicas == 3 && !shape.unclean));
        let quiet = scenes.iter().filter(|scene| scene.is_quiet).count();
        assert!((20..30).contains(&quiet), "{quiet}");
        let rolled = scenes.iter().filter(|scene| scene.rolls).count();
        assert!((20..60).contains(&rolled), "{rolled}");
        assert!(scenes.iter().all(|scene| !scene.is_fragile() || scene.has_spare_disks()));
    }
}
