//! How far the opening of partitions has come, read when somebody asks.

use std::sync::Arc;

use prometheus::IntGauge;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::storage::OpeningProgress;

/// Reads the progress at scrape time.
pub struct OpeningCollector {
    progress: Arc<OpeningProgress>,
    left: IntGauge,
    recovered_logs: IntGauge,
    recovered_bytes: IntGauge,
}

impl OpeningCollector {
    /// Shows `progress`.
    ///
    /// # Errors
    /// A name that Prometheus does not take, which is a mistake in this file.
    pub fn new(progress: Arc<OpeningProgress>) -> Result<Self, prometheus::Error> {
        let bytes = "Bytes read and checked after a crash, since the start.";
        Ok(Self {
            progress,
            left: IntGauge::new("barnabas_partitions_opening", "Partitions that are still to be opened.")?,
            recovered_logs: IntGauge::new("barnabas_recovered_logs", "Logs read after a crash, since the start.")?,
            recovered_bytes: IntGauge::new("barnabas_recovered_bytes", bytes)?,
        })
    }

    fn all(&self) -> [&IntGauge; 3] {
        [&self.left, &self.recovered_logs, &self.recovered_bytes]
    }
}

impl Collector for OpeningCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let figure = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.left.set(figure(self.progress.left()));
        self.recovered_logs.set(figure(self.progress.recovered_logs()));
        self.recovered_bytes.set(figure(self.progress.recovered_bytes()));
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}
