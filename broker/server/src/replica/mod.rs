//! The partitions this broker hosts: one lock over each partition's leadership and log, never held across an await, and
//! marks that requests wait for. Which partitions are hosted is decided by the metadata, not here.

mod append;
mod departures;
mod directory_reports;
mod fetcher;
mod fetchers;
mod follow;
mod hosted;
mod isr_updates;
mod news;
mod read;
mod recorder;
mod roles;
mod standing;
mod surroundings;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use barnabas_protocol::ErrorCode;
use barnabas_types::{TopicIdPartition, TopicPartition};

pub use append::{Acks, AppendError, Appended};
pub use barnabas_replica::Durability;
pub use departures::Departures;
pub use directory_reports::carry as carry_directory_reports;
pub use fetcher::run as run_fetchers;
pub use fetchers::Following;
pub use hosted::{Marks, Partition, PartitionConfig};
pub use isr_updates::{carry as carry_isr_updates, look_for_lag};
#[cfg(test)]
pub use news::Moved;
pub use news::{News, Watch, Watchers};
pub use read::{Deletion, EpochEnd, FetchFrom, Fetched, Isolation, Reader, Sought};
pub use roles::Again;
pub use standing::Standing;
pub use surroundings::{IsrChanges, Surroundings};

/// By partition, in the same order in every run of the same history. The ids of topics are drawn by the controller, so that nobody can
/// choose ones that collide.
type ByPartition<T> = HashMap<TopicIdPartition, T, BuildHasherDefault<DefaultHasher>>;

/// All hosted partitions, by topic id: a topic made again under its old name is another one.
#[derive(Debug)]
pub struct Replicas {
    surroundings: Arc<Surroundings>,
    partitions: RwLock<ByPartition<Arc<Partition>>>,
    /// Those that belong here and have no log that could be opened.
    offline: RwLock<ByPartition<TopicPartition>>,
}

impl Replicas {
    /// None yet, of a broker with these surroundings.
    #[must_use]
    pub fn new(surroundings: Arc<Surroundings>) -> Self {
        Self { surroundings, partitions: RwLock::default(), offline: RwLock::default() }
    }

    /// What the partitions share.
    #[must_use]
    pub const fn surroundings(&self) -> &Arc<Surroundings> {
        &self.surroundings
    }

    /// The partition, if this broker hosts it.
    #[must_use]
    pub fn get(&self, key: TopicIdPartition) -> Option<Arc<Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// The partition, for a request.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` when it belongs here and its log cannot be opened, `UNKNOWN_TOPIC_OR_PARTITION` when it does not.
    pub fn hosted(&self, key: TopicIdPartition) -> Result<Arc<Partition>, ErrorCode> {
        self.get(key).ok_or_else(|| match self.offline().contains_key(&key) {
            true => ErrorCode::KAFKA_STORAGE_ERROR,
            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        })
    }

    fn offline(&self) -> RwLockReadGuard<'_, ByPartition<TopicPartition>> {
        self.offline.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partition belongs here, but its log cannot be opened.
    pub fn set_offline(&self, key: TopicIdPartition, name: TopicPartition) {
        self.offline.write().unwrap_or_else(PoisonError::into_inner).insert(key, name);
    }

    /// How many belong here and have no log that could be opened.
    #[must_use]
    pub fn unopened(&self) -> usize {
        self.offline().len()
    }

    /// The partition does not belong here any more, or is open now. Returns its name if it was one that could not be opened.
    pub fn forget_offline(&self, key: TopicIdPartition) -> Option<TopicPartition> {
        self.offline.write().unwrap_or_else(PoisonError::into_inner).remove(&key)
    }

    /// Hosts a partition whose log is open.
    pub fn insert(&self, partition: Arc<Partition>) {
        _ = self.forget_offline(partition.key);
        self.partitions.write().unwrap_or_else(PoisonError::into_inner).insert(partition.key, partition);
    }

    /// Stops hosting a partition; requests that wait for it are woken and see that it is gone.
    pub fn remove(&self, key: TopicIdPartition) -> Option<Arc<Partition>> {
        let removed = self.partitions.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if let Some(partition) = &removed {
            partition.stop();
        }
        removed
    }

    /// All of them, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
impl Default for Replicas {
    /// Those of a broker of a test.
    fn default() -> Self {
        Self::new(tests::surroundings())
    }
}
