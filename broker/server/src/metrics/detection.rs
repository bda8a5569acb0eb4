//! What the failure detector of the active controller asked of brokers, and which it found dead.

use barnabas_metadata::{Evidence, Finding, Lead, ProbeOutcome};
use prometheus::{IntCounterVec, Opts, Registry};

use super::registered;

/// Figures of the failure detector.
#[derive(Clone, Debug)]
pub struct DetectionMetrics {
    /// By `outcome`: answered, refused, silent, not_asked.
    probes: IntCounterVec,
    /// By `lead` (broken, missing, unheard) and `finding` (refused, other_process, silent).
    fencings: IntCounterVec,
}

impl DetectionMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let help = "Times that the active controller asked a broker at its listener, by what came of it.";
        let probes = counter("barnabas_failure_detection_probes_total", help, &["outcome"])?;
        let help = "Brokers fenced because they were found dead before their session ended, by the evidence.";
        let fencings = counter("barnabas_failure_detection_fencings_total", help, &["lead", "finding"])?;
        Ok(Self { probes, fencings })
    }

    /// A broker was asked.
    pub fn probed(&self, outcome: ProbeOutcome) {
        let outcome = match outcome {
            ProbeOutcome::Answered(_) => "answered",
            ProbeOutcome::Refused => "refused",
            ProbeOutcome::Silent => "silent",
            ProbeOutcome::NotAsked => "not_asked",
        };
        self.probes.with_label_values(&[outcome]).inc();
    }

    /// A broker was fenced.
    pub fn fenced(&self, evidence: Evidence) {
        let lead = match evidence.lead {
            Lead::Broken => "broken",
            Lead::Missing => "missing",
            Lead::Unheard => "unheard",
        };
        let finding = match evidence.finding {
            Finding::Refused => "refused",
            Finding::OtherProcess => "other_process",
            Finding::Silent => "silent",
            Finding::Succeeded => "succeeded",
        };
        self.fencings.with_label_values(&[lead, finding]).inc();
    }
}
