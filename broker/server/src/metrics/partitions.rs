//! Figures per partition, read when somebody asks: offsets and size. Beyond the limit partitions are left out, in the order
//! of their names, and counted, so that a page stays readable by those who scrape it.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts};

use crate::replica::Replicas;

/// Reads the hosted partitions at scrape time.
pub struct PartitionCollector {
    replicas: Arc<Replicas>,
    max_partitions: usize,
    descriptions: Gauges,
}

struct Gauges {
    log_start: IntGaugeVec,
    log_end: IntGaugeVec,
    high_watermark: IntGaugeVec,
    size_bytes: IntGaugeVec,
    in_sync: IntGaugeVec,
    follower_lag: IntGaugeVec,
    hosted: IntGauge,
    left_out: IntGauge,
}

impl Gauges {
    fn new() -> Result<Self, prometheus::Error> {
        let labels = &["topic", "partition"];
        let per_partition = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), labels);
        Ok(Self {
            log_start: per_partition("barnabas_partition_log_start_offset", "First offset that may be read.")?,
            log_end: per_partition("barnabas_partition_log_end_offset", "Offset of the next record.")?,
            high_watermark: per_partition("barnabas_partition_high_watermark", "Consumers read below this offset.")?,
            size_bytes: per_partition("barnabas_partition_size_bytes", "Bytes of all segments.")?,
            in_sync: per_partition(
                "barnabas_partition_in_sync_replicas",
                "Replicas in sync; where this broker leads.",
            )?,
            follower_lag: per_partition(
                "barnabas_partition_follower_lag_records",
                "Records that the furthest follower lacks; where this broker leads others.",
            )?,
            hosted: IntGauge::new("barnabas_partitions", "Partitions hosted by this broker.")?,
            left_out: IntGauge::new("barnabas_partitions_left_out", "Partitions that are not shown on this page.")?,
        })
    }

    fn vectors(&self) -> [&IntGaugeVec; 6] {
        [&self.log_start, &self.log_end, &self.high_watermark, &self.size_bytes, &self.in_sync, &self.follower_lag]
    }
}

impl PartitionCollector {
    /// Shows at most `max_partitions` of `replicas`.
    ///
    /// # Errors
    /// A name that Prometheus does not take, which is a mistake in this file.
    pub fn new(replicas: Arc<Replicas>, max_partitions: usize) -> Result<Self, prometheus::Error> {
        Ok(Self { replicas, max_partitions, descriptions: Gauges::new()? })
    }
}

impl Collector for PartitionCollector {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = &self.descriptions;
        let single = [&gauges.hosted, &gauges.left_out].into_iter().flat_map(Collector::desc);
        gauges.vectors().into_iter().flat_map(Collector::desc).chain(single).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(gauges) = Gauges::new() else { return Vec::new() };
        let mut partitions = self.replicas.all();
        partitions.sort_by(|left, right| left.name.cmp(&right.name));
        gauges.hosted.set(partitions.len() as i64);
        gauges.left_out.set(partitions.len().saturating_sub(self.max_partitions) as i64);
        for partition in partitions.iter().take(self.max_partitions) {
            let number = partition.name.partition.to_string();
            let labels = &[&*partition.name.topic, number.as_str()];
            // None while a write to it hangs.
            let Some((marks, size_bytes)) = partition.figures() else { continue };
            gauges.log_start.with_label_values(labels).set(marks.log_start.0);
            gauges.log_end.with_label_values(labels).set(marks.log_end.0);
            gauges.high_watermark.with_label_values(labels).set(marks.high_watermark.0);
            let size_bytes = i64::try_from(size_bytes).unwrap_or(i64::MAX);
            gauges.size_bytes.with_label_values(labels).set(size_bytes);
            let Some(standing) = partition.standing().filter(|standing| standing.is_leader) else { continue };
            gauges.in_sync.with_label_values(labels).set(standing.in_sync as i64);
            if let Some(lag) = standing.follower_lag {
                gauges.follower_lag.with_label_values(labels).set(lag);
            }
        }
        let single = gauges.hosted.collect().into_iter().chain(gauges.left_out.collect());
        gauges.vectors().into_iter().flat_map(|vector| vector.collect()).chain(single).collect()
    }
}
