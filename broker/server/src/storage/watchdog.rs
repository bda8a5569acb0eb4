//! Sees that a disk hangs, and carries out that one has failed: while a sync or a write has not finished in time its
//! directory takes no records, a directory that has failed takes its partitions with it. The first part runs beside the quorum and
//! touches neither a disk nor a partition's lock, which a hung write holds.

use std::sync::Arc;
use std::time::Duration;

use barnabas_types::Uuid;
use tokio::sync::watch;

use super::writes::Seen;
use super::{LogDirectories, LogDirectory};
use crate::replica::{Partition, Replicas};
use crate::runtime::Runtime;

/// How often somebody looks, at most.
const LONGEST_INTERVAL: Duration = Duration::from_millis(250);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// A write that takes longer is not waited for by others.
const STALL: Duration = Duration::from_secs(1);

/// Looks at the syncs and writes of every directory. While one takes too long no record is taken, and who waits for records to be kept is
/// answered.
///
/// The controller is not told, so that nobody else leads meanwhile: metadata stays as it is, and clients are told to try again.
#[derive(Debug)]
pub struct Watchdog {
    directories: Arc<LogDirectories>,
    replicas: Arc<Replicas>,
    timeout: Duration,
    /// Of each directory.
    seen: Vec<Seen>,
}

impl Watchdog {
    /// One that lets a sync or a write take `timeout`.
    #[must_use]
    pub fn new(directories: Arc<LogDirectories>, replicas: Arc<Replicas>, timeout: Duration) -> Self {
        let seen = directories.all().iter().map(|_| Seen::default()).collect();
        Self { directories, replicas, timeout, seen }
    }

    /// Looks again and again until `stopping` turns true.
    pub async fn run(mut self, runtime: Runtime, mut stopping: watch::Receiver<bool>) {
        let interval = (self.timeout / 8).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        loop {
            self.look(runtime.now().monotonic);
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    /// Looks at `time`, by the flushers' clock.
    pub fn look(&mut self, time: Duration) {
        for (directory, seen) in self.directories.all().iter().zip(&mut self.seen) {
            let syncing = directory.flusher.syncing_since().map(|since| time.saturating_sub(since));
            let writing = seen.look(directory.condition.writes(), time);
            directory.condition.set_stalled(writing >= STALL);
            let took = syncing.unwrap_or_default().max(writing);
            let changed = directory.condition.set_slow(took >= self.timeout, took);
            if changed && directory.condition.is_slow() {
                of_directory(&self.replicas, directory.id).for_each(|partition| partition.wake_all());
            }
        }
    }
}

/// Takes the partitions of `directory` offline once it has failed; their requests are answered. Ends as well when `stopping` turns true.
pub async fn await_failure(
    runtime: Runtime,
    directory: Arc<LogDirectory>,
    replicas: Arc<Replicas>,
    mut stopping: watch::Receiver<bool>,
) {
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => return,
        () = directory.condition.failed() => {}
    }
    // Their locks may be held by writes that do not return.
    let work = move || {
        let mut count = 0;
        for partition in of_directory(&replicas, directory.id) {
            partition.take_offline();
            count += 1;
        }
        tracing::error!(directory = %directory.path.display(), partitions = count, "partitions are offline");
    };
    if let Err(error) = runtime.spawn_blocking(work).await {
        tracing::error!(%error, "taking partitions offline broke off");
    }
}

fn of_directory(replicas: &Replicas, directory: Uuid) -> impl Iterator<Item = Arc<Partition>> {
    replicas.all().into_iter().filter(move |partition| partition.directory == directory)
}
