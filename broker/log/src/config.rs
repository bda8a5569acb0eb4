//! What a log needs to know of its topic's configuration. Resolves nothing: defaults and overrides are the caller's.

/// Settings of one partition's log, named as Kafka's topic configurations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment grows to at most this size, unless one batch is larger. At most `i32::MAX`.
    pub segment_bytes: u32,
    /// `segment.ms`: a batch this much newer than the segment's first goes to a new segment.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is taken off `segment_ms`, differently for each segment.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: an index grows to at most this size.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: an index entry is added after more than this many bytes of batches.
    pub index_interval_bytes: u32,
    /// `retention.ms`: records older than this go; below 0 none does.
    pub retention_ms: i64,
    /// `retention.bytes`: the oldest segments go while the rest is at least this large; below 0 none does.
    pub retention_bytes: i64,
    /// `cleanup.policy` contains `delete`.
    pub delete: bool,
    /// `cleanup.policy` contains `compact`.
    pub compact: bool,
    /// `preallocate`: a segment takes all of `segment_bytes` on the disk when its first batch is written.
    pub preallocate: bool,
    /// `delete.retention.ms`: tombstones and transaction markers stay this long after compaction has met them.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: no segment is compacted that holds a younger record.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: segments with an older record are compacted, however little there is to gain.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: a log is compacted once more than this share of its bytes was not, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `producer.id.expiration.ms`: producers silent for so long are forgotten.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1000;
        Self {
            segment_bytes: 1024 * 1024 * 1024,
            segment_ms: WEEK_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 * 1024 * 1024,
            index_interval_bytes: 4096,
            retention_ms: WEEK_MS,
            retention_bytes: -1,
            delete: true,
            compact: false,
            preallocate: false,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
        }
    }
}

impl LogConfig {
    /// How long a segment stays the active one, in milliseconds: what must be compacted in time must be sealed in time.
    pub(crate) fn roll_ms(&self) -> i64 {
        if self.compact { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }
}
