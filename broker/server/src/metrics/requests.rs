//! Requests by API: count, errors, time. The label is Kafka's API name, a closed set; handles are resolved once.

use std::time::Duration;

use barnabas_protocol::ApiKey;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::registered;

/// Bounds of the time histogram, in seconds.
const SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Figures of every API.
#[derive(Debug)]
pub struct RequestMetrics {
    by_key: Vec<Option<ApiMetrics>>,
    errors: IntCounterVec,
}

/// The figures of one API.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    requests: IntCounter,
    seconds: Histogram,
}

impl RequestMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let requests = counter("barnabas_requests_total", "Requests read, by API.", &["api"])?;
        let help =
            "Errors in replies by API and Kafka's name of the error; several for a request of several partitions.";
        let errors = counter("barnabas_request_errors_total", help, &["api", "error"])?;
        let help = "From a request read whole until its reply can be sent, waits included.";
        let options = HistogramOpts::new("barnabas_request_seconds", help).buckets(SECONDS.to_vec());
        let seconds = registered(registry, HistogramVec::new(options, &["api"]))?;
        let mut by_key = Vec::new();
        for key in crate::api::SERVED.iter().chain(crate::api::SERVED_BY_CONTROLLER) {
            let index = usize::try_from(key.number()).unwrap_or(0);
            by_key.resize_with(by_key.len().max(index + 1), || None);
            if let Some(slot) = by_key.get_mut(index) {
                let label = &[key.name()];
                *slot = Some(ApiMetrics {
                    requests: requests.with_label_values(label),
                    seconds: seconds.with_label_values(label),
                });
            }
        }
        Ok(Self { by_key, errors })
    }

    /// Counts a request that was read.
    pub fn began(&self, key: ApiKey) {
        if let Some(api) = self.api(key) {
            api.requests.inc();
        }
    }

    /// How many of an API were read.
    #[cfg(test)]
    pub(crate) fn begun(&self, key: ApiKey) -> u64 {
        self.api(key).map_or(0, |api| api.requests.get())
    }

    /// Counts the time until a reply could be sent.
    pub fn finished(&self, key: ApiKey, took: Duration) {
        if let Some(api) = self.api(key) {
            api.seconds.observe(took.as_secs_f64());
        }
    }

    /// Counts an error that a reply carries.
    pub fn failed(&self, key: ApiKey, error: barnabas_protocol::ErrorCode) {
        self.errors.with_label_values(&[key.name(), error.name()]).inc();
    }

    fn api(&self, key: ApiKey) -> Option<&ApiMetrics> {
        self.by_key.get(usize::try_from(key.number()).ok()?)?.as_ref()
    }
}
