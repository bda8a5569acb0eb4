//! The rounds that a broker's logs need whoever calls: retention and checkpoints, each at its interval, until the node stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::{LogDirectories, checkpoints, retention};
use crate::replica::Replicas;
use crate::runtime::Runtime;

/// What the rounds go over, and how often.
#[derive(Clone, Debug)]
pub struct Upkeep {
    /// Clock and threads.
    pub runtime: Runtime,
    /// Where checkpoints go.
    pub directories: Arc<LogDirectories>,
    /// The partitions.
    pub replicas: Arc<Replicas>,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `replica.high.watermark.checkpoint.interval.ms`, the shortest of the checkpoints' intervals: all are written together.
    pub checkpoint_interval: Duration,
}

fn every(runtime: &Runtime, interval: Duration) -> tokio::time::Interval {
    let interval = interval.max(Duration::from_millis(1));
    let mut ticks = tokio::time::interval_at(runtime.deadline(interval), interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Returns once the node stops, or nobody is left who could say so.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    _ = stopping.wait_for(|stop| *stop).await;
}

impl Upkeep {
    /// Runs the rounds until `stopping` turns true. The last checkpoint is written when the logs are closed, not here.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut segments = every(&self.runtime, self.retention_check_interval);
        let mut marks = every(&self.runtime, self.checkpoint_interval);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => return,
                _ = segments.tick() => {
                    retention::round(&self.runtime, self.replicas.all()).await;
                }
                _ = marks.tick() => self.checkpoint().await,
            }
        }
    }

    async fn checkpoint(&self) {
        let (directories, partitions) = (Arc::clone(&self.directories), self.replicas.all());
        let written = self.runtime.spawn_blocking(move || checkpoints::write(&directories, &partitions));
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "checkpoints were not written; a crash now makes the next start slower")
            }
            Err(error) => tracing::error!(%error, "writing checkpoints broke off"),
        }
    }
}
