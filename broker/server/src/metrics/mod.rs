//! What `/metrics` shows, one file per component. Hot paths hold resolved handles; values per partition are read when
//! somebody asks. Label values are closed sets (API names, error names, listeners), never what a client sent.

mod cleaner;
mod connections;
mod detection;
mod directories;
mod metadata;
mod opening;
mod partitions;
mod replication;
mod requests;
mod scrub;

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{Encoder, Registry, TextEncoder};

pub use cleaner::CleanerMetrics;
pub use connections::{ConnectionMetrics, ListenerMetrics};
pub use detection::DetectionMetrics;
pub use directories::DirectoryCollector;
pub use metadata::MetadataCollector;
pub use opening::OpeningCollector;
pub use partitions::PartitionCollector;
pub use replication::ReplicationCollector;
pub use requests::RequestMetrics;
pub use scrub::ScrubMetrics;

/// All metrics of one node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests by API.
    pub requests: RequestMetrics,
    /// Connections and bytes by listener.
    pub connections: ConnectionMetrics,
    /// What the failure detector asked and found.
    pub detection: DetectionMetrics,
    /// Compaction.
    pub cleaner: Arc<CleanerMetrics>,
    /// What was read again from disk.
    pub scrub: ScrubMetrics,
}

/// A metric that is shown from now on.
fn registered<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: Result<M, prometheus::Error>,
) -> Result<M, prometheus::Error> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

impl Metrics {
    /// Registers everything, the figures of the process included.
    ///
    /// # Errors
    /// Two metrics of the same name, which is a mistake in this crate.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let requests = RequestMetrics::new(&registry)?;
        let connections = ConnectionMetrics::new(&registry)?;
        let detection = DetectionMetrics::new(&registry)?;
        let cleaner = Arc::new(CleanerMetrics::new(&registry)?);
        let scrub = ScrubMetrics::new(&registry)?;
        Ok(Self { registry, requests, connections, detection, cleaner, scrub })
    }

    /// Adds figures that are read when somebody asks.
    ///
    /// # Errors
    /// A metric of the same name exists.
    pub fn register(&self, collector: Box<dyn Collector>) -> Result<(), prometheus::Error> {
        self.registry.register(collector)
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// A collector returned something that has no text form.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_process_memory_and_processor_time() {
        let text = String::from_utf8(Metrics::new().unwrap().render().unwrap()).unwrap();
        assert!(text.contains("process_resident_memory_bytes "));
        assert!(text.contains("process_cpu_seconds_total "));
    }
}
