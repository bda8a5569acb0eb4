//! Grouped syncs of one log directory: appends ask, and one thread syncs in rounds. While a round runs, those who ask wait
//! together for the next one, so that a disk is asked as often as it can answer and no oftener.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::replica::Partition;

#[derive(Debug, Default)]
struct Asked {
    partitions: Vec<Arc<Partition>>,
    stopping: bool,
}

/// Syncs the partitions of one directory.
#[derive(Debug, Default)]
pub struct Flusher {
    asked: Mutex<Asked>,
    wake: Condvar,
}

impl Flusher {
    /// Asks for a sync of all that `partition` has appended so far. Returns at once.
    pub fn ask(&self, partition: &Arc<Partition>) {
        if partition.sync_asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.partitions.push(Arc::clone(partition));
        drop(asked);
        self.wake.notify_one();
    }

    /// Syncs until [`Flusher::stop`]; what was asked for before is still synced. Runs on a thread of its own.
    pub fn run(&self) {
        while let Some(partitions) = self.next_round() {
            for partition in partitions {
                // Before the ticket is made: an append after it asks again.
                partition.sync_asked.store(false, Ordering::Release);
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
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).stopping = true;
        self.wake.notify_one();
    }

    fn next_round(&self) -> Option<Vec<Arc<Partition>>> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |asked: &mut Asked| asked.partitions.is_empty() && !asked.stopping;
        let mut asked = self.wake.wait_while(asked, idle).unwrap_or_else(PoisonError::into_inner);
        let partitions = std::mem::take(&mut asked.partitions);
        (!partitions.is_empty()).then_some(partitions)
    }
}
