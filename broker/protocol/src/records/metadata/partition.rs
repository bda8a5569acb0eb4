//! Partition (record type 3): a partition as a whole.

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// A partition.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-2", flexible = "0+")]
pub struct PartitionRecord<'a> {
    /// The partition's number.
    #[field(default = -1)]
    pub partition_id: i32,
    /// The topic's id.
    pub topic_id: Uuid,
    /// The brokers that hold the partition, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those that are in sync.
    pub isr: Vec<i32>,
    /// Those that a reassignment takes away.
    pub removing_replicas: Vec<i32>,
    /// Those that a reassignment adds.
    pub adding_replicas: Vec<i32>,
    /// The leader; -1 for none.
    #[field(default = -1)]
    pub leader: i32,
    /// 1 when the leader was elected from outside the ISR and has yet to recover; 0 otherwise.
    #[field(tag = 0)]
    pub leader_recovery_state: i8,
    /// How often the leader has changed.
    #[field(default = -1)]
    pub leader_epoch: i32,
    /// How often anything in the partition has changed.
    #[field(default = -1)]
    pub partition_epoch: i32,
    /// The log directory of each replica, in their order.
    #[field(versions = "1+")]
    pub directories: Vec<Uuid>,
    /// Replicas out of sync that nevertheless have all committed records; null when that is not tracked.
    #[field(versions = "2+", nullable = "2+", tag = 1, default = null)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The replicas that were last known to be such; null when that is not tracked.
    #[field(versions = "2+", nullable = "2+", tag = 2, default = null)]
    pub last_known_elr: Option<Vec<i32>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
