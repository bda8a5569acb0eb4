//! The log cleaner: threads that look for the compacted log with the most to gain, and compact it. What stays and what goes is decided
//! by the log; this is the clock that asks, the brake, and the memory of what cannot be compacted.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_log::{Cleanable, Compacted, CompactionError, Compactor, Doomed, Log, LogConfig};
use barnabas_types::{Timestamp, TopicIdPartition};
use tokio::sync::{mpsc, watch};

use super::{LogDirectories, checkpoints, retention};
use crate::config::CleanerConfig;
use crate::metrics::CleanerMetrics;
use crate::replica::{Partition, Replicas};
use crate::runtime::{Runtime, Timers};

/// How often it is looked whether there should be more threads.
const SUPERVISION: Duration = Duration::from_secs(1);

/// The log cleaner of a broker.
pub struct Cleaner {
    /// Clock and threads.
    pub runtime: Runtime,
    /// Where checkpoints go.
    pub directories: Arc<LogDirectories>,
    /// The partitions.
    pub replicas: Arc<Replicas>,
    /// What is in force now; asked again and again.
    pub config: Box<dyn Fn() -> CleanerConfig + Send + Sync>,
    /// What `/metrics` shows.
    pub metrics: Arc<CleanerMetrics>,
    /// What the threads share.
    pub shared: Shared,
}

impl fmt::Debug for Cleaner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleaner").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// What the threads share.
#[derive(Debug, Default)]
pub struct Shared {
    claims: Mutex<Claims>,
    brake: Mutex<Brake>,
}

#[derive(Debug, Default)]
struct Claims {
    /// Being compacted.
    running: HashSet<TopicIdPartition>,
    /// What failed, and under which settings: it is not tried again under the same ones.
    uncleanable: HashMap<TopicIdPartition, LogConfig>,
}

/// Keeps all threads together below so many bytes a second.
#[derive(Debug, Default)]
struct Brake {
    /// When all bytes so far were due, by the monotonic clock.
    due: Duration,
}

impl Brake {
    /// `bytes` were read or written at `time`; how long to wait before going on.
    fn spend(&mut self, bytes: u64, bytes_per_second: f64, time: Duration) -> Duration {
        let seconds = bytes as f64 / bytes_per_second.max(1.0);
        let takes = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(3600));
        // Unused time is no credit for a burst later.
        self.due = self.due.max(time) + takes;
        self.due.saturating_sub(time)
    }
}

/// What a look at all partitions found.
#[derive(Debug, Default)]
struct Choice {
    filthiest: Option<(Arc<Partition>, Cleanable)>,
    largest_ratio: f64,
    longest_overdue_ms: i64,
    cleanable: i64,
}

impl Cleaner {
    /// Keeps as many threads as `log.cleaner.threads` says until `stopping` turns true, and returns once all have ended.
    pub async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let (ended, mut endings) = mpsc::unbounded_channel::<usize>();
        let mut running = HashSet::new();
        while !has_stopped(&stopping) {
            let config = (self.config)();
            let wanted = if config.enable { config.threads } else { 0 };
            for number in 0..wanted {
                if running.insert(number) {
                    self.start_thread(number, ended.clone(), stopping.clone());
                }
            }
            tokio::select! {
                biased;
                Some(number) = endings.recv() => {
                    running.remove(&number);
                }
                _ = stopping.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(SUPERVISION) => {}
            }
        }
        drop(ended);
        while endings.recv().await.is_some() {}
    }

    fn start_thread(
        self: &Arc<Self>,
        number: usize,
        ended: mpsc::UnboundedSender<usize>,
        stopping: watch::Receiver<bool>,
    ) {
        let cleaner = Arc::clone(self);
        #[cfg(feature = "simulated")]
        if !self.runtime.has_threads() {
            _ = self.runtime.spawn_data(async move {
                while let Some(rest) = cleaner.step(number, &Timers::NONE, &stopping) {
                    crate::runtime::wait(&stopping, rest.max(Duration::from_millis(1))).await;
                }
                _ = ended.send(number);
            });
            return;
        }
        self.runtime.spawn_thread("log-cleaner", move |timers| {
            while let Some(rest) = cleaner.step(number, timers, &stopping) {
                _ = rest.is_zero() || timers.wait(&stopping, rest);
            }
            // Nobody listens any more when the node stops.
            _ = ended.send(number);
        });
    }

    /// One step of a thread's life: how long it rests then, or nothing when its life ends.
    fn step(&self, number: usize, timers: &Timers, stopping: &watch::Receiver<bool>) -> Option<Duration> {
        let config = (self.config)();
        if has_stopped(stopping) || number >= config.threads {
            return None;
        }
        if self.round(&config, timers, stopping) {
            return Some(Duration::ZERO);
        }
        Some(Duration::from_millis(u64::try_from(config.backoff_ms).unwrap_or(0).max(1)))
    }

    /// Compacts the filthiest log there is. False when there is none, or it failed.
    pub fn round(&self, config: &CleanerConfig, timers: &Timers, stopping: &watch::Receiver<bool>) -> bool {
        let now = self.runtime.wall();
        let choice = self.choose(now);
        self.metrics.looked(choice.largest_ratio, choice.longest_overdue_ms, choice.cleanable, now);
        let Some((partition, cleanable)) = choice.filthiest else { return false };
        if !self.claims().running.insert(partition.key) {
            return true;
        }
        let result = self.compact(&partition, cleanable, config, timers, stopping);
        self.claims().running.remove(&partition.key);
        match result {
            Ok(done) => {
                self.metrics.compacted(&done);
                tell(&partition, &done);
                true
            }
            Err(error) => {
                self.failed(&partition, &error);
                false
            }
        }
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        // Sets of keys: whole between any two statements.
        self.shared.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at all partitions whose topics are compacted.
    fn choose(&self, now: Timestamp) -> Choice {
        let mut choice = Choice::default();
        let mut uncleanable = Vec::new();
        let all = self.replicas.all();
        self.claims().uncleanable.retain(|key, _| all.iter().any(|partition| partition.key == *key));
        for partition in all {
            let config = Arc::clone(&partition.config().log);
            if !config.compact {
                continue;
            }
            let stable = partition.marks().last_stable_offset;
            let Some(cleanable) = partition.with_log(|log| log.cleanable(stable, now)) else { continue };
            if self.is_uncleanable(&partition, &config) {
                uncleanable.push((partition, cleanable.dirty_bytes()));
                continue;
            }
            let overdue_ms = match cleanable.overdue_ms() {
                Ok(overdue_ms) => overdue_ms,
                Err(error) => {
                    self.failed(&partition, &error);
                    continue;
                }
            };
            let ratio = cleanable.dirty_ratio();
            choice.longest_overdue_ms = choice.longest_overdue_ms.max(overdue_ms);
            choice.largest_ratio = choice.largest_ratio.max(ratio);
            if self.claims().running.contains(&partition.key) || !cleanable.is_due(overdue_ms) {
                continue;
            }
            choice.cleanable += 1;
            if choice.filthiest.as_ref().is_none_or(|(_, filthiest)| filthiest.dirty_ratio() < ratio) {
                choice.filthiest = Some((partition, cleanable));
            }
        }
        self.metrics.uncleanable(&self.directories, &uncleanable);
        choice
    }

    fn is_uncleanable(&self, partition: &Partition, config: &LogConfig) -> bool {
        let mut claims = self.claims();
        match claims.uncleanable.get(&partition.key) {
            Some(failed_with) if failed_with == config => true,
            // Its settings have changed: it gets another chance.
            Some(_) => {
                claims.uncleanable.remove(&partition.key);
                false
            }
            None => false,
        }
    }

    fn compact(
        &self,
        partition: &Arc<Partition>,
        cleanable: Cleanable,
        config: &CleanerConfig,
        timers: &Timers,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Compacted, CompactionError> {
        let prepared = partition.with_log(|log| log.prepare_compaction(cleanable));
        let Some(ticket) = prepared else { return Err(CompactionError::Overtaken) };
        // What compaction leaves has gaps. Above its recovery point a log with gaps would be taken for one that has lost records.
        checkpoints::raise_recovery_point(&self.directories, partition)?;
        let mut run = Run { cleaner: self, partition, timers, stopping };
        let done = ticket.run(&config.limits(), &mut run)?;
        checkpoints::write_cleaned(&self.directories, partition)?;
        Ok(done)
    }

    /// Says why a compaction broke off, and sees to it that one that would fail again is not tried again.
    fn failed(&self, partition: &Arc<Partition>, error: &CompactionError) {
        let name = &partition.name;
        let hosted = self.hosts(partition);
        if let CompactionError::Io(error) = error
            && hosted
        {
            partition.condition().noticed(error);
        }
        match error {
            CompactionError::Stopped | CompactionError::Overtaken => {
                tracing::debug!(partition = %name, %error, "a compaction was given up");
            }
            _ if !hosted => {
                tracing::debug!(partition = %name, %error, "the partition was deleted while it was compacted")
            }
            CompactionError::Io(error) if error.is_out_of_space() => {
                tracing::warn!(partition = %name, %error, "no room to compact; tried again with the next round");
            }
            CompactionError::Io(_) | CompactionError::Damaged(_) | CompactionError::Unbuildable { .. } => {
                let config = *partition.config().log;
                if self.claims().uncleanable.insert(partition.key, config).is_none() {
                    self.metrics.failed();
                }
                tracing::error!(
                    partition = %name, %error,
                    "the partition cannot be compacted and will grow; it is not tried again before a restart or a change of the topic's configuration"
                );
            }
        }
    }

    /// False once the partition is deleted, though another one of its name may be there.
    fn hosts(&self, partition: &Arc<Partition>) -> bool {
        self.replicas.get(partition.key).is_some_and(|hosted| Arc::ptr_eq(&hosted, partition))
    }
}

fn tell(partition: &Partition, done: &Compacted) {
    let Compacted { dirty: [from, to], keys, segments, bytes, records, map_was_full } = done;
    tracing::info!(
        partition = %partition.name, %from, %to, keys, ?segments, ?bytes, ?records, map_was_full,
        "compacted a log"
    );
}

/// True once the node stops, or nobody is left who could say so.
fn has_stopped(stopping: &watch::Receiver<bool>) -> bool {
    *stopping.borrow() || stopping.has_changed().is_err()
}

/// One compaction under way.
struct Run<'a> {
    cleaner: &'a Cleaner,
    partition: &'a Arc<Partition>,
    timers: &'a Timers,
    stopping: &'a watch::Receiver<bool>,
}

impl Compactor for Run<'_> {
    fn with_log<T>(&mut self, change: impl FnOnce(&mut Log) -> T) -> T {
        self.partition.with_log(change)
    }

    fn go_on(&mut self, bytes: u64) -> bool {
        let config = (self.cleaner.config)();
        let time = self.cleaner.runtime.now().monotonic;
        let waits = {
            let mut brake = self.cleaner.shared.brake.lock().unwrap_or_else(PoisonError::into_inner);
            brake.spend(bytes, config.io_max_bytes_per_second, time)
        };
        if !waits.is_zero() {
            _ = self.timers.wait(self.stopping, waits);
        }
        !has_stopped(self.stopping) && self.cleaner.hosts(self.partition)
    }

    fn discard(&mut self, replaced: Doomed) {
        let delay_ms = self.partition.config().file_delete_delay_ms;
        retention::remove_segments_later(&self.cleaner.runtime, vec![replaced], delay_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brake_spreads_bytes_over_time_and_saves_none_up() {
        let mut brake = Brake::default();
        let second = Duration::from_secs(1);
        assert_eq!(brake.spend(500, 1000.0, second), second / 2);
        assert_eq!(brake.spend(500, 1000.0, second), second);
        assert_eq!(brake.spend(1000, 1000.0, 2 * second), second);
        assert_eq!(brake.spend(100, 1000.0, 100 * second), second / 10, "idle time is no credit");
    }

    #[test]
    fn without_a_limit_there_is_no_waiting() {
        let mut brake = Brake::default();
        assert_eq!(brake.spend(u64::MAX, f64::MAX, Duration::from_secs(1)), Duration::ZERO);
    }
}
