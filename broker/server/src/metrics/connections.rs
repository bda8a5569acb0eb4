//! Connections and bytes, by listener name (from the configuration).

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::registered;

/// Resolved by each listener when it starts.
#[derive(Debug)]
pub struct ConnectionMetrics {
    open: IntGaugeVec,
    opened: IntCounterVec,
    rejected: IntCounterVec,
    received_bytes: IntCounterVec,
    sent_bytes: IntCounterVec,
}

/// The figures of one listener.
#[derive(Clone, Debug)]
pub struct ListenerMetrics {
    /// Connections that are open now.
    pub open: prometheus::IntGauge,
    /// Connections accepted since the start.
    pub opened: prometheus::IntCounter,
    /// Connections closed at once because a limit was reached.
    pub rejected: prometheus::IntCounter,
    /// Bytes of requests, length prefixes included.
    pub received_bytes: prometheus::IntCounter,
    /// Bytes of replies, length prefixes included.
    pub sent_bytes: prometheus::IntCounter,
}

impl ConnectionMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let label = &["listener"];
        let counter = |name, help| registered(registry, IntCounterVec::new(Opts::new(name, help), label));
        let options = Opts::new("barnabas_connections", "Open client connections.");
        let open = registered(registry, IntGaugeVec::new(options, label))?;
        Ok(Self {
            open,
            opened: counter("barnabas_connections_opened_total", "Connections accepted.")?,
            rejected: counter(
                "barnabas_connections_rejected_total",
                "Connections closed because a limit was reached.",
            )?,
            received_bytes: counter("barnabas_received_bytes_total", "Bytes of requests.")?,
            sent_bytes: counter("barnabas_sent_bytes_total", "Bytes of replies.")?,
        })
    }

    /// The figures of the listener `name`.
    #[must_use]
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        let label = &[name];
        ListenerMetrics {
            open: self.open.with_label_values(label),
            opened: self.opened.with_label_values(label),
            rejected: self.rejected.with_label_values(label),
            received_bytes: self.received_bytes.with_label_values(label),
            sent_bytes: self.sent_bytes.with_label_values(label),
        }
    }
}
