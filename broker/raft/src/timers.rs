//! Random timeouts from a seed. Reads no clock: time comes in with every input, as milliseconds of the monotonic clock.

use serde::{Deserialize, Serialize};

use std::time::Duration;

/// Milliseconds of the monotonic clock.
pub(crate) type Millis = u64;

/// Rounds down, so that a driver that ticks exactly at the deadline finds it passed.
pub(crate) fn millis(monotonic: Duration) -> Millis {
    u64::try_from(monotonic.as_millis()).unwrap_or(u64::MAX)
}

/// The earlier of two deadlines.
pub(crate) fn earlier(left: Option<Millis>, right: Option<Millis>) -> Option<Millis> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (one, other) => one.or(other),
    }
}

/// Numbers that look random (SplitMix64) and are the same for the same seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`; 0 when that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// At least `shortest`, less than twice as long: replicas that begin to wait together do not end together.
    pub(crate) fn timeout(&mut self, shortest: Millis) -> Millis {
        shortest.saturating_add(self.below(shortest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_lie_between_once_and_twice_the_shortest_and_repeat_with_the_seed() {
        let (mut one, mut same) = (Random::new(7), Random::new(7));
        let timeouts: Vec<_> = (0..1000).map(|_| one.timeout(1000)).collect();
        assert!(timeouts.iter().all(|timeout| (1000..2000).contains(timeout)));
        assert!(timeouts.iter().any(|&timeout| timeout < 1100) && timeouts.iter().any(|&timeout| timeout > 1900));
        assert_eq!(timeouts, (0..1000).map(|_| same.timeout(1000)).collect::<Vec<_>>());
        assert_eq!(one.timeout(0), 0);
    }
}
