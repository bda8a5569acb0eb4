//! Sees that a disk hangs, and carries out that one has failed: a sync that has not finished in time gives up its directory's
//! leaderships, a directory that has failed takes its partitions with it. The first part runs beside the quorum and touches neither a
//! disk nor a partition's lock, which a hung write may hold.

use std::sync::Arc;
use std::time::Duration;

use barnabas_types::Uuid;
use tokio::sync::watch;

use super::{LogDirectories, LogDirectory};
use crate::replica::{Partition, Replicas};
use crate::runtime::Runtime;

/// How often somebody looks, at most.
const LONGEST_INTERVAL: Duration = Duration::from_millis(250);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// Looks at every directory's syncs until `stopping` turns true. One that takes longer than `timeout` gives up the directory's
/// leaderships: no record is taken, and who waits for records to be kept is answered. They come back with the sync.
///
/// With a single broker nobody else can lead, so that metadata stays as it is; clients are told to try again.
pub async fn watch_syncs(
    runtime: Runtime,
    directories: Arc<LogDirectories>,
    replicas: Arc<Replicas>,
    timeout: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let interval = (timeout / 8).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    loop {
        for directory in directories.all() {
            let took = directory.flusher.syncing_since().map(|since| runtime.now().monotonic.saturating_sub(since));
            let took = took.unwrap_or_default();
            let changed = directory.condition.set_slow(took >= timeout, took);
            if changed && directory.condition.is_slow() {
                of_directory(&replicas, directory.id).for_each(|partition| partition.watermark_list().wake_all());
            }
        }
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(interval) => {}
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
