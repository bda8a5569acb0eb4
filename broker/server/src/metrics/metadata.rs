//! Figures of the metadata, read when somebody asks: how far it is committed and applied here, and what it holds.

use barnabas_metadata::PartitionCounts;
use prometheus::IntGauge;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use tokio::sync::watch;

use crate::metadata::{Applied, Published};

/// Reads the metadata at scrape time.
pub struct MetadataCollector {
    committed: watch::Receiver<Published>,
    applied: Applied,
    gauges: Gauges,
}

struct Gauges {
    committed_end: IntGauge,
    applied_end: IntGauge,
    /// Of the hash as many bits as a number of Prometheus holds.
    image_hash: IntGauge,
    /// -1: this node does not lead the quorum.
    quorum_epoch: IntGauge,
    topics: IntGauge,
    active_brokers: IntGauge,
    fenced_brokers: IntGauge,
    active_controller: IntGauge,
    offline_partitions: IntGauge,
    unbalanced_partitions: IntGauge,
}

impl Gauges {
    fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        Ok(Self {
            committed_end: gauge("barnabas_metadata_committed_end_offset", "Offset after the last committed record.")?,
            applied_end: gauge("barnabas_metadata_applied_end_offset", "Offset after the last record in force here.")?,
            image_hash: gauge(
                "barnabas_metadata_image_hash",
                "Upper 52 bits of the hash of all committed metadata. Nodes at the same committed end offset show the same.",
            )?,
            quorum_epoch: gauge("barnabas_quorum_leader_epoch", "Epoch that this node leads the quorum in, or -1.")?,
            topics: gauge("barnabas_topics", "Topics of the cluster.")?,
            active_brokers: gauge("barnabas_active_brokers", "Brokers that may lead.")?,
            fenced_brokers: gauge(
                "barnabas_fenced_brokers",
                "Registered brokers that may not lead: mostly such as are down.",
            )?,
            active_controller: gauge("barnabas_active_controller", "1 on the controller that decides, else 0.")?,
            offline_partitions: gauge(
                "barnabas_offline_partitions",
                "Partitions of the cluster that nobody leads; on the active controller only.",
            )?,
            unbalanced_partitions: gauge(
                "barnabas_preferred_replica_imbalance",
                "Partitions of the cluster that are not led by their first replica; on the active controller only.",
            )?,
        })
    }

    /// What only the active controller shows.
    const fn of_controller(&self) -> [&IntGauge; 2] {
        [&self.offline_partitions, &self.unbalanced_partitions]
    }

    fn all(&self) -> [&IntGauge; 8] {
        [
            &self.committed_end,
            &self.applied_end,
            &self.image_hash,
            &self.quorum_epoch,
            &self.topics,
            &self.active_brokers,
            &self.fenced_brokers,
            &self.active_controller,
        ]
    }
}

impl MetadataCollector {
    /// Shows what comes out of `committed`, and how far `applied` has followed.
    ///
    /// # Errors
    /// A name that Prometheus does not take, which is a mistake in this file.
    pub fn new(committed: watch::Receiver<Published>, applied: Applied) -> Result<Self, prometheus::Error> {
        Ok(Self { committed, applied, gauges: Gauges::new()? })
    }
}

impl Collector for MetadataCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.all().into_iter().chain(self.gauges.of_controller()).flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Published { image, end, epoch, partitions } = self.committed.borrow().clone();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.gauges.committed_end.set(end.0);
        self.gauges.applied_end.set(self.applied.end().0);
        self.gauges.image_hash.set(i64::try_from(image.hash() >> 12).unwrap_or(0));
        self.gauges.quorum_epoch.set(i64::from(epoch.0));
        self.gauges.topics.set(count(image.topics.len()));
        self.gauges.active_brokers.set(count(image.brokers.iter().filter(|broker| broker.is_active()).count()));
        self.gauges.fenced_brokers.set(count(image.brokers.iter().filter(|broker| broker.fenced).count()));
        self.gauges.active_controller.set(i64::from(partitions.is_some()));
        let PartitionCounts { leaderless, unbalanced } = partitions.unwrap_or_default();
        self.gauges.offline_partitions.set(count(leaderless));
        self.gauges.unbalanced_partitions.set(count(unbalanced));
        let of_controller = self.gauges.of_controller().into_iter().filter(|_| partitions.is_some());
        self.gauges.all().into_iter().chain(of_controller).flat_map(Collector::collect).collect()
    }
}

#[cfg(test)]
mod tests {
    use barnabas_types::{LeaderEpoch, Offset};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_scrape_shows_what_is_committed_now() {
        let (sender, committed) = watch::channel(Published::default());
        let metrics = Metrics::new().unwrap();
        metrics.register(Box::new(MetadataCollector::new(committed, Applied::default()).unwrap())).unwrap();
        sender.send_replace(Published { end: Offset(42), epoch: LeaderEpoch(3), ..Published::default() });
        let page = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in [
            "barnabas_metadata_committed_end_offset 42",
            "barnabas_metadata_applied_end_offset 0",
            "barnabas_metadata_image_hash 0",
            "barnabas_quorum_leader_epoch 3",
        ] {
            assert!(page.lines().any(|shown| shown == line), "{line} is not on the page:\n{page}");
        }
    }

    #[test]
    fn partitions_without_a_leader_are_shown_where_they_are_decided_on_and_nowhere_else() {
        let (sender, committed) = watch::channel(Published::default());
        let metrics = Metrics::new().unwrap();
        metrics.register(Box::new(MetadataCollector::new(committed, Applied::default()).unwrap())).unwrap();
        let page = || String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(page().contains("\nbarnabas_active_controller 0\n") && !page().contains("barnabas_offline_partitions"));
        let partitions = Some(PartitionCounts { leaderless: 3, unbalanced: 5 });
        sender.send_replace(Published { partitions, ..Published::default() });
        for line in
            ["barnabas_active_controller 1", "barnabas_offline_partitions 3", "barnabas_preferred_replica_imbalance 5"]
        {
            assert!(page().lines().any(|shown| shown == line), "{line}");
        }
    }
}
