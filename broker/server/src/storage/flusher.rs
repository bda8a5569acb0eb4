//! Grouped syncs of one log directory: appends ask, and one thread syncs in rounds. While a round runs, those who ask wait
//! together for the next one, so that a disk is asked as often as it can answer and no oftener. What nobody waits for is synced
//! within [`UNHURRIED`], all of it together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::replica::Partition;

/// How long an append that nobody waits for (acks=1 or 0, no consumer at the end of the log) may stay unsynced. A disk takes about
/// as long for one record as for all those of this time.
const UNHURRIED: Duration = Duration::from_millis(20);

/// What a partition has asked its flusher for, kept in the partition. Goes up by asking, and to nothing when a sync begins.
#[derive(Debug, Default)]
pub struct SyncAsked(AtomicU8);

impl SyncAsked {
    const NOTHING: u8 = 0;
    const UNHURRIED: u8 = 1;
    const NOW: u8 = 2;

    /// True when nothing as urgent was asked for before.
    fn raise(&self, to: u8) -> bool {
        self.0.load(Ordering::Relaxed) < to && self.0.fetch_max(to, Ordering::AcqRel) < to
    }

    fn begin(&self) -> bool {
        self.0.swap(Self::NOTHING, Ordering::AcqRel) != Self::NOTHING
    }
}

#[derive(Debug, Default)]
struct Asked {
    now: Vec<Arc<Partition>>,
    unhurried: Vec<Arc<Partition>>,
    /// When the flusher saw the first of `unhurried`.
    since: Option<Duration>,
    stopping: bool,
}

impl Asked {
    /// What is to be synced at `time`.
    fn take_round(&mut self, time: Duration) -> Vec<Arc<Partition>> {
        if !self.unhurried.is_empty() {
            self.since.get_or_insert(time);
        }
        let mut round = std::mem::take(&mut self.now);
        if self.stopping || self.due().is_some_and(|due| due <= time) {
            round.append(&mut self.unhurried);
            self.since = None;
        }
        round
    }

    fn due(&self) -> Option<Duration> {
        self.since.map(|since| since + UNHURRIED)
    }
}

/// Syncs the partitions of one directory.
#[derive(Debug, Default)]
pub struct Flusher {
    asked: Mutex<Asked>,
    wake: Condvar,
}

impl Flusher {
    /// Asks for a sync of all that `partition` has appended so far, because somebody waits for it. Returns at once.
    pub fn ask(&self, partition: &Arc<Partition>) {
        if partition.sync_asked.raise(SyncAsked::NOW) {
            self.asked().now.push(Arc::clone(partition));
            self.wake.notify_one();
        }
    }

    /// Asks for a sync within [`UNHURRIED`]. Returns at once.
    pub fn ask_unhurried(&self, partition: &Arc<Partition>) {
        if partition.sync_asked.raise(SyncAsked::UNHURRIED) {
            let mut asked = self.asked();
            asked.unhurried.push(Arc::clone(partition));
            let first = asked.unhurried.len() == 1;
            drop(asked);
            if first {
                self.wake.notify_one();
            }
        }
    }

    /// Syncs until [`Flusher::stop`]; what was asked for before is still synced. Runs on a thread of its own; `monotonic` is its clock.
    pub fn run(&self, monotonic: impl Fn() -> Duration) {
        while let Some(partitions) = self.next_round(&monotonic) {
            for partition in partitions {
                // Before the ticket is made: an append after it asks again.
                if !partition.sync_asked.begin() {
                    continue;
                }
                let synced = catch_unwind(AssertUnwindSafe(|| {
                    if let Some(ticket) = partition.prepare_flush() {
                        partition.flushed(ticket.run());
                    }
                }));
                if synced.is_err() {
                    // It costs this partition; the others of the directory still wait for this thread.
                    tracing::error!(partition = %partition.name, "a sync broke off; the partition is offline until restart");
                    partition.with_log(barnabas_log::Log::take_offline);
                    partition.watermark_list().wake_all();
                }
            }
        }
    }

    /// Ends [`Flusher::run`] after the round that was asked for.
    pub fn stop(&self) {
        self.asked().stopping = true;
        self.wake.notify_one();
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to sync; nothing when there is no more.
    fn next_round(&self, monotonic: impl Fn() -> Duration) -> Option<Vec<Arc<Partition>>> {
        let mut asked = self.asked();
        loop {
            let time = monotonic();
            let round = asked.take_round(time);
            if !round.is_empty() {
                return Some(round);
            }
            if asked.stopping {
                return None;
            }
            asked = match asked.due() {
                Some(due) => {
                    let waited = self.wake.wait_timeout(asked, due.saturating_sub(time));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(asked).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::PartitionConfig;

    fn partition() -> (tempfile::TempDir, Arc<Partition>) {
        crate::replica::tests::partition(Arc::default(), PartitionConfig::default())
    }

    #[test]
    fn what_somebody_waits_for_is_synced_at_once_and_the_rest_when_its_time_has_come() {
        let ((_one, hurried), (_other, unhurried)) = (partition(), partition());
        let flusher = Flusher::default();
        flusher.ask_unhurried(&unhurried);
        flusher.ask(&hurried);
        let since = Duration::from_secs(9);
        let round = flusher.asked().take_round(since);
        assert!(round.len() == 1 && Arc::ptr_eq(&round[0], &hurried));
        assert!(flusher.asked().take_round(since).is_empty());
        let round = flusher.asked().take_round(since + UNHURRIED);
        assert!(round.len() == 1 && Arc::ptr_eq(&round[0], &unhurried));
        assert_eq!(flusher.asked().since, None);
    }

    #[test]
    fn who_begins_to_wait_hurries_a_sync_that_was_asked_for_before() {
        let (_directory, partition) = partition();
        let flusher = Flusher::default();
        flusher.ask_unhurried(&partition);
        flusher.ask_unhurried(&partition);
        flusher.ask(&partition);
        flusher.ask(&partition);
        let since = Duration::ZERO;
        assert_eq!(flusher.asked().take_round(since).len(), 1);
        assert!(partition.sync_asked.begin());
        // Its other turn finds nothing more to do.
        assert_eq!(flusher.asked().take_round(since + UNHURRIED).len(), 1);
        assert!(!partition.sync_asked.begin());
    }

    #[test]
    fn stopping_leaves_nothing_unsynced() {
        let (_directory, partition) = partition();
        let flusher = Flusher::default();
        flusher.ask_unhurried(&partition);
        flusher.stop();
        assert_eq!(flusher.next_round(|| Duration::ZERO).unwrap().len(), 1);
        assert!(flusher.next_round(|| Duration::ZERO).is_none());
    }
}
