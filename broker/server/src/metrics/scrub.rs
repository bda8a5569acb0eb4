//! What was read again from disk, and whether it was sound.

use prometheus::{IntCounter, Registry};

use super::registered;

/// Figures of the scrub.
#[derive(Clone, Debug)]
pub struct ScrubMetrics {
    bytes: IntCounter,
    segments: IntCounter,
    damaged: IntCounter,
}

impl ScrubMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help));
        Ok(Self {
            bytes: counter("barnabas_scrub_bytes_total", "Bytes of sealed segments read again and checked.")?,
            segments: counter("barnabas_scrub_segments_total", "Sealed segments found sound.")?,
            damaged: counter("barnabas_scrub_damaged_segments_total", "Sealed segments found damaged.")?,
        })
    }

    /// `bytes` were read.
    pub fn read(&self, bytes: u64) {
        self.bytes.inc_by(bytes);
    }

    /// A segment is sound.
    pub fn segment(&self) {
        self.segments.inc();
    }

    /// A segment is damaged.
    pub fn damaged(&self) {
        self.damaged.inc();
    }
}
