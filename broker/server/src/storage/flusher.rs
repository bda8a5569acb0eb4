//! Grouped syncs of one log directory: appends ask, and one thread syncs in rounds. While a round runs, those who ask wait
//! together for the next one, so that a disk is asked as often as it can answer and no oftener. What nobody waits for is synced
//! within [`UNHURRIED`], all of it together. A round of several partitions is one sync of their volume, unless that takes longer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_log::FlushTicket;
use barnabas_log::fs::{IoError, Volume};

use super::pace::Pace;
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
    /// The flusher waits and must be woken; while it syncs it looks again by itself.
    waits: bool,
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
    /// Where the partitions lie, if it can be synced as a whole.
    volume: Option<Arc<dyn Volume>>,
}

impl Flusher {
    /// Syncs partitions that lie on `volume`; without one, file by file.
    #[must_use]
    pub fn new(volume: Option<Arc<dyn Volume>>) -> Self {
        Self { volume, ..Self::default() }
    }

    /// Asks for a sync of all that `partition` has appended so far, because somebody waits for it. Returns at once.
    pub fn ask(&self, partition: &Arc<Partition>) {
        if partition.sync_asked.raise(SyncAsked::NOW) {
            let mut asked = self.asked();
            asked.now.push(Arc::clone(partition));
            self.wake(asked);
        }
    }

    /// Asks for a sync within [`UNHURRIED`]. Returns at once.
    pub fn ask_unhurried(&self, partition: &Arc<Partition>) {
        if partition.sync_asked.raise(SyncAsked::UNHURRIED) {
            let mut asked = self.asked();
            asked.unhurried.push(Arc::clone(partition));
            if asked.unhurried.len() == 1 {
                self.wake(asked);
            }
        }
    }

    fn wake(&self, mut asked: MutexGuard<'_, Asked>) {
        let waited = std::mem::take(&mut asked.waits);
        drop(asked);
        if waited {
            self.wake.notify_one();
        }
    }

    /// Syncs until [`Flusher::stop`]; what was asked for before is still synced. Runs on a thread of its own; `monotonic` is its clock.
    pub fn run(&self, monotonic: impl Fn() -> Duration) {
        let mut volume = self.volume.as_deref();
        let mut pace = Pace::default();
        while let Some(mut round) = self.next_round(&monotonic) {
            // Before the tickets are made: an append after it asks again.
            round.retain(|partition| partition.sync_asked.begin());
            match volume.filter(|_| pace.is_together(round.len(), monotonic())) {
                Some(whole) => {
                    if let Some(error) = sync_together(&round, whole, &mut pace, &monotonic) {
                        tracing::error!(%error, "a write to the volume has failed; from now on partitions are synced one by one");
                        volume = None;
                    }
                }
                None => round.iter().for_each(|partition| sync_one(partition, &mut pace, &monotonic)),
            }
        }
    }

    /// Ends [`Flusher::run`] after the round that was asked for.
    pub fn stop(&self) {
        let mut asked = self.asked();
        asked.stopping = true;
        self.wake(asked);
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
            asked.waits = true;
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

fn sync_one(partition: &Arc<Partition>, pace: &mut Pace, monotonic: &impl Fn() -> Duration) {
    guarded(partition, || {
        let Some(ticket) = partition.prepare_flush() else { return };
        let began = monotonic();
        let ticket = ticket.run();
        pace.one_took(monotonic().saturating_sub(began));
        partition.flushed(ticket);
    });
}

/// The error is the volume's: it must not be trusted again.
fn sync_together(
    round: &[Arc<Partition>],
    volume: &dyn Volume,
    pace: &mut Pace,
    monotonic: &impl Fn() -> Duration,
) -> Option<IoError> {
    let (mut partitions, mut tickets) = (Vec::new(), Vec::new());
    for partition in round {
        guarded(partition, || {
            if let Some(ticket) = partition.prepare_flush() {
                partitions.push(partition);
                tickets.push(ticket);
            }
        });
    }
    let began = monotonic();
    let (tickets, failure) = FlushTicket::run_all(tickets, volume);
    let ended = monotonic();
    pace.volume_took(partitions.len(), ended.saturating_sub(began), ended);
    for (partition, ticket) in partitions.into_iter().zip(tickets) {
        guarded(partition, || partition.flushed(ticket));
    }
    failure
}

/// A panic costs this partition; the others of the directory still wait for this thread.
fn guarded(partition: &Partition, sync: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(sync)).is_err() {
        tracing::error!(partition = %partition.name, "a sync broke off; the partition is offline until restart");
        partition.with_log(barnabas_log::Log::take_offline);
        partition.watermark_list().wake_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use barnabas_log::fs::{File, Operation};
    use barnabas_types::Offset;

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

    #[derive(Debug, Default)]
    struct CountedVolume {
        syncs: AtomicUsize,
        fails: bool,
    }

    impl Volume for CountedVolume {
        fn sync(&self) -> Result<(), IoError> {
            self.syncs.fetch_add(1, Ordering::Relaxed);
            let error = std::io::Error::from_raw_os_error(5);
            if self.fails { Err(IoError::new(Operation::Sync, "volume", error)) } else { Ok(()) }
        }

        fn holds(&self, _file: &dyn File) -> bool {
            true
        }
    }

    #[test]
    fn partitions_that_wait_together_are_synced_with_their_volume_at_once() {
        let volume = Arc::new(CountedVolume::default());
        let flusher = Arc::new(Flusher::new(Some(Arc::clone(&volume) as Arc<dyn Volume>)));
        let partitions =
            [0, 1, 2].map(|_| crate::replica::tests::partition(Arc::clone(&flusher), PartitionConfig::default()));
        for (_directory, partition) in &partitions {
            crate::replica::tests::append_one(partition);
            flusher.ask(partition);
        }
        flusher.stop();
        flusher.run(|| Duration::ZERO);
        assert_eq!(volume.syncs.load(Ordering::Relaxed), 1);
        for (_directory, partition) in &partitions {
            assert_eq!(partition.marks().high_watermark, Offset(1));
        }
    }

    #[test]
    fn after_a_failed_write_somewhere_on_the_volume_each_partition_finds_out_for_itself() {
        let volume = Arc::new(CountedVolume { fails: true, ..CountedVolume::default() });
        let flusher = Arc::new(Flusher::new(Some(Arc::clone(&volume) as Arc<dyn Volume>)));
        let partitions =
            [0, 1].map(|_| crate::replica::tests::partition(Arc::clone(&flusher), PartitionConfig::default()));
        let running = Arc::clone(&flusher);
        let thread = std::thread::spawn(move || running.run(|| Duration::ZERO));
        for _round in 0..3 {
            for (_directory, partition) in &partitions {
                crate::replica::tests::append_one(partition);
            }
            let mut asked = flusher.asked();
            for (_directory, partition) in &partitions {
                partition.sync_asked.raise(SyncAsked::NOW);
                asked.now.push(Arc::clone(partition));
            }
            flusher.wake(asked);
            while partitions.iter().any(|(_, one)| one.marks().high_watermark < one.marks().log_end) {
                std::thread::yield_now();
            }
        }
        flusher.stop();
        thread.join().unwrap();
        assert_eq!(volume.syncs.load(Ordering::Relaxed), 1);
    }
}
