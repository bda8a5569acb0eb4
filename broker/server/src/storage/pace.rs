//! Whether several partitions are synced one by one or with their whole volume. The volume's sync is one transaction and one flush of
//! the disk for all of them, but it takes whatever else there is unwritten with it: what it took is held against what one partition takes.

use std::time::Duration;

/// What a sync of one partition takes, until one was measured.
const EACH: Duration = Duration::from_micros(500);
/// How much longer than all partitions one by one the volume may take, for a round of few.
const GRACE: Duration = Duration::from_millis(5);
/// How long the volume is left alone after it took too long; doubled each time that it still does.
const FIRST_REST: Duration = Duration::from_secs(1);
/// No longer than this.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// What syncs took lately.
#[derive(Debug)]
pub struct Pace {
    each: Duration,
    rest: Duration,
    rests_until: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { each: EACH, rest: FIRST_REST, rests_until: Duration::ZERO }
    }
}

impl Pace {
    /// Whether to sync `partitions` partitions with their volume, at `time`.
    #[must_use]
    pub fn is_together(&self, partitions: usize, time: Duration) -> bool {
        partitions > 1 && time >= self.rests_until
    }

    /// One partition was synced in `took`.
    pub fn one_took(&mut self, took: Duration) {
        self.each = (self.each * 7 + took) / 8;
    }

    /// The volume was synced for `partitions` partitions in `took`, until `time`.
    pub fn volume_took(&mut self, partitions: usize, took: Duration, time: Duration) {
        let alone = self.each.saturating_mul(u32::try_from(partitions).unwrap_or(u32::MAX));
        if took <= alone + GRACE {
            self.rest = FIRST_REST;
            return;
        }
        self.rests_until = time + self.rest;
        self.rest = (self.rest * 2).min(LONGEST_REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn one_partition_is_synced_alone_and_several_with_their_volume() {
        let pace = Pace::default();
        assert!(!pace.is_together(1, SECOND));
        assert!(pace.is_together(2, SECOND));
    }

    #[test]
    fn a_volume_that_takes_longer_than_its_partitions_is_left_alone_for_longer_and_longer() {
        let mut pace = Pace::default();
        (0..100).for_each(|_| pace.one_took(MILLISECOND));
        pace.volume_took(10, 12 * MILLISECOND, SECOND);
        assert!(pace.is_together(2, SECOND));
        pace.volume_took(10, 20 * MILLISECOND, SECOND);
        assert!(!pace.is_together(2, 2 * SECOND - MILLISECOND));
        assert!(pace.is_together(2, 2 * SECOND));
        pace.volume_took(2, 300 * MILLISECOND, 2 * SECOND);
        assert!(!pace.is_together(2, 4 * SECOND - MILLISECOND));
        assert!(pace.is_together(2, 4 * SECOND));
        (0..20).for_each(|_| pace.volume_took(2, SECOND, 4 * SECOND));
        assert!(pace.is_together(2, 4 * SECOND + LONGEST_REST));
    }

    #[test]
    fn one_good_round_makes_the_next_rest_short_again() {
        let mut pace = Pace::default();
        (0..5).for_each(|_| pace.volume_took(2, SECOND, SECOND));
        pace.volume_took(2, MILLISECOND, 60 * SECOND);
        pace.volume_took(2, SECOND, 60 * SECOND);
        assert!(pace.is_together(2, 61 * SECOND));
    }
}
