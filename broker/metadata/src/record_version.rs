//! Which version of each record the finalised `metadata.version` allows. A newer record than the cluster's oldest node can
//! read would stop that node.

use barnabas_protocol::records::metadata::MetadataRecord;

/// 3.4-IV0: brokers that come from ZooKeeper.
const MIGRATION: i16 = 8;
/// 3.7-IV2: replicas are assigned to directories.
const DIRECTORY_ASSIGNMENT: i16 = 17;
/// 4.0-IV1: eligible leader replicas.
const ELIGIBLE_LEADER_REPLICAS: i16 = 23;
/// 4.3-IV0: cordoned directories.
const CORDONED_LOG_DIRS: i16 = 30;

/// The lowest `metadata.version` that this release reads and writes (3.3-IV3).
pub const MIN_METADATA_VERSION: i16 = 7;
/// The highest (4.3-IV0).
pub const MAX_METADATA_VERSION: i16 = 30;

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
