//! UpdateFeatures: levels go up when every node can follow, and down where nothing is lost by it. All updates of a request or none.

use std::collections::{BTreeMap, BTreeSet};

use barnabas_protocol::records::metadata::ClearElrRecord;
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::min_isr::one_min_isr;
use super::{Context, Controller, Outcome};
use crate::features::{self, KRAFT_VERSION, SERVED_FEATURES};
use crate::{ELIGIBLE_LEADER_REPLICAS, FeatureRange, METADATA_VERSION, snapshot};

/// Which way a level may go, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeType {
    /// Up (1).
    Upgrade,
    /// Down, where nothing is lost (2).
    SafeDowngrade,
    /// Down, whatever is lost (3). Kafka refuses it where something would be.
    UnsafeDowngrade,
}

impl UpgradeType {
    /// The type with Kafka's number `id`.
    #[must_use]
    pub const fn from_id(id: i8) -> Option<Self> {
        match id {
            1 => Some(Self::Upgrade),
            2 => Some(Self::SafeDowngrade),
            3 => Some(Self::UnsafeDowngrade),
            _ => None,
        }
    }
}

/// One level that is to be finalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature.
    pub feature: Box<str>,
    /// Its new level; 0 takes it away.
    pub level: i16,
    /// Which way; None when the request says none that is known.
    pub upgrade_type: Option<UpgradeType>,
}

/// Why no level was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateFeaturesError {
    /// The request names no type of update that is known.
    #[error("{feature}: the type of update is none of 1 (upgrade), 2 (safe downgrade) and 3 (unsafe downgrade)")]
    UnknownType {
        /// The feature.
        feature: Box<str>,
    },
    /// A feature named twice.
    #[error("{feature} is named more than once in the request")]
    Duplicate {
        /// The feature.
        feature: Box<str>,
    },
    /// Below zero.
    #[error("{feature} cannot have level {level}: 0 is the lowest, and switches it off")]
    Negative {
        /// The feature.
        feature: Box<str>,
        /// The level.
        level: i16,
    },
    /// The quorum's own.
    #[error("{KRAFT_VERSION} is the quorum's: it is not changed together with features of the metadata")]
    OfTheQuorum,
    /// Not a level of this release.
    #[error("{feature} cannot be set to {level}: this release serves {min} to {max} (0: not at all)")]
    NotServed {
        /// The feature.
        feature: Box<str>,
        /// The level.
        level: i16,
        /// The lowest level served.
        min: i16,
        /// The highest.
        max: i16,
    },
    /// A node that cannot run at the level.
    #[error(
        "{feature} cannot be set to {level}: {node} supports {min} to {max} (0: not at all); run a release there that supports it, or \
         unregister the node if it is gone"
    )]
    Unsupported {
        /// The feature.
        feature: Box<str>,
        /// The level.
        level: i16,
        /// Who does not support it.
        node: Box<str>,
        /// The lowest level it supports.
        min: i16,
        /// The highest.
        max: i16,
    },
    /// Down, but called an upgrade.
    #[error("{feature} is at {current}, and {level} is lower: ask for a downgrade if that is meant")]
    NotAnUpgrade {
        /// The feature.
        feature: Box<str>,
        /// Its level.
        current: i16,
        /// The level asked for.
        level: i16,
    },
    /// Up, but called a downgrade.
    #[error("{feature} is at {current}, and {level} is higher: ask for an upgrade if that is meant")]
    NotADowngrade {
        /// The feature.
        feature: Box<str>,
        /// Its level.
        current: i16,
        /// The level asked for.
        level: i16,
    },
    /// Something would be lost.
    #[error(
        "metadata.version cannot go from {current} down to {level}: the log may hold records that nobody can read at that level. Kafka \
         carries out no such downgrade, be it called safe or unsafe"
    )]
    LosesMetadata {
        /// The level.
        current: i16,
        /// The level asked for.
        level: i16,
    },
    /// Another feature is not far enough.
    #[error("{feature} cannot have level {level} while {needed} is below {needed_level}")]
    Needs {
        /// The feature.
        feature: Box<str>,
        /// Its level.
        level: i16,
        /// What it needs.
        needed: &'static str,
        /// The lowest level of that.
        needed_level: i16,
    },
}

impl UpdateFeaturesError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Duplicate { .. } => ErrorCode::INVALID_REQUEST,
            Self::UnknownType { .. }
            | Self::Negative { .. }
            | Self::OfTheQuorum
            | Self::NotServed { .. }
            | Self::Unsupported { .. }
            | Self::NotAnUpgrade { .. }
            | Self::NotADowngrade { .. }
            | Self::LosesMetadata { .. }
            | Self::Needs { .. } => ErrorCode::INVALID_UPDATE_VERSION,
        }
    }
}

impl Controller {
    /// Finalises levels, all or none. With `validate_only` there are no records. A level that is finalised already makes a record all
    /// the same, as in Kafka.
    ///
    /// # Errors
    /// The first update that is not possible.
    pub fn update_features(
        &self,
        context: &Context<'_>,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Result<Outcome<()>, UpdateFeaturesError> {
        let mut named = BTreeSet::new();
        for update in updates {
            if !named.insert(update.feature.as_ref()) {
                return Err(UpdateFeaturesError::Duplicate { feature: update.feature.clone() });
            }
            self.check_update(update)?;
        }
        let mut levels: BTreeMap<&str, i16> = self.head.features.iter().collect();
        levels.extend(updates.iter().map(|update| (update.feature.as_ref(), update.level)));
        check_needs(&levels)?;
        let begins = |update: &FeatureUpdate| *update.feature == *ELIGIBLE_LEADER_REPLICAS && update.level > 0;
        let mut records = match updates.iter().any(begins) {
            true => one_min_isr(&self.head.configs, context.rules),
            false => Vec::new(),
        };
        records.extend(updates.iter().map(|update| snapshot::feature(&update.feature, update.level).into_owned()));
        // Nobody keeps account of who is eligible from then on.
        let ends = |update: &FeatureUpdate| *update.feature == *ELIGIBLE_LEADER_REPLICAS && update.level == 0;
        if self.keeps_eligible() && updates.iter().any(ends) {
            records.push(ClearElrRecord::default().into());
        }
        Ok(Outcome { records: if validate_only { Vec::new() } else { records }, response: () })
    }

    fn check_update(&self, update: &FeatureUpdate) -> Result<(), UpdateFeaturesError> {
        let (feature, level) = (update.feature.clone(), update.level);
        let Some(upgrade_type) = update.upgrade_type else { return Err(UpdateFeaturesError::UnknownType { feature }) };
        if level < 0 {
            return Err(UpdateFeaturesError::Negative { feature, level });
        }
        if *feature == *KRAFT_VERSION {
            return Err(UpdateFeaturesError::OfTheQuorum);
        }
        self.check_supported(&feature, level)?;
        let current = self.head.features.level(&feature);
        let up = upgrade_type == UpgradeType::Upgrade;
        if level < current && up {
            return Err(UpdateFeaturesError::NotAnUpgrade { feature, current, level });
        }
        if level > current && !up {
            return Err(UpdateFeaturesError::NotADowngrade { feature, current, level });
        }
        if *feature == *METADATA_VERSION && features::loses_metadata(current, level) {
            return Err(UpdateFeaturesError::LosesMetadata { current, level });
        }
        Ok(())
    }

    /// This release, every registered broker, fenced or not, and every registered controller must be able to run at the level.
    fn check_supported(&self, feature: &str, level: i16) -> Result<(), UpdateFeaturesError> {
        let check = |node: String, min: i16, max: i16| {
            if (min..=max).contains(&level) {
                return Ok(());
            }
            let (feature, node) = (feature.into(), node.into());
            Err(UpdateFeaturesError::Unsupported { feature, level, node, min, max })
        };
        let range = |registered: &[FeatureRange]| {
            let found = registered.iter().find(|range| *range.name == *feature);
            found.map_or((0, 0), |range| (range.min, range.max))
        };
        let served = SERVED_FEATURES.iter().find(|(name, _, _)| *name == feature);
        let (min, max) = served.map_or((0, 0), |&(_, min, max)| (min, max));
        if !(min..=max).contains(&level) {
            return Err(UpdateFeaturesError::NotServed { feature: feature.into(), level, min, max });
        }
        for broker in self.head.brokers.iter() {
            let (min, max) = range(&broker.features);
            check(format!("broker {}", broker.id), min, max)?;
        }
        for controller in self.head.controllers.iter() {
            let (min, max) = range(&controller.features);
            check(format!("controller {}", controller.id), min, max)?;
        }
        Ok(())
    }
}

fn check_needs(levels: &BTreeMap<&str, i16>) -> Result<(), UpdateFeaturesError> {
    for (&feature, &level) in levels {
        for (needed, needed_level) in features::needs(feature, level) {
            if levels.get(needed).copied().unwrap_or(0) < needed_level {
                return Err(UpdateFeaturesError::Needs { feature: feature.into(), level, needed, needed_level });
            }
        }
    }
    Ok(())
}
