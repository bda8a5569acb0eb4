//! Reads all sealed segments again and again, slowly, so that a disk that rots is found out before a reader needs the records. A
//! partition with a damaged segment goes offline; which file is damaged and where is told. Mends nothing.

use std::sync::Arc;
use std::time::Duration;

use barnabas_log::ReadError;
use barnabas_types::Offset;
use tokio::sync::watch;

use crate::metrics::ScrubMetrics;
use crate::replica::{Partition, Replicas};
use crate::runtime::Timers;

/// Between two rounds, and while there is nothing to read.
const REST: Duration = Duration::from_secs(60);

/// What is read, and how fast.
#[derive(Clone, Debug)]
pub struct Scrub {
    /// The partitions.
    pub replicas: Arc<Replicas>,
    /// `barnabas.log.scrub.bytes.per.second`; 0 for not at all.
    pub bytes_per_second: u64,
    /// What was read and found.
    pub metrics: ScrubMetrics,
}

impl Scrub {
    /// Runs until `stopping` turns true, on a thread of its own: it blocks on the disk. Waits with `timers`.
    pub fn run(&self, timers: &Timers, stopping: &watch::Receiver<bool>) {
        if self.bytes_per_second > 0 {
            while self.round(timers, stopping) && !timers.wait(stopping, REST) {}
        }
    }

    /// As [`Scrub::run`], for a task of a simulated machine.
    #[cfg(feature = "simulated")]
    pub async fn run_as_task(self, stopping: watch::Receiver<bool>) {
        if self.bytes_per_second > 0 {
            while self.round(&Timers::NONE, &stopping) && !crate::runtime::wait(&stopping, REST).await {}
        }
    }

    /// Reads all there is once. False once the node stops.
    fn round(&self, timers: &Timers, stopping: &watch::Receiver<bool>) -> bool {
        let mut partitions = self.replicas.all();
        partitions.sort_by(|left, right| left.name.cmp(&right.name));
        partitions.iter().all(|partition| self.scrub(partition, timers, stopping))
    }

    /// Reads all sealed segments of a partition. False once the node stops.
    fn scrub(&self, partition: &Partition, timers: &Timers, stopping: &watch::Receiver<bool>) -> bool {
        let mut next = Offset(0);
        loop {
            let ticket = partition.with_log(|log| if log.is_offline() { None } else { log.prepare_scrub(next) });
            let Some(ticket) = ticket else { return true };
            next = ticket.base_offset().plus(1);
            let (mut read, mut stopped) = (0, false);
            let checked = ticket.run(|so_far| {
                let bytes = so_far - read;
                read = so_far;
                self.metrics.read(bytes);
                // A byte takes its time whether or not the disk was fast.
                stopped = timers.wait(stopping, Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64));
                !stopped
            });
            if let Err(error) = checked {
                self.found(partition, &error);
                return true;
            }
            if stopped {
                return false;
            }
            self.metrics.segment();
        }
    }

    fn found(&self, partition: &Partition, error: &ReadError) {
        if !matches!(error, ReadError::Damaged { .. } | ReadError::DamagedRecords { .. }) {
            tracing::warn!(partition = %partition.name, %error, "a segment could not be read again; tried again with the next round");
            return;
        }
        self.metrics.damaged();
        tracing::error!(
            partition = %partition.name, %error,
            "a segment has rotted on the disk; the partition is offline: restore its directory from a replica or a backup"
        );
        partition.take_offline();
    }
}
