//! Versions of messages: the one at hand, and ranges of them. Decides nothing about which version two sides should use.

use std::fmt;

/// The version that a message is read or written in, and whether it is flexible there (compact lengths and tagged fields, KIP-482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The number, 0 or more.
    pub number: i16,
    /// True for compact lengths and tagged fields.
    pub flexible: bool,
}

impl Version {
    /// True when the number lies in `min..=max`.
    #[must_use]
    pub const fn within(self, min: i16, max: i16) -> bool {
        self.number >= min && self.number <= max
    }
}

/// A range of versions, both ends included; empty when `max` is below `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

impl VersionRange {
    /// No version at all: an API that Kafka has removed, a message that is never flexible.
    pub const EMPTY: Self = Self { min: 0, max: -1 };

    /// The versions `min..=max`.
    #[must_use]
    pub const fn new(min: i16, max: i16) -> Self {
        Self { min, max }
    }

    /// True when `version` lies in the range.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        version >= self.min && version <= self.max
    }

    /// True when no version lies in the range.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.max < self.min
    }

    /// The versions that lie in both ranges; empty when there are none.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        let both = Self { min: self.min.max(other.min), max: self.max.min(other.max) };
        if both.is_empty() { Self::EMPTY } else { both }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() { f.write_str("none") } else { write!(f, "{}-{}", self.min, self.max) }
    }
}
