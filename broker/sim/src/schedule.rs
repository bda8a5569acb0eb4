//! Virtual time: what happens next, and what a node's clock says then. Nothing here waits, and nothing asks a real clock.

use std::collections::BTreeMap;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// Microseconds of virtual time since the beginning of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(pub u64);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Instant {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl Instant {
    /// `micros` later.
    #[must_use]
    pub const fn after(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// What is to happen, in order of time; at one time what was planned to be first is, then all in the order in which it was planned.
#[derive(Debug)]
pub struct Schedule<E> {
    now: Instant,
    planned: u64,
    events: BTreeMap<(Instant, bool, u64), E>,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self { now: Instant(0), planned: 0, events: BTreeMap::new() }
    }
}

impl<E> Schedule<E> {
    /// The time of the event that was taken last.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Plans `event` for `at`, or for now when that has passed.
    pub fn plan(&mut self, at: Instant, event: E) {
        self.events.insert((at.max(self.now), true, self.planned), event);
        self.planned += 1;
    }

    /// Plans `event` for `at`, before whatever else happens then.
    pub fn plan_first(&mut self, at: Instant, event: E) {
        self.events.insert((at.max(self.now), false, self.planned), event);
        self.planned += 1;
    }

    /// Takes the next event and moves time on to it.
    pub fn take_next(&mut self) -> Option<E> {
        let ((at, ..), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}

/// The clock of one machine: it started at another time than others, and runs a little faster or slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftingClock {
    /// What it showed when virtual time began, in microseconds.
    pub offset: u64,
    /// How many microseconds it runs in a second: 1,000,000 for one that is right.
    pub rate: u64,
}

const SECOND: u64 = 1_000_000;

impl DriftingClock {
    /// What it shows at `instant`, in whole milliseconds.
    #[must_use]
    pub const fn millis(self, instant: Instant) -> u64 {
        (self.offset + (instant.0 as u128 * self.rate as u128 / SECOND as u128) as u64) / 1000
    }

    /// The first instant at which it shows `millis`; the beginning, when it always did.
    #[must_use]
    pub const fn instant_of(self, millis: u64) -> Instant {
        let shown = millis.saturating_mul(1000).saturating_sub(self.offset);
        Instant((shown as u128 * SECOND as u128).div_ceil(self.rate as u128) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_and_then_of_planning() {
        let mut schedule = Schedule::default();
        for (at, name) in [(5, "c"), (1, "a"), (5, "d"), (2, "b")] {
            schedule.plan(Instant(at), name);
        }
        let mut order = Vec::new();
        while let Some(event) = schedule.take_next() {
            order.push((schedule.now().0, event));
            if event == "b" {
                schedule.plan(Instant(0), "late");
                schedule.plan_first(Instant(5), "first");
            }
        }
        assert_eq!(order, [(1, "a"), (2, "b"), (2, "late"), (5, "first"), (5, "c"), (5, "d")]);
    }

    #[test]
    fn a_clock_shows_a_millisecond_no_earlier_than_the_instant_it_names() {
        for rate in [900_000, 1_000_000, 1_037_111] {
            let clock = DriftingClock { offset: 12_345, rate };
            for millis in [0, 12, 13, 500, 12_000] {
                let instant = clock.instant_of(millis);
                assert!(clock.millis(instant) >= millis);
                assert!(instant.0 == 0 || clock.millis(Instant(instant.0 - 1)) < millis);
            }
        }
    }
}
