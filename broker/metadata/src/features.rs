//! Which features there are, which levels this release serves, and what a level needs of others (KIP-584, KIP-778, KIP-1022). Finalises
//! nothing.

use crate::{FeatureRange, MAX_METADATA_VERSION, METADATA_VERSION, MIN_METADATA_VERSION};

/// How the quorum keeps its voters. Its level stands in control records of the quorum, not among the metadata.
pub const KRAFT_VERSION: &str = "kraft.version";

/// Whether replicas that leave an ISR under its minimum are kept eligible as leaders (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";

/// A feature that this release can run at, with its lowest and highest level.
pub type ServedFeature = (&'static str, i16, i16);

/// What this release serves in full.
///
/// What is missing is served at level 0 alone, and no other level of it may be finalised: `group.version` (the new consumer groups),
/// `transaction.version`, `share.version` and `streams.version`. A client that finds such a level finalised relies on everything that it
/// promises.
pub const SERVED_FEATURES: &[ServedFeature] = &[
    (METADATA_VERSION, MIN_METADATA_VERSION, MAX_METADATA_VERSION),
    (KRAFT_VERSION, 0, 1),
    (ELIGIBLE_LEADER_REPLICAS, 0, 1),
];

/// A feature and a level of it.
pub type Level = (&'static str, i16);

/// Every feature of Apache Kafka 4.3 but `metadata.version`: its name, and the `metadata.version` from which on a new cluster of Kafka's
/// has its level 1, 2 and so on. In the order in which Kafka's tools name them.
pub const KAFKA_FEATURES: &[(&str, &[i16])] = &[
    (KRAFT_VERSION, &[21]),
    ("transaction.version", &[24, 24]),
    ("group.version", &[22]),
    (ELIGIBLE_LEADER_REPLICAS, &[26]),
    ("share.version", &[28]),
    ("streams.version", &[29]),
];

/// What a level of a feature (first) needs: a level of another one, or a higher one (second).
const NEEDS: &[(Level, Level)] =
    &[((ELIGIBLE_LEADER_REPLICAS, 1), (METADATA_VERSION, 23)), ((KRAFT_VERSION, 1), (METADATA_VERSION, 21))];

/// Levels of metadata.version from which on the log may hold what the level before it cannot read.
const METADATA_CHANGES: [i16; 8] = [8, 11, 13, 14, 15, 17, 23, 30];

/// [`SERVED_FEATURES`], as a node registers them.
#[must_use]
pub fn served_features() -> Vec<FeatureRange> {
    SERVED_FEATURES.iter().map(|&(name, min, max)| FeatureRange { name: name.into(), min, max }).collect()
}

/// The lowest and the highest level of `feature` that this release serves; 0 alone for one that it does not.
#[must_use]
pub fn served_levels(feature: &str) -> (i16, i16) {
    SERVED_FEATURES.iter().find(|(name, ..)| *name == feature).map_or((0, 0), |&(_, min, max)| (min, max))
}

/// The levels that a new cluster at `metadata_version` starts with, where nothing else is asked for: Kafka's, as far as they are served.
/// `metadata.version` comes first; that of `kraft.version` is not among the metadata.
#[must_use]
pub fn bootstrap_levels(metadata_version: i16) -> Vec<Level> {
    let default = |&(name, since): &(&'static str, &[i16])| {
        let kafkas = since.iter().filter(|&&level| level <= metadata_version).count();
        let level = i16::try_from(kafkas).unwrap_or(i16::MAX).min(served_levels(name).1);
        (name != KRAFT_VERSION && level > 0).then_some((name, level))
    };
    let mut others: Vec<Level> = KAFKA_FEATURES.iter().filter_map(default).collect();
    others.sort_unstable();
    std::iter::once((METADATA_VERSION, metadata_version)).chain(others).collect()
}

/// What `level` of `feature` needs, as feature and lowest level.
pub fn needs(feature: &str, level: i16) -> impl Iterator<Item = Level> {
    NEEDS.iter().filter(move |((name, from), _)| *name == feature && level >= *from).map(|(_, needed)| *needed)
}

/// True when a log that was written at `from` may hold what nobody at the lower level `to` can read.
pub(crate) fn loses_metadata(from: i16, to: i16) -> bool {
    METADATA_CHANGES.iter().any(|&level| to < level && level <= from)
}
