//! The first records of a new cluster: which feature levels it has.

use std::borrow::Cow;

use barnabas_protocol::records::metadata::{BeginTransactionRecord, EndTransactionRecord, MetadataRecord};

use crate::{MAX_METADATA_VERSION, METADATA_VERSION, snapshot};

/// The features that this release serves in full, with the level it finalises in a new cluster.
///
/// What is missing here has level 0, for which no record is written: `group.version` (the new consumer groups),
/// `transaction.version`, `eligible.leader.replicas.version`, `share.version` and `streams.version`. A client that finds such a
/// level finalised relies on everything that it promises.
pub const BOOTSTRAP_FEATURES: &[(&str, i16)] = &[(METADATA_VERSION, MAX_METADATA_VERSION)];

/// The feature levels as `bootstrap.checkpoint` holds them.
#[must_use]
pub fn bootstrap_records() -> Vec<MetadataRecord<'static>> {
    BOOTSTRAP_FEATURES.iter().map(|&(name, level)| snapshot::feature(name, level)).collect()
}

/// The first batch of the log: the bootstrap records, all or none.
#[must_use]
pub fn first_batch(bootstrap: Vec<MetadataRecord<'static>>) -> Vec<MetadataRecord<'static>> {
    let begin =
        BeginTransactionRecord { name: Some(Cow::Borrowed("Bootstrap records")), ..BeginTransactionRecord::default() };
    let mut records = vec![MetadataRecord::BeginTransaction(begin)];
    records.extend(bootstrap);
    records.push(MetadataRecord::EndTransaction(EndTransactionRecord::default()));
    records
}
