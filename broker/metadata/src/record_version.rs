//! Which version of each record the finalised `metadata.version` allows. A newer record than the cluster's oldest node can
//! read would stop that node.

use barnabas_protocol::records::metadata::MetadataRecord;

/// 3.4-IV0: brokers that come from ZooKeeper.
const MIGRATION: i16 = 8;
/// 3.6-IV1: metadata transactions.
pub(crate) const TRANSACTIONS: i16 = 13;
/// 3.7-IV0: controllers register.
pub(crate) const CONTROLLER_REGISTRATION: i16 = 15;
/// 3.7-IV2: replicas are assigned to directories.
pub(crate) const DIRECTORY_ASSIGNMENT: i16 = 17;
/// 4.0-IV1: eligible leader replicas.
const ELIGIBLE_LEADER_REPLICAS: i16 = 23;
/// 4.3-IV0: cordoned directories.
pub(crate) const CORDONED_LOG_DIRS: i16 = 30;

/// The lowest `metadata.version` that this release reads and writes (3.3-IV3).
pub const MIN_METADATA_VERSION: i16 = 7;
/// The highest (4.3-IV0).
pub const MAX_METADATA_VERSION: i16 = 30;

/// Takes out of `record` what cannot be said at `metadata_version`, as it is then not part of the metadata either: a record must make
/// the same image where it is decided as where it is read.
pub fn fit(record: &mut MetadataRecord<'_>, metadata_version: i16) {
    match record {
        MetadataRecord::RegisterBroker(record) => {
            if metadata_version < DIRECTORY_ASSIGNMENT {
                record.log_dirs.clear();
            }
            if metadata_version < CORDONED_LOG_DIRS {
                record.cordoned_log_dirs = None;
            }
        }
        MetadataRecord::BrokerRegistrationChange(record) => {
            if metadata_version < DIRECTORY_ASSIGNMENT {
                record.log_dirs.clear();
            }
            if metadata_version < CORDONED_LOG_DIRS {
                record.cordoned_log_dirs = None;
            }
        }
        MetadataRecord::Partition(record) => {
            if metadata_version < DIRECTORY_ASSIGNMENT {
                record.directories.clear();
            }
            if metadata_version < ELIGIBLE_LEADER_REPLICAS {
                (record.eligible_leader_replicas, record.last_known_elr) = (None, None);
            }
        }
        MetadataRecord::PartitionChange(record) => {
            if metadata_version < DIRECTORY_ASSIGNMENT {
                record.directories = None;
            }
            if metadata_version < ELIGIBLE_LEADER_REPLICAS {
                (record.eligible_leader_replicas, record.last_known_elr) = (None, None);
            }
        }
        _ => {}
    }
}

/// The version in which `record` is written at `metadata_version`.
#[must_use]
pub const fn record_version(record: &MetadataRecord<'_>, metadata_version: i16) -> i16 {
    match record {
        MetadataRecord::RegisterBroker(_) => {
            if metadata_version >= CORDONED_LOG_DIRS {
                4
            } else if metadata_version >= DIRECTORY_ASSIGNMENT {
                3
            } else if metadata_version >= MIGRATION {
                2
            } else {
                1
            }
        }
        MetadataRecord::BrokerRegistrationChange(_) => {
            if metadata_version >= CORDONED_LOG_DIRS {
                3
            } else if metadata_version >= DIRECTORY_ASSIGNMENT {
                2
            } else {
                1
            }
        }
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => {
            if metadata_version >= ELIGIBLE_LEADER_REPLICAS {
                2
            } else if metadata_version >= DIRECTORY_ASSIGNMENT {
                1
            } else {
                0
            }
        }
        MetadataRecord::UnregisterBroker(_)
        | MetadataRecord::Topic(_)
        | MetadataRecord::RemoveTopic(_)
        | MetadataRecord::Config(_)
        | MetadataRecord::FeatureLevel(_)
        | MetadataRecord::ProducerIds(_)
        | MetadataRecord::RegisterController(_)
        | MetadataRecord::NoOp(_)
        | MetadataRecord::BeginTransaction(_)
        | MetadataRecord::EndTransaction(_)
        | MetadataRecord::AbortTransaction(_)
        | MetadataRecord::FenceBroker(_)
        | MetadataRecord::UnfenceBroker(_)
        | MetadataRecord::AccessControlEntry(_)
        | MetadataRecord::RemoveAccessControlEntry(_)
        | MetadataRecord::ClientQuota(_)
        | MetadataRecord::UserScramCredential(_)
        | MetadataRecord::RemoveUserScramCredential(_)
        | MetadataRecord::DelegationToken(_)
        | MetadataRecord::RemoveDelegationToken(_)
        | MetadataRecord::ClearElr(_)
        | MetadataRecord::ZkMigrationState(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::records::metadata::{
        BrokerRegistrationChangeRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
    };
    use barnabas_types::Uuid;

    use super::*;

    #[test]
    fn whatever_a_record_says_its_part_that_a_level_knows_can_be_written_at_that_level() {
        let directories = vec![Uuid::from_u128(200)];
        let full: [MetadataRecord<'_>; 4] = [
            RegisterBrokerRecord {
                log_dirs: directories.clone(),
                cordoned_log_dirs: Some(directories.clone()),
                ..Default::default()
            }
            .into(),
            BrokerRegistrationChangeRecord {
                log_dirs: directories.clone(),
                cordoned_log_dirs: Some(directories.clone()),
                ..Default::default()
            }
            .into(),
            PartitionRecord {
                directories: directories.clone(),
                eligible_leader_replicas: Some(vec![1]),
                last_known_elr: Some(vec![2]),
                ..Default::default()
            }
            .into(),
            PartitionChangeRecord {
                directories: Some(directories),
                eligible_leader_replicas: Some(vec![1]),
                last_known_elr: Some(vec![2]),
                ..Default::default()
            }
            .into(),
        ];
        for metadata_version in MIN_METADATA_VERSION..=MAX_METADATA_VERSION {
            for record in &full {
                let mut fitted = record.clone();
                fit(&mut fitted, metadata_version);
                let version = record_version(record, metadata_version);
                let bytes = fitted.encode(version).unwrap_or_else(|error| panic!("level {metadata_version}: {error}"));
                assert_eq!(MetadataRecord::decode(&bytes), Ok(fitted.clone()), "level {metadata_version}");
                assert_eq!(fitted == *record, record.encode(version).is_ok(), "level {metadata_version}: {record:?}");
            }
        }
    }
}
