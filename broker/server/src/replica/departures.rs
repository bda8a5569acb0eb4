//! Brokers whose process has ended, though the metadata need not say so yet: fetchers know it within a millisecond, the metadata only once the
//! controller has decided. Believed for a short while, because what is refused here may be reached from elsewhere; chooses no leader.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_types::BrokerId;
use tokio::sync::watch;

/// How long the controller may take, at most, to say the same. After that it is this broker alone that is refused.
const BELIEVED_FOR: Duration = Duration::from_secs(2);
/// How long clients are told where it was, after the metadata has fenced it.
const LISTED_FOR: Duration = Duration::from_secs(10);

/// See the module. One entry for each broker at most.
#[derive(Debug)]
pub struct Departures {
    known: Mutex<BTreeMap<BrokerId, Departure>>,
    /// Spares the lock where there are none, which is nearly always.
    any: AtomicBool,
    changed: watch::Sender<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    /// Its connection has ended, and nobody has looked yet whether it is there.
    Doubted(Duration),
    /// Nobody listens there, or the controller has fenced it, since then.
    Gone(Duration),
}

impl Default for Departures {
    fn default() -> Self {
        Self { known: Mutex::default(), any: AtomicBool::default(), changed: watch::Sender::new(()) }
    }
}

impl Departures {
    /// The connection to `broker` has ended at `now`, on a clock that never goes back; somebody looks whether it is there.
    pub fn doubted(&self, broker: BrokerId, now: Duration) {
        let mut known = self.known();
        // Who looked before may have been called off.
        match known.entry(broker).or_insert(Departure::Doubted(now)) {
            Departure::Doubted(since) => *since = now,
            Departure::Gone(_) => {}
        }
        self.any.store(true, Ordering::Release);
    }

    /// Nobody listens at the address of `broker`, or the controller does not hear of it any more.
    pub fn gone(&self, broker: BrokerId, now: Duration) {
        let mut known = self.known();
        let departure = known.entry(broker).or_insert(Departure::Gone(now));
        if let Departure::Doubted(since) = *departure {
            *departure = Departure::Gone(since);
        }
        self.any.store(true, Ordering::Release);
        self.changed.send_replace(());
    }

    /// Somebody listens there, or nothing could be found out.
    pub fn is_there(&self, broker: BrokerId) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut known = self.known();
        known.remove(&broker);
        self.any.store(!known.is_empty(), Ordering::Release);
        self.changed.send_replace(());
    }

    /// True for a broker that has gone, or seems to have, so short a time ago that the metadata need not say it yet.
    #[must_use]
    pub fn leaves(&self, broker: BrokerId, now: impl FnOnce() -> Duration) -> bool {
        self.departed(broker, now, BELIEVED_FOR)
    }

    /// True for a broker that has gone a short time ago, whatever the metadata says by now.
    #[must_use]
    pub fn was_there(&self, broker: BrokerId, now: impl FnOnce() -> Duration) -> bool {
        self.departed(broker, now, LISTED_FOR)
    }

    /// True where nobody has left: no look at any broker would say anything else.
    #[must_use]
    pub fn are_none(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Tells of every change of what is believed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn departed(&self, broker: BrokerId, now: impl FnOnce() -> Duration, within: Duration) -> bool {
        if self.are_none() {
            return false;
        }
        match self.known().get(&broker) {
            Some(Departure::Doubted(since) | Departure::Gone(since)) => now().saturating_sub(*since) < within,
            None => false,
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<BrokerId, Departure>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_refuses_has_left_until_it_is_there_again() {
        let departures = Departures::default();
        assert!(departures.are_none() && !departures.leaves(BrokerId(2), || SECOND));
        departures.gone(BrokerId(2), SECOND);
        assert!(departures.leaves(BrokerId(2), || SECOND) && !departures.leaves(BrokerId(3), || SECOND));
        departures.is_there(BrokerId(3));
        assert!(departures.leaves(BrokerId(2), || SECOND));
        departures.is_there(BrokerId(2));
        assert!(departures.are_none() && !departures.leaves(BrokerId(2), || SECOND));
    }

    #[test]
    fn who_is_looked_at_is_doubted_from_the_moment_its_connection_ended() {
        let departures = Departures::default();
        let changed = departures.watch();
        departures.doubted(BrokerId(2), SECOND);
        assert!(departures.leaves(BrokerId(2), || SECOND) && !changed.has_changed().unwrap());
        departures.gone(BrokerId(2), SECOND * 2);
        assert!(changed.has_changed().unwrap());
        assert!(!departures.leaves(BrokerId(2), || SECOND * 3), "it is gone since then");
        departures.is_there(BrokerId(2));
        departures.doubted(BrokerId(2), SECOND * 4);
        departures.is_there(BrokerId(2));
        assert!(!departures.leaves(BrokerId(2), || SECOND * 4));
    }

    #[test]
    fn who_refuses_for_long_and_still_leads_is_reached_from_elsewhere() {
        let departures = Departures::default();
        for tenth in 10..40 {
            departures.gone(BrokerId(2), SECOND * tenth / 10);
        }
        assert!(departures.leaves(BrokerId(2), || SECOND * 29 / 10));
        assert!(!departures.leaves(BrokerId(2), || SECOND * 3), "however often it is tried");
        assert!(
            departures.was_there(BrokerId(2), || SECOND * 10) && !departures.was_there(BrokerId(2), || SECOND * 11)
        );
    }
}
