//! The operator's metrics, declared in one place. Label values: `controller` KafkaCluster, Topic, ConsumerGroup; `result` ok,
//! error; `step` the error enums' step names; `kind` Kubernetes kinds.

use prometheus::{
    Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    duration: HistogramVec,
    in_progress: IntGaugeVec,
    applied: IntCounterVec,
    leader: IntGauge,
    lag: GaugeVec,
    /// The partitions that each ConsumerGroup resource reported last, to remove those that are gone.
    reported: Mutex<BTreeMap<GroupKey, Vec<(String, String)>>>,
}

/// The labels that name a group: namespace, cluster, group.
pub type GroupKey = [String; 3];

/// One pass that is being measured.
pub struct Timer<'a> {
    metrics: &'a Metrics,
    controller: &'static str,
    began: Instant,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A metric is declared twice or wrongly.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            reconciles: IntCounterVec::new(
                Opts::new("barnabas_operator_reconciles_total", "Passes over resources."),
                &["controller", "result"],
            )?,
            errors: IntCounterVec::new(
                Opts::new("barnabas_operator_reconcile_errors_total", "Failed passes by the step that failed."),
                &["controller", "step"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new("barnabas_operator_reconcile_duration_seconds", "Time of a pass."),
                &["controller"],
            )?,
            in_progress: IntGaugeVec::new(
                Opts::new("barnabas_operator_reconciles_in_progress", "Passes that run now."),
                &["controller"],
            )?,
            applied: IntCounterVec::new(
                Opts::new("barnabas_operator_applied_total", "Objects written to Kubernetes."),
                &["kind"],
            )?,
            leader: IntGauge::new("barnabas_operator_leader", "1 while this process is the one that acts.")?,
            lag: GaugeVec::new(
                Opts::new(
                    "barnabas_consumer_group_lag",
                    "Records between a group's committed offset and the end of the partition; expired records do not count.",
                ),
                &["namespace", "cluster", "group", "topic", "partition"],
            )?,
            reported: Mutex::default(),
        };
        metrics.registry.register(Box::new(metrics.reconciles.clone()))?;
        metrics.registry.register(Box::new(metrics.errors.clone()))?;
        metrics.registry.register(Box::new(metrics.duration.clone()))?;
        metrics.registry.register(Box::new(metrics.in_progress.clone()))?;
        metrics.registry.register(Box::new(metrics.applied.clone()))?;
        metrics.registry.register(Box::new(metrics.leader.clone()))?;
        metrics.registry.register(Box::new(metrics.lag.clone()))?;
        Ok(metrics)
    }

    /// A pass begins.
    pub fn start(&self, controller: &'static str) -> Timer<'_> {
        self.in_progress.with_label_values(&[controller]).inc();
        Timer { metrics: self, controller, began: Instant::now() }
    }

    /// An object was written.
    pub fn applied(&self, kind: &str) {
        self.applied.with_label_values(&[kind]).inc();
    }

    /// This process acts, or no longer.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Sets the lag of every partition of a group; partitions that are not in it any more disappear.
    pub fn set_lag(&self, group: &GroupKey, partitions: &[(String, i32, i64)]) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let [namespace, cluster, id] = group;
        let now: Vec<(String, String)> =
            partitions.iter().map(|(topic, partition, _)| (topic.clone(), partition.to_string())).collect();
        for (topic, partition) in reported.remove(group).unwrap_or_default() {
            if !now.contains(&(topic.clone(), partition.clone())) {
                let _ = self.lag.remove_label_values(&[namespace, cluster, id, &topic, &partition]);
            }
        }
        for (topic, partition, lag) in partitions {
            // A lag beyond 2^53 records would lose its last digits, and nobody's sleep.
            #[allow(clippy::cast_precision_loss, reason = "gauges are floating point in the exposition format")]
            let value = *lag as f64;
            self.lag.with_label_values(&[namespace, cluster, id, topic, &partition.to_string()]).set(value);
        }
        if !now.is_empty() {
            reported.insert(group.clone(), now);
        }
    }

    /// Forgets the lag of groups that are no longer looked at.
    pub fn retain_groups(&self, is_known: impl Fn(&GroupKey) -> bool) {
        let known: Vec<GroupKey> =
            self.reported.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for group in known.iter().filter(|group| !is_known(group)) {
            self.set_lag(group, &[]);
        }
    }

    /// The exposition format.
    ///
    /// # Errors
    /// A metric cannot be written.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

impl Timer<'_> {
    /// The pass ended, well or at a step.
    pub fn finish(self, failed_step: Option<&'static str>) {
        let result = if failed_step.is_some() { "error" } else { "ok" };
        self.metrics.reconciles.with_label_values(&[self.controller, result]).inc();
        if let Some(step) = failed_step {
            self.metrics.errors.with_label_values(&[self.controller, step]).inc();
        }
        self.metrics.duration.with_label_values(&[self.controller]).observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.metrics.in_progress.with_label_values(&[self.controller]).dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_gone_is_no_longer_reported() {
        let metrics = Metrics::new().unwrap();
        let group = ["ns".to_owned(), "c".to_owned(), "g".to_owned()];
        metrics.set_lag(&group, &[("t".to_owned(), 0, 5), ("t".to_owned(), 1, 7)]);
        metrics.set_lag(&group, &[("t".to_owned(), 1, 8)]);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains("partition=\"1\",topic=\"t\"} 8"), "{text}");
        assert!(!text.contains("partition=\"0\""), "{text}");
    }

    #[test]
    fn a_group_that_is_no_longer_looked_at_is_no_longer_reported() {
        let metrics = Metrics::new().unwrap();
        let group = |id: &str| ["ns".to_owned(), "c".to_owned(), id.to_owned()];
        metrics.set_lag(&group("gone"), &[("t".to_owned(), 0, 5)]);
        metrics.set_lag(&group("kept"), &[("t".to_owned(), 0, 6)]);
        metrics.retain_groups(|[_, _, id]| id == "kept");
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains("group=\"kept\"") && !text.contains("group=\"gone\""), "{text}");
    }

    #[test]
    fn a_pass_that_fails_is_counted_by_its_step() {
        let metrics = Metrics::new().unwrap();
        metrics.start("Topic").finish(Some("ApplyFailed"));
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains("reconcile_errors_total{controller=\"Topic\",step=\"ApplyFailed\"} 1"), "{text}");
        assert!(text.contains("in_progress{controller=\"Topic\"} 0"), "{text}");
    }
}
