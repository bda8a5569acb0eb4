//! The settings that a group shard goes by, each under Kafka's name. Reads none: the server fills it in.

use serde::{Deserialize, Serialize};

/// Settings of a group shard. `Default` gives Kafka's defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members of one group.
    pub max_size: usize,
    /// How long a new member's first JoinGroup may stay parked. Not a setting in Kafka either.
    pub new_member_join_timeout_ms: i32,
    /// `offset.metadata.max.bytes`, which Kafka counts in UTF-16 units.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval_ms: i64,
    /// The largest record that the partition takes: `max.message.bytes` of `__consumer_offsets`, less a batch's header.
    pub max_record_bytes: usize,
    /// Groups of one shard. Kafka has no bound; ours keeps a client that invents names from filling the memory.
    pub max_groups: usize,
    /// Member ids of one group that were given out and have not come back yet; bounded for the same reason.
    pub max_pending_members: usize,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 10_080 * 60_000,
            offsets_retention_check_interval_ms: 600_000,
            max_record_bytes: 1_048_588 - 100,
            max_groups: 100_000,
            max_pending_members: 10_000,
        }
    }
}
