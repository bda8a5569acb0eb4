//! Which feature levels a new cluster starts with: what a release implies, what was asked for, what this release serves. Finalises
//! nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use barnabas_metadata::{
    KAFKA_FEATURES, KRAFT_VERSION, Level, MAX_METADATA_VERSION, METADATA_VERSION, MIN_METADATA_VERSION,
    bootstrap_levels, metadata_version_name, metadata_version_names, metadata_version_of_release, needs, served_levels,
};

/// Levels that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// Not `feature=level`.
    #[error("--feature {text}: expected feature=level, as in kraft.version=1")]
    Malformed {
        /// What was given.
        text: String,
    },
    /// A release that has no metadata, or that this one does not know.
    #[error(
        "unknown release version '{release}': this release serves {}; of a release without the part after the dash the highest is meant",
        metadata_version_names().join(", ")
    )]
    Release {
        /// What was given.
        release: String,
    },
    /// Both ways to say it.
    #[error("--release-version and --feature metadata.version=… both say it: give one of them")]
    Twice,
    /// No such feature.
    #[error("unknown feature {feature}: there are {METADATA_VERSION}, {}", KAFKA_FEATURES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
    Feature {
        /// What was given.
        feature: String,
    },
    /// A level outside what is served.
    #[error("{feature} at level {level}: this release serves {min} to {max} (0: not at all)")]
    Unserved {
        /// Which.
        feature: String,
        /// The level asked for.
        level: i16,
        /// The lowest level served.
        min: i16,
        /// The highest level served.
        max: i16,
    },
    /// A level that needs another one.
    #[error("{feature} at level {level} needs {needed} at level {needed_level} or higher, and it would be at {found}")]
    Needs {
        /// Which.
        feature: String,
        /// Its level.
        level: i16,
        /// What it needs.
        needed: String,
        /// At which level.
        needed_level: i16,
        /// What the level would be.
        found: i16,
    },
    /// `kraft.version=0` for voters in the log.
    #[error(
        "kraft.version=0 keeps no voters in the log, and --standalone, --initial-controllers and --no-initial-controllers ask for that: \
         leave the --feature away"
    )]
    VotersInLog,
    /// `kraft.version=1` for voters in the configuration.
    #[error(
        "kraft.version={level} keeps the voters in the log: give one of --standalone, --initial-controllers and \
         --no-initial-controllers, and remove controller.quorum.voters from the configuration"
    )]
    VotersInConfiguration {
        /// The level asked for.
        level: i16,
    },
}

/// The levels of a new cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// That of `metadata.version`.
    pub metadata_version: i16,
    /// That of `kraft.version`, which stands in the records of the quorum.
    pub kraft_version: u16,
    /// All that stand in the metadata, `metadata.version` first; none at 0.
    pub finalized: Vec<Level>,
}

/// Works them out. `dynamic`: the voters stand in the log.
///
/// # Errors
/// See [`LevelError`].
pub fn effective(release: Option<&str>, features: &[String], dynamic: bool) -> Result<Levels, LevelError> {
    let mut asked: BTreeMap<&'static str, i16> = BTreeMap::new();
    for text in features {
        let (feature, level) = parse(text)?;
        let (min, max) = served_levels(feature);
        // 0 is how a feature is left away.
        if level != 0 && !(min..=max).contains(&level) || level == 0 && feature == METADATA_VERSION {
            return Err(LevelError::Unserved { feature: feature.to_owned(), level, min, max });
        }
        asked.insert(feature, level);
    }
    let metadata_version = match (release, asked.remove(METADATA_VERSION)) {
        (Some(_), Some(_)) => return Err(LevelError::Twice),
        (Some(release), None) => of_release(release)?,
        (None, asked) => asked.unwrap_or(MAX_METADATA_VERSION),
    };
    let kraft_version = match (asked.remove(KRAFT_VERSION), dynamic) {
        (None, dynamic) => u16::from(dynamic),
        (Some(0), true) => return Err(LevelError::VotersInLog),
        (Some(level), false) if level > 0 => return Err(LevelError::VotersInConfiguration { level }),
        (Some(level), _) => level.unsigned_abs(),
    };
    let mut levels: BTreeMap<&'static str, i16> = bootstrap_levels(metadata_version).into_iter().collect();
    levels.extend(asked);
    levels.retain(|_, level| *level > 0);
    for (&feature, &level) in &levels {
        for (needed, needed_level) in needs(feature, level) {
            let found = levels.get(needed).copied().unwrap_or(0);
            if found < needed_level {
                let (feature, needed) = (feature.to_owned(), needed.to_owned());
                return Err(LevelError::Needs { feature, level, needed, needed_level, found });
            }
        }
    }
    levels.remove(METADATA_VERSION);
    let finalized = std::iter::once((METADATA_VERSION, metadata_version)).chain(levels).collect();
    Ok(Levels { metadata_version, kraft_version, finalized })
}

fn of_release(release: &str) -> Result<i16, LevelError> {
    metadata_version_of_release(release).ok_or_else(|| LevelError::Release { release: release.to_owned() })
}

fn parse(text: &str) -> Result<Level, LevelError> {
    let malformed = || LevelError::Malformed { text: text.to_owned() };
    let (feature, level) = text.split_once('=').ok_or_else(malformed)?;
    let level = level.trim().parse().ok().filter(|level| *level >= 0).ok_or_else(malformed)?;
    let known = KAFKA_FEATURES.iter().map(|&(name, _)| name).chain([METADATA_VERSION]);
    let feature = feature.trim();
    let name = known.into_iter().find(|name| *name == feature);
    Ok((name.ok_or_else(|| LevelError::Feature { feature: feature.to_owned() })?, level))
}

/// What `storage version-mapping` says: the levels of a cluster that is formatted at `release`, and where Kafka's would be others.
///
/// # Errors
/// The release is not known.
pub fn version_mapping(release: Option<&str>) -> Result<String, LevelError> {
    let metadata_version = release.map_or(Ok(MAX_METADATA_VERSION), of_release)?;
    let name = metadata_version_name(metadata_version).unwrap_or_default();
    let mut text = format!("metadata.version={metadata_version} ({})\n", release.unwrap_or(name));
    let levels = bootstrap_levels(metadata_version);
    for (feature, since) in KAFKA_FEATURES {
        let kafkas = since.iter().filter(|&&level| level <= metadata_version).count();
        let kafkas = i16::try_from(kafkas).unwrap_or(i16::MAX);
        let ours = match *feature {
            KRAFT_VERSION => kafkas,
            _ => levels.iter().find(|(name, _)| name == feature).map_or(0, |&(_, level)| level),
        };
        let note = if ours == kafkas { String::new() } else { format!(" (Apache Kafka: {kafkas}, not served yet)") };
        let _infallible = writeln!(text, "{feature}={ours}{note}");
    }
    Ok(text)
}

/// What `storage feature-dependencies` says of each of `features`.
///
/// # Errors
/// A feature or a level that Kafka does not have.
pub fn feature_dependencies(features: &[String]) -> Result<String, LevelError> {
    let mut text = String::new();
    for given in features {
        let (feature, level) = parse(given)?;
        let named = |feature: &str, level| match metadata_version_name(level).filter(|_| feature == METADATA_VERSION) {
            Some(name) => format!("{feature}={level} ({name})"),
            None => format!("{feature}={level}"),
        };
        let known = KAFKA_FEATURES.iter().find(|(name, _)| *name == feature);
        let (min, max) = match known {
            Some((_, since)) => (0, i16::try_from(since.len()).unwrap_or(i16::MAX)),
            None => (MIN_METADATA_VERSION, MAX_METADATA_VERSION),
        };
        if level < min || level > max {
            return Err(LevelError::Unserved { feature: feature.to_owned(), level, min, max });
        }
        // Kafka's tool names none for it.
        let needed: Vec<_> = needs(feature, level).filter(|_| feature != KRAFT_VERSION).collect();
        let _infallible = match needed.is_empty() {
            true => writeln!(text, "{} has no dependencies.", named(feature, level)),
            false => writeln!(text, "{} requires:", named(feature, level)),
        };
        for (feature, level) in needed {
            let _infallible = writeln!(text, "    {}", named(feature, level));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_release_a_level_or_nothing_decides_the_metadata_version() {
        let level =
            |release, asked: &[&str]| effective(release, &features(asked), true).map(|levels| levels.metadata_version);
        assert_eq!(level(None, &[]), Ok(MAX_METADATA_VERSION));
        assert_eq!(level(Some("3.9"), &[]), Ok(21));
        assert_eq!(level(None, &["metadata.version=25"]), Ok(25));
        assert_eq!(level(Some("3.9"), &["metadata.version=25"]), Err(LevelError::Twice));
        assert_eq!(level(Some("2.8"), &[]), Err(LevelError::Release { release: "2.8".into() }));
        assert!(matches!(level(None, &["metadata.version=6"]), Err(LevelError::Unserved { min: 7, .. })));
        assert!(matches!(level(None, &["metadata.version=0"]), Err(LevelError::Unserved { .. })));
    }

    #[test]
    fn kraft_version_follows_where_the_voters_stand_and_contradictions_are_refused() {
        let level =
            |asked: &[&str], dynamic| effective(None, &features(asked), dynamic).map(|levels| levels.kraft_version);
        assert_eq!((level(&[], true), level(&[], false)), (Ok(1), Ok(0)));
        assert_eq!((level(&["kraft.version=1"], true), level(&["kraft.version=0"], false)), (Ok(1), Ok(0)));
        assert_eq!(level(&["kraft.version=0"], true), Err(LevelError::VotersInLog));
        assert_eq!(level(&["kraft.version=1"], false), Err(LevelError::VotersInConfiguration { level: 1 }));
    }

    #[test]
    fn what_is_not_served_may_be_named_at_level_0_alone() {
        let levels = effective(None, &features(&["group.version=0", "share.version=0"]), true).unwrap();
        let kept = ("eligible.leader.replicas.version", 1);
        assert_eq!(levels.finalized, [(METADATA_VERSION, MAX_METADATA_VERSION), kept], "as of Kafka's new clusters");
        let levels = effective(None, &features(&["eligible.leader.replicas.version=0"]), true).unwrap();
        assert_eq!(levels.finalized, [(METADATA_VERSION, MAX_METADATA_VERSION)]);
        for (release, levels) in [("4.0", 1), ("4.1", 2), ("3.9", 1)] {
            assert_eq!(effective(Some(release), &[], true).unwrap().finalized.len(), levels, "{release}");
        }
        let below = effective(Some("3.9"), &features(&["eligible.leader.replicas.version=1"]), true).unwrap_err();
        assert!(below.to_string().contains("needs metadata.version at level 23"), "{below}");
        for (text, expected) in [
            ("group.version=9", "serves 0 to"),
            ("nonsense=1", "unknown feature nonsense"),
            ("kraft.version", "expected feature=level"),
            ("kraft.version=-1", "expected feature=level"),
            ("kraft.version=7", "serves 0 to 1"),
        ] {
            let error = effective(None, &features(&[text]), true).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_mapping_of_a_release_says_where_kafkas_level_is_another() {
        let text = version_mapping(Some("3.9")).unwrap();
        assert!(
            text.starts_with("metadata.version=21 (3.9)\nkraft.version=1\ntransaction.version=0\ngroup.version=0\n"),
            "{text}"
        );
        let text = version_mapping(None).unwrap();
        assert!(text.starts_with("metadata.version=30 (4.3-IV0)\nkraft.version=1\n"), "{text}");
        assert!(
            text.contains("\neligible.leader.replicas.version=1\nshare.version=0 (Apache Kafka: 1, not served"),
            "{text}"
        );
        assert!(version_mapping(Some("1.0")).is_err());
    }

    #[test]
    fn dependencies_are_kafkas() {
        let asked = ["metadata.version=30", "eligible.leader.replicas.version=1", "kraft.version=1"];
        let text = feature_dependencies(&features(&asked)).unwrap();
        let expected = "metadata.version=30 (4.3-IV0) has no dependencies.\neligible.leader.replicas.version=1 requires:\n    \
                        metadata.version=23 (4.0-IV1)\nkraft.version=1 has no dependencies.\n";
        assert_eq!(text, expected);
        assert!(feature_dependencies(&features(&["group.version=7"])).is_err());
    }
}
