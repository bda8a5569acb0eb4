//! What happened how often, and what was the most of something. Counts and compares only.

use std::collections::BTreeMap;
use std::fmt;

/// Counters by name, and the largest numbers by theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    counted: BTreeMap<&'static str, u64>,
    largest: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// Counts one more.
    pub fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts `number` more.
    pub fn add(&mut self, what: &'static str, number: u64) {
        *self.counted.entry(what).or_default() += number;
    }

    /// There was once so much.
    pub fn most(&mut self, what: &'static str, number: u64) {
        let largest = self.largest.entry(what).or_default();
        *largest = number.max(*largest);
    }

    /// Adds all of `other`.
    pub fn absorb(&mut self, other: &Self) {
        other.counted.iter().for_each(|(what, number)| self.add(what, *number));
        other.largest.iter().for_each(|(what, number)| self.most(what, *number));
    }

    /// How often.
    #[must_use]
    pub fn get(&self, what: &str) -> u64 {
        self.counted.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.counted.iter().map(|(what, number)| format!("{what} {number}"));
        let largest = self.largest.iter().map(|(what, number)| format!("{what} {number} at most"));
        let all: Vec<String> = counted.chain(largest).collect();
        f.write_str(&all.join(", "))
    }
}
