//! Heartbeats and pulses that are here: their brokers were heard of when they came, however long the controller's thread waits for its disk
//! and however many are before them. One note for each registered broker at most. Decides nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barnabas_metadata::BrokerRegistration;
use barnabas_types::BrokerId;

/// When each broker was heard of last, with the epoch of its registration.
type Notes = BTreeMap<BrokerId, (i64, Duration)>;

/// What was noted and not taken yet.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Notes>>);

impl Heard {
    pub(super) fn note(&self, broker: &BrokerRegistration, now: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(broker.id, (broker.epoch, now));
    }

    pub(super) fn take(&self) -> Notes {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
