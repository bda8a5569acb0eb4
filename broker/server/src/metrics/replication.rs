//! How the partitions of this broker are replicated, read when somebody asks: what people are alerted by. One number each for the broker;
//! values per partition are beside the others in `partitions`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge};

use crate::replica::{Following, Replicas};

/// Reads the hosted partitions and the fetchers at scrape time.
pub struct ReplicationCollector {
    replicas: Arc<Replicas>,
    descriptions: Figures,
}

struct Figures {
    led: IntGauge,
    under_replicated: IntGauge,
    under_min_isr: IntGauge,
    at_min_isr: IntGauge,
    reassigning: IntGauge,
    offline: IntGauge,
    max_follower_lag: IntGauge,
    fetchers: IntGauge,
    fetched: IntGauge,
    set_aside: IntGauge,
    isr_shrinks: IntCounter,
    isr_expands: IntCounter,
    isr_failures: IntCounter,
}

impl Figures {
    fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let counter = |name: &str, help: &str| IntCounter::new(name, help);
        Ok(Self {
            led: gauge("barnabas_led_partitions", "Partitions that this broker leads.")?,
            under_replicated: gauge(
                "barnabas_under_replicated_partitions",
                "Partitions led here of which not all replicas are in sync.",
            )?,
            under_min_isr: gauge(
                "barnabas_under_min_isr_partitions",
                "Partitions led here with fewer replicas in sync than min.insync.replicas: acks=all is refused.",
            )?,
            at_min_isr: gauge(
                "barnabas_at_min_isr_partitions",
                "Partitions led here with just min.insync.replicas in sync: one less, and acks=all is refused.",
            )?,
            reassigning: gauge("barnabas_reassigning_partitions", "Partitions led here that get other replicas.")?,
            offline: gauge("barnabas_offline_replicas", "Replicas on this broker whose log cannot be used.")?,
            max_follower_lag: gauge(
                "barnabas_max_follower_lag_records",
                "Records that the furthest follower of a partition led here lacks.",
            )?,
            fetchers: gauge("barnabas_fetchers", "Fetchers of this broker, one for each leader and durability.")?,
            fetched: gauge("barnabas_fetched_partitions", "Partitions that this broker fetches from their leaders.")?,
            set_aside: gauge(
                "barnabas_set_aside_partitions",
                "Partitions that failed and are not fetched before the metadata says something new of them.",
            )?,
            isr_shrinks: counter("barnabas_isr_shrinks_total", "Replicas taken out of the ISR by this broker.")?,
            isr_expands: counter("barnabas_isr_expands_total", "Replicas let into the ISR by this broker.")?,
            isr_failures: counter("barnabas_isr_update_failures_total", "Changes of an ISR that were not done.")?,
        })
    }

    fn gauges(&self) -> [&IntGauge; 10] {
        [
            &self.led,
            &self.under_replicated,
            &self.under_min_isr,
            &self.at_min_isr,
            &self.reassigning,
            &self.offline,
            &self.max_follower_lag,
            &self.fetchers,
            &self.fetched,
            &self.set_aside,
        ]
    }

    fn counters(&self) -> [&IntCounter; 3] {
        [&self.isr_shrinks, &self.isr_expands, &self.isr_failures]
    }
}

impl ReplicationCollector {
    /// Shows `replicas`.
    ///
    /// # Errors
    /// A name that Prometheus does not take, which is a mistake in this file.
    pub fn new(replicas: Arc<Replicas>) -> Result<Self, prometheus::Error> {
        Ok(Self { replicas, descriptions: Figures::new()? })
    }
}

impl Collector for ReplicationCollector {
    fn desc(&self) -> Vec<&Desc> {
        let figures = &self.descriptions;
        let counters = figures.counters().into_iter().flat_map(Collector::desc);
        figures.gauges().into_iter().flat_map(Collector::desc).chain(counters).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(figures) = Figures::new() else { return Vec::new() };
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        figures.offline.set(count(self.replicas.unopened()));
        // None while a write to it hangs.
        for standing in self.replicas.all().iter().filter_map(|partition| partition.standing()) {
            let counted = [
                (&figures.led, standing.is_leader),
                (&figures.under_replicated, standing.is_under_replicated),
                (&figures.under_min_isr, standing.is_under_min_isr),
                (&figures.at_min_isr, standing.is_at_min_isr),
                (&figures.reassigning, standing.is_reassigning),
                (&figures.offline, standing.is_offline),
            ];
            counted.into_iter().filter(|(_, is_so)| *is_so).for_each(|(gauge, _)| gauge.inc());
            let lag = standing.follower_lag.unwrap_or(0);
            figures.max_follower_lag.set(figures.max_follower_lag.get().max(lag));
        }
        let surroundings = self.replicas.surroundings();
        let Following { fetchers, partitions, set_aside } = surroundings.following();
        figures.fetchers.set(count(fetchers));
        figures.fetched.set(count(partitions));
        figures.set_aside.set(count(set_aside));
        let changes = surroundings.isr_changes();
        let total = |counter: &IntCounter, so_many: &AtomicU64| counter.inc_by(so_many.load(Ordering::Relaxed));
        total(&figures.isr_shrinks, &changes.shrunk);
        total(&figures.isr_expands, &changes.expanded);
        total(&figures.isr_failures, &changes.failed);
        let counters = figures.counters().into_iter().flat_map(Collector::collect);
        figures.gauges().into_iter().flat_map(Collector::collect).chain(counters).collect()
    }
}

#[cfg(test)]
mod tests {
    use barnabas_types::{BrokerId, LeaderEpoch, Offset, TopicIdPartition, Uuid};

    use super::*;
    use crate::metrics::Metrics;
    use crate::replica::PartitionConfig;
    use crate::replica::tests::{append_one, partition};

    #[test]
    fn a_scrape_shows_what_lacks_replicas_and_by_how_much_the_furthest_follower_lags() {
        let config = PartitionConfig { min_insync_replicas: 2, ..PartitionConfig::default() };
        let (_directory, led) = partition(Arc::default(), config);
        let replicas = Arc::new(Replicas::default());
        replicas.insert(Arc::clone(&led));
        replicas.set_offline(TopicIdPartition { topic_id: Uuid::from_u128(8), partition: 0 }, led.name.clone());
        let metrics = Metrics::new().unwrap();
        metrics.register(Box::new(ReplicationCollector::new(Arc::clone(&replicas)).unwrap())).unwrap();
        let shows = |lines: &[&str]| {
            let page = String::from_utf8(metrics.render().unwrap()).unwrap();
            for line in lines {
                assert!(page.lines().any(|shown| shown == *line), "{line} is not on the page:\n{page}");
            }
        };
        shows(&[
            "barnabas_led_partitions 1",
            "barnabas_under_replicated_partitions 0",
            "barnabas_under_min_isr_partitions 0",
            "barnabas_at_min_isr_partitions 1",
            "barnabas_offline_replicas 1",
            "barnabas_max_follower_lag_records 0",
            "barnabas_isr_shrinks_total 0",
        ]);
        led.assign_to(LeaderEpoch(4), BrokerId(1), &[BrokerId(1), BrokerId(2)]);
        append_one(&led);
        led.fetched_by(BrokerId(2), Offset(0));
        shows(&["barnabas_at_min_isr_partitions 1", "barnabas_max_follower_lag_records 1"]);
        led.shrink_to(LeaderEpoch(4), &[BrokerId(1), BrokerId(2)]);
        let surroundings = replicas.surroundings();
        surroundings.isr_changes().shrunk.fetch_add(2, Ordering::Relaxed);
        shows(&[
            "barnabas_under_replicated_partitions 1",
            "barnabas_under_min_isr_partitions 1",
            "barnabas_at_min_isr_partitions 0",
            "barnabas_isr_shrinks_total 2",
        ]);
        led.assign_to(LeaderEpoch(5), BrokerId(2), &[BrokerId(1), BrokerId(2)]);
        shows(&["barnabas_led_partitions 0", "barnabas_under_replicated_partitions 0"]);
    }
}
