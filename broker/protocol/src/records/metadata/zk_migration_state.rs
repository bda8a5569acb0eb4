//! ZkMigrationState (record type 21): how far the migration away from ZooKeeper has come. Kafka 4 reads it and heeds it no more
//! (KIP-866).

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// The state of the migration.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ZkMigrationStateRecord<'a> {
    /// 0 none, 1 under way, 2 about to begin, 3 done.
    pub zk_migration_state: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
