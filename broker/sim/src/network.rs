//! The virtual network: whether a message arrives, when, and how often. Carries no message itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::random::{Concern, Random, Salt};
use crate::schedule::Instant;

/// A machine, by its place in the world.
pub type Place = usize;

/// How the network behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Of 1,000 messages, how many get lost.
    pub lost: u64,
    /// Of 1,000 messages, how many arrive twice.
    pub twice: u64,
    /// Of 1,000 messages, how many take up to `detour_micros` longer, so that later ones overtake them.
    pub delayed: u64,
    /// The shortest way, in microseconds.
    pub shortest_micros: u64,
    /// What a usual message takes beyond that, at most.
    pub spread_micros: u64,
    /// What a delayed message takes beyond that, at most.
    pub detour_micros: u64,
}

impl Weather {
    /// A network as it usually is.
    pub const FAIR: Self =
        Self { lost: 0, twice: 0, delayed: 0, shortest_micros: 100, spread_micros: 900, detour_micros: 0 };

    fn arrival(self, now: Instant, random: &mut Random) -> Instant {
        let detour = if random.chance(self.delayed) { random.below(self.detour_micros + 1) } else { 0 };
        now.after(self.shortest_micros + random.below(self.spread_micros + 1) + detour)
    }

    /// Weather of any kind.
    pub fn random(random: &mut Random) -> Self {
        let detour_micros = random.pick(&[5_000, 50_000, 400_000, 3_000_000]).unwrap_or(0);
        Self {
            lost: random.pick(&[0, 0, 10, 50, 200]).unwrap_or(0),
            twice: random.pick(&[0, 0, 20, 200]).unwrap_or(0),
            delayed: random.pick(&[0, 20, 100, 400]).unwrap_or(0),
            shortest_micros: random.pick(&[50, 500, 10_000]).unwrap_or(50),
            spread_micros: random.pick(&[100, 2_000, 30_000]).unwrap_or(100),
            detour_micros,
        }
    }
}

/// A partition of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// One machine hears nobody and nobody hears it.
    Isolated(Place),
    /// Two groups that do not hear each other: this one, and all others.
    Groups(BTreeSet<Place>),
    /// Two groups with one machine between that hears, and is heard by, both.
    Bridge(BTreeSet<Place>, Place),
    /// What the first sends does not reach the second.
    OneWay(Place, Place),
    /// One machine is heard, but hears nobody.
    Deaf(Place),
    /// One machine hears, but nobody hears it.
    Mute(Place),
}

impl Split {
    /// A partition of any shape among `places` machines; `favourite` (the leader) is in the middle of it more often than others.
    pub fn random(random: &mut Random, places: usize, favourite: Option<Place>) -> Self {
        let all: Vec<Place> = (0..places).collect();
        let any = |random: &mut Random| random.pick(&all).unwrap_or(0);
        let one = favourite.filter(|_| random.chance(600)).unwrap_or_else(|| any(random));
        let group =
            |random: &mut Random| -> BTreeSet<Place> { all.iter().copied().filter(|_| random.chance(500)).collect() };
        match random.below(6) {
            0 => Self::Isolated(one),
            1 => Self::Groups(group(random)),
            2 => Self::Bridge(group(random), one),
            3 => Self::OneWay(one, any(random)),
            4 => Self::Deaf(one),
            _ => Self::Mute(one),
        }
    }

    fn cuts(&self, from: Place, to: Place) -> bool {
        match self {
            Self::Isolated(one) => from == *one || to == *one,
            Self::Groups(group) => group.contains(&from) != group.contains(&to),
            Self::Bridge(group, between) => {
                from != *between && to != *between && group.contains(&from) != group.contains(&to)
            }
            Self::OneWay(sender, receiver) => from == *sender && to == *receiver,
            Self::Deaf(one) => to == *one,
            Self::Mute(one) => from == *one,
        }
    }
}

/// The network.
#[derive(Debug)]
pub struct Network {
    salt: Salt,
    /// The chance of each way.
    ways: BTreeMap<(Place, Place), Random>,
    weather: Weather,
    splits: Vec<Split>,
}

impl Network {
    /// A network in fair weather.
    #[must_use]
    pub const fn new(salt: Salt) -> Self {
        Self { salt, ways: BTreeMap::new(), weather: Weather::FAIR, splits: Vec::new() }
    }

    /// Changes the weather.
    pub const fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Adds a partition.
    pub fn split(&mut self, split: Split) {
        self.splits.push(split);
    }

    /// Everybody hears everybody again.
    pub fn heal(&mut self) {
        self.splits.clear();
    }

    /// True while there is a partition.
    #[must_use]
    pub fn is_split(&self) -> bool {
        !self.splits.is_empty()
    }

    /// True while nothing gets from one to the other.
    #[must_use]
    pub fn is_cut(&self, from: Place, to: Place) -> bool {
        is_cut(&self.splits, from, to)
    }

    /// When a message that is sent now arrives: not at all, once or twice.
    pub fn deliveries(&mut self, now: Instant, from: Place, to: Place) -> Vec<Instant> {
        let (salt, weather) = (self.salt, self.weather);
        let new = || salt.stream(Concern::Network, from as u64, to as u64);
        let random = self.ways.entry((from, to)).or_insert_with(new);
        if is_cut(&self.splits, from, to) || random.chance(weather.lost) {
            return Vec::new();
        }
        let copies = if random.chance(weather.twice) { 2 } else { 1 };
        (0..copies).map(|_| weather.arrival(now, random)).collect()
    }
}

fn is_cut(splits: &[Split], from: Place, to: Place) -> bool {
    from != to && splits.iter().any(|split| split.cuts(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(split: Split, from: Place, to: Place) -> bool {
        let mut network = Network::new(Salt(1));
        network.split(split);
        !network.deliveries(Instant(0), from, to).is_empty()
    }

    #[test]
    fn every_shape_of_partition_cuts_what_its_name_says() {
        let left: BTreeSet<Place> = [0, 1].into();
        assert!(
            !hears(Split::Isolated(0), 0, 1) && !hears(Split::Isolated(0), 1, 0) && hears(Split::Isolated(0), 1, 2)
        );
        assert!(!hears(Split::Groups(left.clone()), 0, 2) && hears(Split::Groups(left.clone()), 0, 1));
        let bridge = Split::Bridge(left, 1);
        assert!(!hears(bridge.clone(), 0, 2) && hears(bridge.clone(), 0, 1) && hears(bridge, 1, 2));
        assert!(!hears(Split::OneWay(0, 1), 0, 1) && hears(Split::OneWay(0, 1), 1, 0));
        assert!(!hears(Split::Deaf(0), 1, 0) && hears(Split::Deaf(0), 0, 1));
        assert!(!hears(Split::Mute(0), 0, 1) && hears(Split::Mute(0), 1, 0));
    }

    #[test]
    fn foul_weather_loses_repeats_and_reorders_messages_and_a_healed_network_carries_all() {
        let mut network = Network::new(Salt(2));
        let foul = Weather { lost: 100, twice: 100, delayed: 300, detour_micros: 50_000, ..Weather::FAIR };
        network.set_weather(foul);
        network.split(Split::Isolated(3));
        let arrivals: Vec<Vec<Instant>> = (0..1000).map(|at| network.deliveries(Instant(at), 0, 1)).collect();
        assert!(arrivals.iter().any(Vec::is_empty) && arrivals.iter().any(|times| times.len() == 2));
        let first: Vec<Instant> = arrivals.iter().filter_map(|times| times.first().copied()).collect();
        assert!(!first.is_sorted());
        network.heal();
        network.set_weather(Weather::FAIR);
        assert!((0..1000).all(|at| network.deliveries(Instant(at), 0, 3).len() == 1));
    }
}
