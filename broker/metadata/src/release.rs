//! The names of the levels of `metadata.version`: Kafka's releases, each with the changes of its metadata. Decides nothing about what a
//! level allows (`record_version`).

use crate::{MAX_METADATA_VERSION, MIN_METADATA_VERSION};

/// From [`MIN_METADATA_VERSION`] on, one for each level.
const NAMES: &[&str] = &[
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1",
    "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0",
    "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
];

/// The name of a level of `metadata.version`; None for one that this release does not serve.
#[must_use]
pub fn metadata_version_name(level: i16) -> Option<&'static str> {
    let index = usize::try_from(level.checked_sub(MIN_METADATA_VERSION)?).ok()?;
    NAMES.get(index).copied()
}

/// The level of `metadata.version` that a release means: `4.3-IV0` that one, `3.9` and `3.9.1` the highest of 3.9. None for a release
/// that is not known, or whose level this one does not serve.
#[must_use]
pub fn metadata_version_of_release(release: &str) -> Option<i16> {
    // The number after the second dot changes no metadata.
    let end = release.match_indices('.').nth(1).map_or(release.len(), |(index, _)| index);
    let release = release.get(..end)?;
    let of = |level: &i16| {
        let name = metadata_version_name(*level).unwrap_or_default();
        name == release || name.split('-').next() == Some(release)
    };
    (MIN_METADATA_VERSION..=MAX_METADATA_VERSION).rev().find(of)
}

/// Every name, from the lowest level on.
#[must_use]
pub const fn metadata_version_names() -> &'static [&'static str] {
    NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_that_is_served_has_a_name_that_leads_back_to_it() {
        for level in MIN_METADATA_VERSION..=MAX_METADATA_VERSION {
            let name = metadata_version_name(level).unwrap();
            assert_eq!(metadata_version_of_release(name), Some(level), "{name}");
        }
        assert_eq!(metadata_version_name(MIN_METADATA_VERSION - 1), None);
        assert_eq!(metadata_version_name(MAX_METADATA_VERSION + 1), None);
    }

    #[test]
    fn a_release_without_its_internal_number_means_the_highest_level_of_it() {
        for (release, level) in
            [("3.3", Some(7)), ("3.7", Some(19)), ("3.9.1", Some(21)), ("4.0", Some(25)), ("4.3", Some(30))]
        {
            assert_eq!(metadata_version_of_release(release), level, "{release}");
        }
        for release in ["", "4", "2.8", "4.4", "4.3-IV9", "latest"] {
            assert_eq!(metadata_version_of_release(release), None, "{release}");
        }
    }
}
