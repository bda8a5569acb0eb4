//! The finalised level of each feature. What a level promises is decided elsewhere.

use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use crate::snapshot;

/// The feature whose level gates the versions of records and of requests between brokers.
pub const METADATA_VERSION: &str = "metadata.version";

/// Finalised levels. A level of 0 is as good as absent, and is not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    levels: OrdMap<Box<str>, i16>,
    hash: SetHash,
}

impl Features {
    /// The finalised level of `name`; 0 when there is none.
    #[must_use]
    pub fn level(&self, name: &str) -> i16 {
        self.levels.get(name).copied().unwrap_or(0)
    }

    /// The level of `metadata.version`; 0 before the bootstrap records are replayed.
    #[must_use]
    pub fn metadata_version(&self) -> i16 {
        self.level(METADATA_VERSION)
    }

    /// Every feature with a level above 0, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i16)> {
        self.levels.iter().map(|(name, &level)| (name.as_ref(), level))
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn set(&mut self, name: &str, level: i16) {
        if let Some(before) = self.levels.remove(name) {
            self.hash.remove(record_hash(&snapshot::feature(name, before)));
        }
        if level != 0 {
            self.hash.add(record_hash(&snapshot::feature(name, level)));
            self.levels.insert(name.into(), level);
        }
    }
}
