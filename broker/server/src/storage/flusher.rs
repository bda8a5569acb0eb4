//! Grouped syncs of one log directory: appends ask, and one thread syncs in rounds. While a round runs, those who ask wait
//! together for the next one, so that a disk is asked as often as it can answer and no oftener. What nobody waits for is synced
//! within [`UNHURRIED`], all of it together; what replication keeps, only when its topic asks for it (`flush.ms`). A round of several
//! partitions is one sync of their volume, unless that takes longer. After a failed sync nothing of the directory is synced any more:
//! the system may have dropped what it could not write, and would call the next sync a success.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_log::FlushTicket;
use barnabas_log::fs::{IoError, Volume};

use super::condition::Condition;
use super::pace::Pace;
use crate::replica::Partition;

/// How long an append that nobody waits for (acks=1 or 0, no consumer at the end of the log) may stay unsynced. A disk takes about
/// as long for one record as for all those of this time.
pub const UNHURRIED_MS: i64 = 20;
const UNHURRIED: Duration = Duration::from_millis(UNHURRIED_MS.unsigned_abs());

/// What a partition has asked its flusher for, kept in the partition. Goes up by asking, and to nothing when a sync begins.
#[derive(Debug, Default)]
pub struct SyncAsked {
    urgency: AtomicU8,
    /// It is in the list of those that are synced when their `flush.ms` has passed; there once, whatever else is asked.
    later: AtomicBool,
}

impl SyncAsked {
    const NOTHING: u8 = 0;
    const UNHURRIED: u8 = 1;
    const NOW: u8 = 2;

    /// True when nothing as urgent was asked for before.
    fn raise(&self, to: u8) -> bool {
        self.urgency.load(Ordering::Relaxed) < to && self.urgency.fetch_max(to, Ordering::AcqRel) < to
    }

    fn begin(&self) -> bool {
        self.urgency.swap(Self::NOTHING, Ordering::AcqRel) != Self::NOTHING
    }

    /// True when it was not in the list before.
    fn enter_later(&self) -> bool {
        !self.later.load(Ordering::Relaxed) && !self.later.swap(true, Ordering::AcqRel)
    }
}

#[derive(Debug, Default)]
struct Asked {
    now: Vec<Arc<Partition>>,
    unhurried: Vec<Arc<Partition>>,
    /// When the flusher saw the first of `unhurried`.
    since: Option<Duration>,
    /// Those that came to be synced within a time of their own, and have no place in `later` yet.
    new_later: Vec<(Duration, Arc<Partition>)>,
    /// By the time when they are due; the number only tells them apart.
    later: BTreeMap<(Duration, u64), Arc<Partition>>,
    entered_later: u64,
    stopping: bool,
    /// The flusher waits and must be woken; while it syncs it looks again by itself.
    waits: Option<Waits>,
}

/// How the flusher waits.
#[derive(Debug)]
enum Waits {
    /// Its thread sleeps.
    Thread,
    /// It is a task, which a simulation has no threads for.
    #[cfg(feature = "simulated")]
    Task(std::task::Waker),
}

impl Asked {
    /// What is to be synced at `time`.
    fn take_round(&mut self, time: Duration) -> Vec<Arc<Partition>> {
        if !self.unhurried.is_empty() {
            self.since.get_or_insert(time);
        }
        for (within, partition) in std::mem::take(&mut self.new_later) {
            self.entered_later += 1;
            self.later.insert((time.saturating_add(within), self.entered_later), partition);
        }
        let mut round = std::mem::take(&mut self.now);
        while let Some(entry) = self.later.first_entry().filter(|entry| self.stopping || entry.key().0 <= time) {
            let partition = entry.remove();
            partition.sync_asked.later.store(false, Ordering::Release);
            // What was synced meanwhile, and appended to since, is synced a little early.
            if partition.sync_asked.raise(SyncAsked::NOW) {
                round.push(partition);
            }
        }
        if self.stopping || self.unhurried_due().is_some_and(|due| due <= time) {
            round.append(&mut self.unhurried);
            self.since = None;
        }
        round
    }

    /// What is to be done at `time`.
    fn next(&mut self, time: Duration) -> Next {
        let round = self.take_round(time);
        match self.stopping {
            _ if !round.is_empty() => Next::Sync(round),
            true => Next::End,
            false => Next::Wait(self.due()),
        }
    }

    fn unhurried_due(&self) -> Option<Duration> {
        self.since.map(|since| since + UNHURRIED)
    }

    /// When there is something to do, if nobody asks before.
    fn due(&self) -> Option<Duration> {
        let later = self.later.first_key_value().map(|((due, _), _)| *due);
        [self.unhurried_due(), later].into_iter().flatten().min()
    }
}

/// What a flusher does next.
enum Next {
    Sync(Vec<Arc<Partition>>),
    /// Nothing until then, or until somebody asks.
    Wait(Option<Duration>),
    /// It was stopped, and nothing is left to sync.
    End,
}

/// Syncs the partitions of one directory.
#[derive(Debug, Default)]
pub struct Flusher {
    asked: Mutex<Asked>,
    wake: Condvar,
    /// Where the partitions lie, if it can be synced as a whole.
    volume: Option<Arc<dyn Volume>>,
    /// Whether the volume has told of a failed write. It tells once, and one of those who ask: nobody asks while another does.
    distrusts_volume: Mutex<bool>,
    condition: Arc<Condition>,
    /// When the sync began that runs now, in milliseconds of the flusher's clock and one; 0 while none runs.
    syncing_since: AtomicU64,
}

impl Flusher {
    /// Syncs partitions that lie on `volume`; without one, file by file. A failure is told to `condition`.
    #[must_use]
    pub fn new(volume: Option<Arc<dyn Volume>>, condition: Arc<Condition>) -> Self {
        Self { volume, condition, ..Self::default() }
    }

    /// The condition of the directory.
    #[must_use]
    pub fn condition(&self) -> &Arc<Condition> {
        &self.condition
    }

    /// When the sync began that runs now, by the clock that [`Flusher::run`] was given.
    #[must_use]
    pub fn syncing_since(&self) -> Option<Duration> {
        self.syncing_since.load(Ordering::Acquire).checked_sub(1).map(Duration::from_millis)
    }

    /// Runs `sync`, for others to see how long that takes, and says how long it took.
    fn timed<T>(&self, monotonic: &impl Fn() -> Duration, sync: impl FnOnce() -> T) -> (T, Duration) {
        let began = monotonic();
        self.begins(began);
        let done = sync();
        self.ends();
        (done, monotonic().saturating_sub(began))
    }

    /// A sync begins, for others to see how long it takes.
    fn begins(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1);
        self.syncing_since.store(milliseconds.saturating_add(1), Ordering::Release);
    }

    fn ends(&self) {
        self.syncing_since.store(0, Ordering::Release);
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

    /// Asks for a sync within `within`, of which only the first counts until it has passed. Returns at once.
    pub fn ask_within(&self, partition: &Arc<Partition>, within: Duration) {
        if partition.sync_asked.enter_later() {
            let mut asked = self.asked();
            asked.new_later.push((within, Arc::clone(partition)));
            self.wake(asked);
        }
    }

    fn wake(&self, mut asked: MutexGuard<'_, Asked>) {
        let waited = asked.waits.take();
        drop(asked);
        match waited {
            None => {}
            Some(Waits::Thread) => self.wake.notify_one(),
            #[cfg(feature = "simulated")]
            Some(Waits::Task(task)) => task.wake(),
        }
    }

    /// Syncs until [`Flusher::stop`]; what was asked for before is still synced. Ends as well when a sync or the directory has failed.
    /// Runs on a thread of its own; `monotonic` is its clock.
    pub fn run(&self, monotonic: impl Fn() -> Duration) {
        let mut pace = Pace::default();
        while let Some(round) = self.next_round(&monotonic).filter(|_| !self.condition.is_offline()) {
            self.sync_asked(round, &mut pace, &monotonic);
        }
    }

    fn sync_asked(&self, mut round: Vec<Arc<Partition>>, pace: &mut Pace, monotonic: &impl Fn() -> Duration) {
        // Before the tickets are made: an append after it asks again.
        round.retain(|partition| partition.sync_asked.begin());
        let together = pace.is_together(round.len(), monotonic());
        self.sync_round(&round, together, pace, monotonic);
    }

    /// Syncs on this thread what was asked for and may not wait.
    #[cfg(test)]
    pub(crate) fn sync_urgent(&self) {
        let round = self.asked().take_round(Duration::ZERO);
        self.sync_asked(round, &mut Pace::default(), &|| Duration::ZERO);
    }

    /// As [`Flusher::run`], for a task of a simulated machine: others run while a sync does, and before and after it.
    #[cfg(feature = "simulated")]
    pub async fn run_as_task(&self, runtime: &crate::runtime::Runtime) {
        let monotonic = || runtime.now().monotonic;
        loop {
            let next = self.asked().next(monotonic());
            match next {
                Next::Sync(mut round) if !self.condition.is_offline() => {
                    round.retain(|partition| partition.sync_asked.begin());
                    for partition in &round {
                        self.sync_in_steps(partition, runtime).await;
                    }
                }
                Next::Sync(_) | Next::End => return,
                Next::Wait(due) => {
                    let time = due.map_or(Duration::MAX, |due| due.saturating_sub(monotonic()));
                    // Woken or not, it looks again.
                    _ = tokio::time::timeout(time, self.woken()).await;
                }
            }
        }
    }

    /// As [`Flusher::sync_one`], with time between what is noted, synced and told: each is one step of the machine.
    #[cfg(feature = "simulated")]
    async fn sync_in_steps(&self, partition: &Arc<Partition>, runtime: &crate::runtime::Runtime) {
        if self.condition.is_offline() {
            return;
        }
        let mut ticket = None;
        guarded(partition, || ticket = partition.prepare_flush());
        let Some(ticket) = ticket else { return };
        runtime.sync_lags().await;
        self.begins(runtime.now().monotonic);
        runtime.sync_takes_its_time().await;
        let mut synced = None;
        guarded(partition, || synced = Some(ticket.run()));
        runtime.sync_lags().await;
        self.ends();
        guarded(partition, || synced.into_iter().for_each(|ticket| partition.flushed(ticket)));
    }

    #[cfg(feature = "simulated")]
    async fn woken(&self) {
        let mut waits = false;
        std::future::poll_fn(|context| {
            let mut asked = self.asked();
            if std::mem::replace(&mut waits, true) && asked.waits.is_none() {
                return std::task::Poll::Ready(());
            }
            asked.waits = Some(Waits::Task(context.waker().clone()));
            std::task::Poll::Pending
        })
        .await;
    }

    /// Syncs partitions that were recovered or are being closed, as one if that is possible. Blocks; appends ask and wait for each other.
    pub fn sync_all(&self, partitions: &[Arc<Partition>], monotonic: impl Fn() -> Duration) {
        self.sync_round(partitions, partitions.len() > 1, &mut Pace::default(), &monotonic);
    }

    fn sync_round(&self, round: &[Arc<Partition>], together: bool, pace: &mut Pace, monotonic: &impl Fn() -> Duration) {
        let volume = self.volume.as_deref().filter(|_| together);
        let mut distrusted = self.distrusts_volume.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(volume) = volume.filter(|_| !*distrusted) else {
            drop(distrusted);
            return round.iter().for_each(|partition| self.sync_one(partition, pace, monotonic));
        };
        if let Some(error) = self.sync_together(round, volume, pace, monotonic) {
            tracing::error!(%error, "a write to the volume has failed; from now on partitions are synced one by one");
            *distrusted = true;
        }
    }

    /// Ends [`Flusher::run`] after the round that was asked for.
    pub fn stop(&self) {
        let mut asked = self.asked();
        asked.stopping = true;
        self.wake(asked);
    }

    /// Syncs one partition, unless the directory has failed meanwhile.
    fn sync_one(&self, partition: &Arc<Partition>, pace: &mut Pace, monotonic: &impl Fn() -> Duration) {
        if self.condition.is_offline() {
            return;
        }
        guarded(partition, || {
            let Some(ticket) = partition.prepare_flush() else { return };
            let (ticket, took) = self.timed(monotonic, || ticket.run());
            pace.one_took(took);
            partition.flushed(ticket);
        });
    }

    /// The error is the volume's: it must not be trusted again.
    fn sync_together(
        &self,
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
        let ((tickets, failure), took) = self.timed(monotonic, || FlushTicket::run_all(tickets, volume));
        pace.volume_took(partitions.len(), took, monotonic());
        for (partition, ticket) in partitions.into_iter().zip(tickets) {
            guarded(partition, || partition.flushed(ticket));
        }
        failure
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to sync; nothing when there is no more.
    fn next_round(&self, monotonic: impl Fn() -> Duration) -> Option<Vec<Arc<Partition>>> {
        let mut asked = self.asked();
        loop {
            let time = monotonic();
            let due = match asked.next(time) {
                Next::Sync(round) => return Some(round),
                Next::End => return None,
                Next::Wait(due) => due,
            };
            asked.waits = Some(Waits::Thread);
            asked = match due {
                Some(due) => {
                    let waited = self.wake.wait_timeout(asked, due.saturating_sub(time));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(asked).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// A panic costs this partition; the others of the directory still wait for this thread.
fn guarded(partition: &Partition, sync: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(sync)).is_err() {
        tracing::error!(partition = %partition.name, "a sync broke off; the partition is offline until restart");
        partition.take_offline();
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
        let flusher = Arc::new(Flusher::new(Some(Arc::clone(&volume) as Arc<dyn Volume>), Arc::default()));
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
    fn what_is_asked_for_within_a_time_is_synced_when_that_has_passed_and_once() {
        let (_directory, partition) = partition();
        let flusher = Flusher::default();
        let (since, within) = (Duration::from_secs(9), Duration::from_secs(3));
        flusher.ask_within(&partition, within);
        assert!(flusher.asked().take_round(since).is_empty());
        flusher.ask_within(&partition, Duration::ZERO);
        assert!(flusher.asked().new_later.is_empty(), "it has its place");
        assert_eq!(flusher.asked().due(), Some(since + within));
        assert_eq!(flusher.asked().take_round(since + within).len(), 1);
        assert!(partition.sync_asked.begin());
        flusher.ask_within(&partition, within);
        flusher.asked().take_round(since);
        flusher.stop();
        assert_eq!(flusher.next_round(|| Duration::ZERO).unwrap().len(), 1, "stopping leaves nothing unsynced");
    }

    #[test]
    fn how_long_a_sync_has_been_running_can_be_seen_from_outside() {
        let flusher = Flusher::default();
        assert_eq!(flusher.syncing_since(), None);
        let time = || Duration::from_millis(1500);
        let (seen, _took) = flusher.timed(&time, || flusher.syncing_since());
        assert_eq!((seen, flusher.syncing_since()), (Some(time()), None));
    }

    #[test]
    fn after_a_failed_write_somewhere_on_the_volume_each_partition_finds_out_for_itself() {
        let volume = Arc::new(CountedVolume { fails: true, ..CountedVolume::default() });
        let flusher = Arc::new(Flusher::new(Some(Arc::clone(&volume) as Arc<dyn Volume>), Arc::default()));
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
