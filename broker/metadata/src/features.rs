//! Which features there are, which levels this release serves, and what a level needs of others (KIP-584, KIP-778, KIP-1022). Finalises
//! nothing.

use crate::{FeatureRange, MAX_METADATA_VERSION, METADATA_VERSION, MIN_METADATA_VERSION};

/// How the quorum keeps its voters. Its level stands in control records of the quorum, not among the metadata.
pub const KRAFT_VERSION: &str = "kraft.version";

/// A feature that this release can run at, with its lowest and highest level.
pub type ServedFeature = (&'static str, i16, i16);

/// What this release serves in full.
///
/// What is missing is served at level 0 alone, and no other level of it may be finalised: `group.version` (the new consumer groups),
/// `transaction.version`, `eligible.leader.replicas.version`, `share.version` and `streams.version`. A client that finds such a level
/// finalised relies on everything that it promises.
pub const SERVED_FEATURES: &[ServedFeature] =
    &[(METADATA_VERSION, MIN_METADATA_VERSION, MAX_METADATA_VERSION), (KRAFT_VERSION, 0, 1)];

/// The features of a new cluster, with the level that is finalised in it.
pub const BOOTSTRAP_FEATURES: &[Level] = &[(METADATA_VERSION, MAX_METADATA_VERSION)];

/// A feature and a level of it.
type Level = (&'static str, i16);

/// What a level of a feature (first) needs: a level of another one, or a higher one (second).
const NEEDS: &[(Level, Level)] =
    &[(("eligible.leader.replicas.version", 1), (METADATA_VERSION, 23)), ((KRAFT_VERSION, 1), (METADATA_VERSION, 21))];

/// Levels of metadata.version from which on the log may hold what the level before it cannot read.
const METADATA_CHANGES: [i16; 8] = [8, 11, 13, 14, 15, 17, 23, 30];

/// [`SERVED_FEATURES`], as a node registers them.
#[must_use]
pub fn served_features() -> Vec<FeatureRange> {
    SERVED_FEATURES.iter().map(|&(name, min, max)| FeatureRange { name: name.into(), min, max }).collect()
}

/// What `level` of `feature` needs, as feature and lowest level.
pub(crate) fn needs(feature: &str, level: i16) -> impl Iterator<Item = Level> {
    NEEDS.iter().filter(move |((name, from), _)| *name == feature && level >= *from).map(|(_, needed)| *needed)
}

/// True when a log that was written at `from` may hold what nobody at the lower level `to` can read.
pub(crate) fn loses_metadata(from: i16, to: i16) -> bool {
    METADATA_CHANGES.iter().any(|&level| to < level && level <= from)
}
