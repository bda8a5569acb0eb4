//! Brings partitions onto this broker and takes them off it, as the metadata says: opens or makes the log, hosts it, stops it,
//! deletes it. Leadership is the partition's own matter.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use barnabas_log::fs::IoError;
use barnabas_types::{LeaderEpoch, TopicIdPartition, TopicPartition, Uuid};

use super::{DoomedDirectory, LogDirectories, OpenPartitionError, OpeningProgress, checkpoints, retention};
use crate::replica::{Partition, PartitionConfig, Replicas};
use crate::runtime::Runtime;

/// What partitions are hosted with.
#[derive(Clone, Debug)]
pub struct Hosting {
    /// Threads for what blocks.
    pub runtime: Runtime,
    /// Where logs lie.
    pub directories: Arc<LogDirectories>,
    /// The partitions hosted.
    pub replicas: Arc<Replicas>,
    /// How far opening them has come.
    pub progress: Arc<OpeningProgress>,
}

/// How a partition comes here.
#[derive(Clone, Copy, Debug)]
pub struct Coming {
    /// The directory for its log if it has none yet.
    pub preferred: Option<Uuid>,
    /// It cannot have one.
    pub is_new: bool,
    /// Its leader's epoch, as the metadata says.
    pub leader_epoch: LeaderEpoch,
}

/// A partition that could not be hosted.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Its log does not open.
    #[error("partition {partition} stays offline: {error}")]
    Open {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        error: OpenPartitionError,
    },
    /// The work broke off.
    #[error("partition {partition} stays offline: opening its log broke off ({reason})")]
    BrokeOff {
        /// The partition.
        partition: TopicPartition,
        /// What the panic said.
        reason: Box<str>,
    },
}

impl HostError {
    /// True when there was no room: it may work once there is.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Open { error, .. } if error.is_out_of_space())
    }
}

impl Hosting {
    /// Hosts the partition, in the preferred directory if it has no log yet and that exists here. It takes no requests before it leads, and is to be synced before that ([`Hosting::sync`]). Blocks, for long where a log is recovered.
    ///
    /// # Errors
    /// Its log does not open: the disk failed, or the log is damaged. Requests for it are answered so.
    pub fn host(
        &self,
        key: TopicIdPartition,
        name: TopicPartition,
        Coming { preferred, is_new, leader_epoch }: Coming,
        config: impl Into<Arc<PartitionConfig>>,
    ) -> Result<Arc<Partition>, HostError> {
        let (config, now) = (config.into(), self.runtime.wall());
        let open =
            || self.directories.open_partition(&name, key.topic_id, preferred, is_new, (Arc::clone(&config.log), now));
        // Nothing of what was under way is used again.
        let opened = match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                self.replicas.set_offline(key, name.clone());
                return Err(HostError::Open { partition: name, error });
            }
            Err(panic) => {
                self.replicas.set_offline(key, name.clone());
                return Err(HostError::BrokeOff { partition: name, reason: said(&*panic).into() });
            }
        };
        self.progress.opened(&opened.recovery);
        let flusher = Arc::clone(&opened.directory.flusher);
        // What a process that was killed has led without syncing it is in no log of this one.
        let withheld = match is_new || opened.directory.clean_shutdown.is_some() {
            true => LeaderEpoch::NONE,
            false => leader_epoch,
        };
        let surroundings = Arc::clone(self.replicas.surroundings());
        let log = (opened.log, opened.high_watermark, withheld);
        let partition = Partition::new((key, name), opened.directory.id, log, config, flusher, surroundings);
        self.replicas.insert(Arc::clone(&partition));
        if opened.directory.condition.is_offline() {
            // It failed while the log was being opened.
            partition.take_offline();
        }
        Ok(partition)
    }

    /// Changes a partition's role or settings: at once or, while its disk does not answer or somebody else is at it, on a thread that may wait
    /// for a write that hangs. Who calls this may be the thread that would see that one hangs.
    pub async fn change(&self, partition: &Arc<Partition>, change: impl FnOnce(&Arc<Partition>) + Send + 'static) {
        if !partition.condition().is_stalled() && !partition.is_held() {
            return change(partition);
        }
        let changed = Arc::clone(partition);
        if let Err(error) = self.runtime.spawn_blocking(move || change(&changed)).await {
            tracing::error!(partition = %partition.name, %error, "a change of its role or settings broke off");
        }
    }

    /// Syncs what was read anew of the partitions' logs, those of a directory together. Where that fails the directory is offline. Blocks.
    pub fn sync(&self, partitions: &[Arc<Partition>]) {
        for (directory, partitions) in checkpoints::by_directory(&self.directories, partitions) {
            let partitions: Vec<_> = partitions.into_iter().cloned().collect();
            directory.flusher.sync_all(&partitions, || self.runtime.now().monotonic);
        }
    }

    /// Stops the partition and deletes its log; the files go after the topic's `file.delete.delay.ms`. Requests that wait for it
    /// are answered that it is gone. One whose log did not open goes too. Does nothing if it does not belong here.
    ///
    /// # Errors
    /// The disk failed; the directory is a stray at the next start.
    pub async fn delete(&self, key: TopicIdPartition) -> Result<(), IoError> {
        if let Some(name) = self.replicas.forget_offline(key) {
            return self.delete_unopened(key, name).await;
        }
        let Some(partition) = self.replicas.get(key) else { return Ok(()) };
        let replicas = Arc::clone(&self.replicas);
        let remove = move |removed: &Arc<Partition>| {
            _ = replicas.remove(key);
            // Another partition of its name may be made where it was: a compaction under way must not put its files there.
            removed.with_log(barnabas_log::Log::take_offline);
        };
        self.change(&partition, remove).await;
        let Some(directory) = self.directories.get(partition.directory).map(Arc::clone) else { return Ok(()) };
        let (directories, unique, name) =
            (Arc::clone(&self.directories), self.runtime.random_uuid(), partition.name.clone());
        let renamed = self.runtime.spawn_blocking(move || directories.delete_partition(&directory, &name, unique));
        match renamed.await {
            Ok(renamed) => {
                self.remove_later(renamed?, partition.config().file_delete_delay_ms);
                Ok(())
            }
            Err(reason) => {
                tracing::error!(partition = %partition.name, %reason, "deleting broke off; the directory is a stray at the next start");
                Ok(())
            }
        }
    }

    async fn delete_unopened(&self, key: TopicIdPartition, name: TopicPartition) -> Result<(), IoError> {
        let (directories, unique, partition) =
            (Arc::clone(&self.directories), self.runtime.random_uuid(), name.clone());
        let renamed = move || directories.delete_unopened(&partition, key.topic_id, unique);
        match self.runtime.spawn_blocking(renamed).await {
            Ok(renamed) => {
                if let Some(doomed) = renamed? {
                    self.remove_later(doomed, 0);
                }
            }
            Err(reason) => {
                tracing::error!(partition = %name, %reason, "deleting broke off; the directory is a stray at the next start");
            }
        }
        Ok(())
    }

    /// Removes what deletions before the last stop left behind.
    pub fn remove_leftovers(&self) {
        for doomed in self.directories.leftovers() {
            self.remove_later(doomed, 0);
        }
    }

    /// Sets aside the directories of partitions that neither `known` knows nor this broker hosts. To be called once all committed
    /// metadata is applied, never before.
    pub async fn set_strays_aside(&self, known: impl Fn(TopicIdPartition) -> bool + Send + 'static) {
        let (directories, replicas) = (Arc::clone(&self.directories), Arc::clone(&self.replicas));
        let set_aside = self.runtime.spawn_blocking(move || {
            let hosted = replicas.all().iter().map(|one| (one.directory, one.name.clone())).collect();
            directories.set_strays_aside(&hosted, |name, topic_id| {
                // Without an id nothing tells whose it is: it stays.
                topic_id.is_none_or(|topic_id| {
                    let key = TopicIdPartition { topic_id, partition: name.partition };
                    known(key) || replicas.get(key).is_some()
                })
            })
        });
        match set_aside.await {
            Ok(Ok(strays)) => strays.iter().for_each(|path| {
                let path = path.display();
                tracing::warn!(%path, "the cluster knows no such partition; its directory is set aside, remove it when it is of no use");
            }),
            Ok(Err(error)) => tracing::warn!(%error, "directories of unknown partitions stay where they are"),
            Err(reason) => tracing::warn!(%reason, "looking for unknown partitions broke off"),
        }
    }

    fn remove_later(&self, doomed: DoomedDirectory, file_delete_delay_ms: i64) {
        retention::remove_directory_later(&self.runtime, doomed, file_delete_delay_ms);
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}
