//! The one source of chance: a generator (xoshiro256++) that a seed determines. Whatever is drawn while a history runs comes from a stream that its
//! concern and its place name, so that nothing that is drawn elsewhere, more or less of it, moves it: a script with the same salt plays
//! the same history in later releases, too. Asks nothing of the machine it runs on.

/// A generator.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

/// One step of splitmix64, which spreads a seed over all bits.
#[must_use]
pub const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a stream is drawn for. The numbers are part of every kept history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The id of a disk, by place and number.
    Directory = 1,
    /// A machine's clock, by place.
    Clock = 2,
    /// When a machine is first started, by place.
    FirstStart = 3,
    /// The engine's own chance, by place and life.
    Engine = 4,
    /// The controller's chance, by place and life.
    Controller = 5,
    /// How a death in a call to the disk ends, by place and life.
    Death = 6,
    /// What a power cut leaves, by place and life.
    PowerCut = 7,
    /// How long syncs are put off, by place and life.
    Sync = 8,
    /// Messages, by sender and receiver.
    Network = 9,
    /// What a client asks for, by client.
    Client = 10,
    /// When and whom a client asks, by client.
    Turns = 11,
    /// How long until the next start, by place and life.
    Restart = 12,
}

/// What all streams of one history begin from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub u64);

impl Salt {
    /// The stream of a concern for two numbers that tell it from others of its kind.
    #[must_use]
    pub const fn stream(self, concern: Concern, one: u64, other: u64) -> Random {
        Random::new(mix(mix(mix(self.0 ^ concern as u64) ^ one) ^ other))
    }
}

impl Random {
    /// What `seed` determines.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        let (a, b) = (mix(seed), mix(seed ^ 0x5851_f42d_4c95_7f2d));
        Self { state: [a, b, mix(a), mix(b) | 1] }
    }

    /// A generator of its own for one concern.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.bits())
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c2, d2) = (c ^ a, d ^ b);
        self.state = [a ^ d2, b ^ c2, c2 ^ (b << 17), d2.rotate_left(45)];
        result
    }

    /// 128 random bits.
    pub fn wide_bits(&mut self) -> u128 {
        u128::from(self.bits()) << 64 | u128::from(self.bits())
    }

    /// A number below `limit`; 0 when that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of `choices`; None when there is none.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        let index = self.below(choices.len() as u64);
        choices.get(usize::try_from(index).unwrap_or(0)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_every_time_and_another_seed_gives_others() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn what_a_fork_draws_does_not_move_its_origin() {
        let (mut one, mut other) = (Random::new(1), Random::new(1));
        let (mut busy, _) = (one.fork(), other.fork());
        (0..100).for_each(|_| _ = busy.bits());
        assert_eq!(one.bits(), other.bits());
    }

    #[test]
    fn streams_differ_by_salt_concern_and_both_numbers() {
        let one = Salt(1).stream(Concern::Sync, 2, 3).bits();
        assert_eq!(one, Salt(1).stream(Concern::Sync, 2, 3).bits());
        for mut other in [
            Salt(2).stream(Concern::Sync, 2, 3),
            Salt(1).stream(Concern::Clock, 2, 3),
            Salt(1).stream(Concern::Sync, 3, 2),
            Salt(1).stream(Concern::Sync, 2, 4),
        ] {
            assert_ne!(one, other.bits());
        }
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_both_ends() {
        let mut random = Random::new(3);
        let drawn: std::collections::BTreeSet<_> = (0..500).map(|_| random.between(4, 7)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [4, 5, 6, 7]);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
