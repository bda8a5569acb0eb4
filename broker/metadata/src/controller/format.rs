//! The first records of a new cluster: which feature levels it has, and what these need.

use std::borrow::Cow;

use barnabas_protocol::records::metadata::{BeginTransactionRecord, EndTransactionRecord, MetadataRecord};

use super::ConfigRules;
use super::min_isr::one_min_isr;
use crate::record_version::TRANSACTIONS;
use crate::{
    Configs, ELIGIBLE_LEADER_REPLICAS, Level, MAX_METADATA_VERSION, METADATA_VERSION, bootstrap_levels, snapshot,
};

/// The feature levels of a new cluster as `bootstrap.checkpoint` holds them, where nobody asked for others.
#[must_use]
pub fn bootstrap_records() -> Vec<MetadataRecord<'static>> {
    level_records(&bootstrap_levels(MAX_METADATA_VERSION))
}

/// The records that finalise `levels`.
#[must_use]
pub fn level_records(levels: &[Level]) -> Vec<MetadataRecord<'static>> {
    levels.iter().map(|&(name, level)| snapshot::feature(name, level)).collect()
}

/// The first batch of the log: the bootstrap records and what they need, all or none. Where their level knows no transactions the
/// batch alone holds them together.
#[must_use]
pub fn first_batch(
    mut bootstrap: Vec<MetadataRecord<'static>>,
    rules: &dyn ConfigRules,
) -> Vec<MetadataRecord<'static>> {
    let level_of = |feature: &str| {
        bootstrap.iter().find_map(|record| match record {
            MetadataRecord::FeatureLevel(level) if level.name == feature => Some(level.feature_level),
            _ => None,
        })
    };
    let keeps_eligible = level_of(ELIGIBLE_LEADER_REPLICAS).is_some_and(|level| level > 0);
    let level = level_of(METADATA_VERSION);
    if keeps_eligible {
        bootstrap.extend(one_min_isr(&Configs::default(), rules));
    }
    if level.is_some_and(|level| level < TRANSACTIONS) {
        return bootstrap;
    }
    let begin =
        BeginTransactionRecord { name: Some(Cow::Borrowed("Bootstrap records")), ..BeginTransactionRecord::default() };
    let mut records = vec![MetadataRecord::BeginTransaction(begin)];
    records.extend(bootstrap);
    records.push(MetadataRecord::EndTransaction(EndTransactionRecord::default()));
    records
}
