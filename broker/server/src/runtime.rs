//! The only seam to threads, clocks, randomness, disks and blocking work. Everything else in this crate takes them from here, so that a
//! whole node can run on another machine: one that is simulated, in builds for that.

#[cfg(feature = "simulated")]
pub mod simulated;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barnabas_log::fs::{Fs, RealFs};
use barnabas_types::{Now, Timestamp, Uuid};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[cfg(feature = "simulated")]
use simulated::Machine;

/// A number of the thread that asks, the same each time, and no other living thread's: the lowest that was free.
#[must_use]
pub fn thread_number() -> usize {
    thread_local!(static NUMBER: ThreadNumber = ThreadNumber::take());
    NUMBER.try_with(|number| number.0).unwrap_or_default()
}

struct ThreadNumber(usize);

/// Of threads that have ended, and the lowest that no thread ever had.
static FREE_NUMBERS: Mutex<(BTreeSet<usize>, usize)> = Mutex::new((BTreeSet::new(), 0));

impl ThreadNumber {
    fn take() -> Self {
        let mut free = FREE_NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        let (ended, next) = &mut *free;
        Self(ended.pop_first().unwrap_or_else(|| {
            *next += 1;
            *next - 1
        }))
    }
}

impl Drop for ThreadNumber {
    fn drop(&mut self) {
        FREE_NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).0.insert(self.0);
    }
}

/// The calendar's time.
#[must_use]
pub fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A random version 4 UUID whose text can be given to any command.
#[must_use]
pub fn random_uuid() -> Uuid {
    uuid_from(random_bytes)
}

fn uuid_from(random_bytes: impl Fn() -> [u8; 16]) -> Uuid {
    loop {
        let uuid = Uuid::from_random(random_bytes());
        if !uuid.looks_like_a_flag() {
            return uuid;
        }
    }
}

/// Random bytes of the operating system.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // Linux has had the call since 3.17; a sandbox that forbids it would make every id guessable.
            Err(error) => {
                tracing::error!(%error, "the system gives no random bytes; stopping, because ids would repeat");
                std::process::abort();
            }
        }
    }
    bytes
}

/// Clocks, randomness and the two kinds of task a node has.
#[derive(Clone, Debug)]
pub struct Runtime {
    started: Instant,
    control: Handle,
    /// One for each data thread, never none. The first runs all data tasks that are no connection's.
    data: Arc<[Handle]>,
    first: Handle,
    /// What stands for the machine; None for the real one.
    #[cfg(feature = "simulated")]
    machine: Option<Arc<dyn Machine>>,
}

/// Timers for work on a thread of its own. In a simulation there is no such thread, and nothing to wait for: a disk takes no time there.
#[derive(Clone, Debug)]
pub struct Timers(Option<Handle>);

impl Timers {
    /// Those of a simulation.
    #[cfg(feature = "simulated")]
    pub(crate) const NONE: Self = Self(None);

    /// Those of `handle`.
    #[must_use]
    pub const fn of(handle: Handle) -> Self {
        Self(Some(handle))
    }

    /// Waits for `time`, unless `stopping` turns true, or nobody is left who could say so. True then.
    #[must_use]
    pub fn wait(&self, stopping: &watch::Receiver<bool>, time: Duration) -> bool {
        self.0.as_ref().is_some_and(|handle| handle.block_on(wait(stopping, time)))
    }
}

/// Waits for `time`, unless `stopping` turns true, or nobody is left who could say so. True then.
pub async fn wait(stopping: &watch::Receiver<bool>, time: Duration) -> bool {
    let mut stopping = stopping.clone();
    tokio::time::timeout(time, stopping.wait_for(|stop| *stop)).await.is_ok()
}

impl Runtime {
    /// `control` runs quorum, controller, heartbeats and the admin port; `first` and `others` run connections and handlers, each
    /// in a thread of its own, and `first` whatever else has to do with data.
    #[must_use]
    pub fn new(control: Handle, first: Handle, others: impl IntoIterator<Item = Handle>) -> Self {
        let data = std::iter::once(first.clone()).chain(others).collect();
        Self {
            started: Instant::now(),
            control,
            data,
            first,
            #[cfg(feature = "simulated")]
            machine: None,
        }
    }

    /// A runtime whose tasks all run on the current tokio runtime, for tests and tools.
    #[must_use]
    pub fn current() -> Self {
        Self::new(Handle::current(), Handle::current(), [])
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { monotonic: self.started.elapsed(), wall: self.wall() }
    }

    /// The calendar's time.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        #[cfg(feature = "simulated")]
        if let Some(machine) = &self.machine {
            return machine.wall();
        }
        wall()
    }

    /// The file system.
    #[must_use]
    pub fn fs(&self) -> Arc<dyn Fs> {
        #[cfg(feature = "simulated")]
        if let Some(machine) = &self.machine {
            return machine.fs();
        }
        Arc::new(RealFs)
    }

    /// The moment `delay` from now, for waits.
    #[must_use]
    pub fn deadline(&self, delay: Duration) -> Instant {
        Instant::now() + delay
    }

    /// A random version 4 UUID whose text can be given to any command.
    #[must_use]
    pub fn random_uuid(&self) -> Uuid {
        uuid_from(|| self.random_bytes())
    }

    /// Random bytes of the operating system.
    #[must_use]
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        #[cfg(feature = "simulated")]
        if let Some(machine) = &self.machine {
            let mut bytes = [0; N];
            machine.fill_random(&mut bytes);
            return bytes;
        }
        random_bytes()
    }

    fn spawn_on<F>(&self, handle: &Handle, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        #[cfg(feature = "simulated")]
        if let Some(machine) = &self.machine {
            return simulated::spawn(machine, handle, task);
        }
        handle.spawn(task)
    }

    /// Runs a task beside the quorum and the controller. It must not touch data files.
    pub fn spawn_control<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.spawn_on(&self.control, task)
    }

    /// Runs a task beside the connections.
    pub fn spawn_data<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.spawn_on(&self.first, task)
    }

    /// Runs a connection on data thread `thread`, or the first one if there are not so many.
    pub fn spawn_connection<F>(&self, thread: usize, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.spawn_on(self.data.get(thread).unwrap_or(&self.first), task)
    }

    /// How long each data thread has been busy since it began.
    #[must_use]
    pub fn data_busy(&self) -> Vec<Duration> {
        if !self.has_threads() {
            return Vec::new();
        }
        self.data.iter().map(|handle| handle.metrics().worker_total_busy_duration(0)).collect()
    }

    /// How many processors this thread may run on now; at least 1. A container's set of processors may change while it runs.
    #[must_use]
    pub fn processors(&self) -> usize {
        if !self.has_threads() {
            return 1;
        }
        let set = rustix::thread::sched_getaffinity(None);
        set.map_or(usize::MAX, |set| usize::try_from(set.count()).unwrap_or(usize::MAX)).max(1)
    }

    /// Whether there are threads. In a simulation whatever runs is a task of one thread, and what would block gives way instead.
    #[must_use]
    pub const fn has_threads(&self) -> bool {
        #[cfg(feature = "simulated")]
        return self.machine.is_none();
        #[cfg(not(feature = "simulated"))]
        true
    }

    /// Runs `work` on a thread of its own, for an owner that blocks on its disk again and again, and waits with the timers that it is
    /// given. Only where there are threads.
    pub fn spawn_thread(&self, name: &str, work: impl FnOnce(&Timers) + Send + 'static) {
        let timers = Timers::of(self.control.clone());
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&timers));
        if let Err(error) = spawned {
            tracing::error!(%error, name, "the system gives no thread; raise its limit of processes (ulimit -u, pids cgroup)");
        }
    }

    /// Runs `owner` on a thread of its own: it may block on its disk between two waits.
    pub fn spawn_owner(&self, name: &str, owner: impl Future<Output = ()> + Send + 'static) {
        if !self.has_threads() {
            _ = self.spawn_control(owner);
            return;
        }
        let control = self.control.clone();
        self.spawn_thread(name, move |_| control.block_on(owner));
    }

    /// Runs work that may block (a sync, a scan of a log) on a thread of its own pool.
    pub fn spawn_blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        if !self.has_threads() {
            return self.spawn_data(async move { work() });
        }
        self.first.spawn_blocking(work)
    }

    /// Waits as long as a sync of this machine's disk takes, where that is simulated.
    pub async fn sync_takes_its_time(&self) {
        #[cfg(feature = "simulated")]
        if let Some(takes) = self.machine.as_ref().map(|machine| machine.sync_takes()).filter(|takes| !takes.is_zero())
        {
            tokio::time::sleep(takes).await;
        }
    }

    /// Waits as long as a thread that syncs may be late, before it does or afterwards.
    #[cfg(feature = "simulated")]
    pub async fn sync_lags(&self) {
        if let Some(lags) = self.machine.as_ref().map(|machine| machine.sync_lags()).filter(|lags| !lags.is_zero()) {
            tokio::time::sleep(lags).await;
        }
    }
}

impl barnabas_net::Blocking for Runtime {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
        self.spawn_blocking(work).await.map_err(std::io::Error::other)
    }
}
