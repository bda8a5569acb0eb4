//! The log cleaner: how dirty logs are, what compacting them took and gained, and what it cannot compact. Kafka's figures of
//! `kafka.log:type=LogCleaner` and `LogCleanerManager`.

use std::collections::HashMap;
use std::sync::Arc;

use barnabas_log::Compacted;
use barnabas_types::{Timestamp, Uuid};
use prometheus::{Gauge, GaugeVec, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use super::registered;
use crate::replica::Partition;
use crate::storage::LogDirectories;

/// Figures of the log cleaner.
#[derive(Debug)]
pub struct CleanerMetrics {
    max_dirty_percent: Gauge,
    max_compaction_delay_seconds: Gauge,
    cleanable_partitions: IntGauge,
    last_run_seconds: Gauge,
    /// By `log_directory`, the paths of `log.dirs`.
    uncleanable_partitions: IntGaugeVec,
    uncleanable_bytes: GaugeVec,
    compactions: IntCounter,
    failures: IntCounter,
    bytes_read: IntCounter,
    bytes_kept: IntCounter,
    records_read: IntCounter,
    records_kept: IntCounter,
}

impl CleanerMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help));
        let gauge = |name, help| registered(registry, Gauge::new(name, help));
        let directory = &["log_directory"];
        let help =
            "Compacted partitions that failed and are not tried again before a restart or a change of their topic.";
        let options = Opts::new("barnabas_log_cleaner_uncleanable_partitions", help);
        let uncleanable_partitions = registered(registry, IntGaugeVec::new(options, directory))?;
        let help = "Bytes of those partitions that should be compacted.";
        let options = Opts::new("barnabas_log_cleaner_uncleanable_bytes", help);
        let uncleanable_bytes = registered(registry, GaugeVec::new(options, directory))?;
        let help = "Compacted partitions that are dirty enough to be compacted now.";
        let cleanable_partitions =
            registered(registry, IntGauge::new("barnabas_log_cleaner_cleanable_partitions", help))?;
        Ok(Self {
            max_dirty_percent: gauge(
                "barnabas_log_cleaner_max_dirty_percent",
                "Of the dirtiest log: which part was not compacted, 0 to 100.",
            )?,
            max_compaction_delay_seconds: gauge(
                "barnabas_log_cleaner_max_compaction_delay_seconds",
                "By how much a record has outstayed max.compaction.lag.ms at most.",
            )?,
            cleanable_partitions,
            last_run_seconds: gauge(
                "barnabas_log_cleaner_last_run_timestamp_seconds",
                "When the cleaner last looked for something to do.",
            )?,
            uncleanable_partitions,
            uncleanable_bytes,
            compactions: counter("barnabas_log_cleaner_compactions_total", "Passes that went through.")?,
            failures: counter("barnabas_log_cleaner_failures_total", "Partitions found to be uncleanable.")?,
            bytes_read: counter("barnabas_log_cleaner_read_bytes_total", "Bytes of the segments written anew.")?,
            bytes_kept: counter("barnabas_log_cleaner_kept_bytes_total", "Bytes of what was left of them.")?,
            records_read: counter("barnabas_log_cleaner_read_records_total", "Records of the segments written anew.")?,
            records_kept: counter("barnabas_log_cleaner_kept_records_total", "Records that were left of them.")?,
        })
    }

    /// The cleaner has looked at all partitions.
    pub fn looked(&self, largest_ratio: f64, longest_overdue_ms: i64, cleanable: i64, now: Timestamp) {
        self.max_dirty_percent.set(largest_ratio * 100.0);
        self.max_compaction_delay_seconds.set(longest_overdue_ms as f64 / 1000.0);
        self.cleanable_partitions.set(cleanable);
        self.last_run_seconds.set(now.0 as f64 / 1000.0);
    }

    /// The partitions that cannot be compacted, with their dirty bytes.
    pub fn uncleanable(&self, directories: &LogDirectories, partitions: &[(Arc<Partition>, u64)]) {
        let mut found: HashMap<Uuid, (i64, u64)> = HashMap::new();
        for (partition, bytes) in partitions {
            let (count, sum) = found.entry(partition.directory).or_default();
            (*count, *sum) = (*count + 1, *sum + bytes);
        }
        for directory in directories.all() {
            let (count, bytes) = found.remove(&directory.id).unwrap_or_default();
            let label = &[directory.path.to_string_lossy()];
            self.uncleanable_partitions.with_label_values(label).set(count);
            self.uncleanable_bytes.with_label_values(label).set(bytes as f64);
        }
    }

    /// A pass went through.
    pub fn compacted(&self, done: &Compacted) {
        let ([bytes_read, bytes_kept], [records_read, records_kept]) = (done.bytes, done.records);
        self.compactions.inc();
        self.bytes_read.inc_by(bytes_read);
        self.bytes_kept.inc_by(bytes_kept);
        self.records_read.inc_by(records_read);
        self.records_kept.inc_by(records_kept);
    }

    /// A partition turned out to be uncleanable.
    pub fn failed(&self) {
        self.failures.inc();
    }
}
