//! Deadlines by key, on the monotonic clock. Reads no clock: it is asked what is due.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// At most one deadline per key. Deadlines that fall together come due in the order of their keys, so that a run can be repeated.
#[derive(Debug)]
pub struct Timers<K> {
    by_deadline: BTreeSet<(Duration, K)>,
    by_key: HashMap<K, Duration>,
}

impl<K: Ord + Hash + Clone> Timers<K> {
    /// No deadlines.
    #[must_use]
    pub fn new() -> Self {
        Self { by_deadline: BTreeSet::new(), by_key: HashMap::new() }
    }

    /// Sets the deadline of `key`, in place of an earlier one.
    pub fn schedule(&mut self, key: K, deadline: Duration) {
        self.cancel(&key);
        self.by_key.insert(key.clone(), deadline);
        self.by_deadline.insert((deadline, key));
    }

    /// Forgets `key`.
    pub fn cancel(&mut self, key: &K) {
        if let Some((key, deadline)) = self.by_key.remove_entry(key) {
            self.by_deadline.remove(&(deadline, key));
        }
    }

    /// The keys whose deadlines are not after `now`, earliest first.
    pub fn due(&self, now: Duration) -> impl Iterator<Item = &K> {
        self.by_deadline.iter().take_while(move |(deadline, _)| *deadline <= now).map(|(_, key)| key)
    }

    /// Keeps only the keys that `stays` accepts.
    pub fn retain(&mut self, stays: impl Fn(&K) -> bool) {
        self.by_key.retain(|key, _| stays(key));
        self.by_deadline.retain(|(_, key)| stays(key));
    }

    /// The deadline of `key`.
    #[must_use]
    pub fn deadline_of(&self, key: &K) -> Option<Duration> {
        self.by_key.get(key).copied()
    }

    /// Forgets `key`, if its deadline is not after `now`; true if so.
    pub fn take_due(&mut self, key: &K, now: Duration) -> bool {
        let is_due = self.deadline_of(key).is_some_and(|deadline| deadline <= now);
        if is_due {
            self.cancel(key);
        }
        is_due
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// How many keys have a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// True if nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl<K: Ord + Hash + Clone> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_due_in_order_and_once() {
        let mut timers = Timers::new();
        timers.schedule("b", Duration::from_millis(2));
        timers.schedule("a", Duration::from_millis(2));
        timers.schedule("c", Duration::from_millis(1));
        assert_eq!(timers.due(Duration::ZERO).count(), 0);
        let due: Vec<_> = timers.due(Duration::from_millis(2)).copied().collect();
        assert_eq!(due, ["c", "a", "b"]);
        assert!(!timers.take_due(&"a", Duration::from_millis(1)), "not yet");
        assert!(due.iter().all(|key| timers.take_due(key, Duration::from_millis(2))));
        assert!(timers.is_empty() && !timers.take_due(&"a", Duration::MAX));
    }

    #[test]
    fn a_later_deadline_replaces_an_earlier_one() {
        let mut timers = Timers::new();
        timers.schedule("a", Duration::from_millis(1));
        timers.schedule("a", Duration::from_millis(5));
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.next_deadline(), Some(Duration::from_millis(5)));
        timers.cancel(&"a");
        assert_eq!(timers.next_deadline(), None);
        assert_eq!(timers.due(Duration::MAX).count(), 0);
    }
}
