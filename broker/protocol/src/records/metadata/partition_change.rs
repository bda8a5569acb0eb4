//! PartitionChange (record type 5): what changed in a partition. Every such record adds 1 to the partition epoch, and one that sets
//! the leader adds 1 to the leader epoch.

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// The changed parts of a partition.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct PartitionChangeRecord<'a> {
    /// The partition's number.
    #[field(default = -1)]
    pub partition_id: i32,
    /// The topic's id.
    pub topic_id: Uuid,
    /// The new in-sync replicas; null when they stay.
    #[field(nullable = "0+", tag = 0, default = null)]
    pub isr: Option<Vec<i32>>,
    /// The new leader; -1 for none, -2 when it stays.
    #[field(tag = 1, default = -2)]
    pub leader: i32,
    /// The new replicas; null when they stay.
    #[field(nullable = "0+", tag = 2, default = null)]
    pub replicas: Option<Vec<i32>>,
    /// The replicas that a reassignment takes away; null when they stay.
    #[field(nullable = "0+", tag = 3, default = null)]
    pub removing_replicas: Option<Vec<i32>>,
    /// The replicas that a reassignment adds; null when they stay.
    #[field(nullable = "0+", tag = 4, default = null)]
    pub adding_replicas: Option<Vec<i32>>,
    /// The new state of recovery, 0 or 1; -1 when it stays.
    #[field(tag = 5, default = -1)]
    pub leader_recovery_state: i8,
    /// The new log directories; null when they stay.
    #[field(versions = "1+", nullable = "1+", tag = 8, default = null)]
    pub directories: Option<Vec<Uuid>>,
    /// The new replicas that may lead although out of sync; null when they stay.
    #[field(versions = "2+", nullable = "2+", tag = 6, default = null)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The new last known ones; null when they stay.
    #[field(versions = "2+", nullable = "2+", tag = 7, default = null)]
    pub last_known_elr: Option<Vec<i32>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
