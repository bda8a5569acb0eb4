//! Figures of the log directories, read when somebody asks: what they take, how much room they had when somebody looked last. Looks at
//! no disk, which could hang. Label `directory`: the paths of `log.dirs`.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts};

use crate::replica::Replicas;
use crate::storage::LogDirectories;

/// Reads the directories at scrape time.
pub struct DirectoryCollector {
    directories: Arc<LogDirectories>,
    replicas: Arc<Replicas>,
    descriptions: Figures,
}

struct Figures {
    online: IntGaugeVec,
    full: IntGaugeVec,
    full_total: IntCounterVec,
    slow: IntGaugeVec,
    slow_total: IntCounterVec,
    total_bytes: IntGaugeVec,
    usable_bytes: IntGaugeVec,
    partitions: IntGaugeVec,
    unopened: IntGauge,
    unreported: IntGauge,
}

impl Figures {
    fn new() -> Result<Self, prometheus::Error> {
        let labels = &["directory"];
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), labels);
        let counter = |name: &str, help: &str| IntCounterVec::new(Opts::new(name, help), labels);
        Ok(Self {
            online: gauge("barnabas_log_directory_online", "1, or 0 when the disk has failed.")?,
            full: gauge("barnabas_log_directory_full", "1 while Produce is refused for want of room.")?,
            full_total: counter("barnabas_log_directory_full_total", "How often the disk got full.")?,
            slow: gauge("barnabas_log_directory_slow", "1 while a sync or a write has not finished in time.")?,
            slow_total: counter(
                "barnabas_log_directory_slow_total",
                "How often a sync or a write did not finish in time.",
            )?,
            total_bytes: gauge("barnabas_log_directory_total_bytes", "Size of the volume.")?,
            usable_bytes: gauge("barnabas_log_directory_usable_bytes", "Bytes of the volume that may be written.")?,
            partitions: gauge("barnabas_log_directory_partitions", "Partitions in the directory.")?,
            unopened: IntGauge::new("barnabas_partitions_unopened", "Partitions whose logs cannot be opened.")?,
            unreported: IntGauge::new(
                "barnabas_directory_assignments_queued",
                "Replicas whose log directory the controller has not noted yet.",
            )?,
        })
    }

    fn all(&self) -> [&dyn Collector; 10] {
        [
            &self.online,
            &self.full,
            &self.full_total,
            &self.slow,
            &self.slow_total,
            &self.total_bytes,
            &self.usable_bytes,
            &self.partitions,
            &self.unopened,
            &self.unreported,
        ]
    }
}

impl DirectoryCollector {
    /// Shows `directories`, and what of `replicas` has no log.
    ///
    /// # Errors
    /// A name that Prometheus does not take, which is a mistake in this file.
    pub fn new(directories: Arc<LogDirectories>, replicas: Arc<Replicas>) -> Result<Self, prometheus::Error> {
        Ok(Self { directories, replicas, descriptions: Figures::new()? })
    }
}

impl Collector for DirectoryCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(figures) = Figures::new() else { return Vec::new() };
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        for directory in self.directories.all() {
            let (path, condition) = (directory.path.display().to_string(), &directory.condition);
            let labels = &[path.as_str()];
            let (times_full, times_slow) = condition.times();
            figures.online.with_label_values(labels).set(i64::from(!condition.is_offline()));
            figures.full.with_label_values(labels).set(i64::from(condition.is_full()));
            figures.full_total.with_label_values(labels).inc_by(times_full);
            figures.slow.with_label_values(labels).set(i64::from(condition.is_slow()));
            figures.slow_total.with_label_values(labels).inc_by(times_slow);
            figures.partitions.with_label_values(labels).set(number(directory.partitions() as u64));
            if let Some(space) = condition.space() {
                figures.total_bytes.with_label_values(labels).set(number(space.total_bytes));
                figures.usable_bytes.with_label_values(labels).set(number(space.usable_bytes));
            }
        }
        for path in self.directories.not_taken() {
            figures.online.with_label_values(&[path.display().to_string().as_str()]).set(0);
        }
        figures.unopened.set(number(self.replicas.unopened() as u64));
        figures.unreported.set(number(self.replicas.surroundings().unreported_directories() as u64));
        figures.all().into_iter().flat_map(Collector::collect).collect()
    }
}
