//! The partitions this broker hosts: one lock over each partition's leadership and log, never held across an await, and
//! marks that requests wait for. Which partitions are hosted is decided by the metadata, not here.

mod append;
mod hosted;
mod read;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use barnabas_types::TopicIdPartition;

pub use append::{AppendError, Appended};
pub use hosted::{Durability, Marks, Partition, PartitionConfig};
pub use read::{EpochEnd, FetchFrom, Fetched, Isolation, Sought};

/// All hosted partitions, by topic id: a topic made again under its old name is another one.
#[derive(Debug, Default)]
pub struct Replicas {
    partitions: RwLock<HashMap<TopicIdPartition, Arc<Partition>>>,
}

impl Replicas {
    /// The partition, if this broker hosts it.
    #[must_use]
    pub fn get(&self, key: TopicIdPartition) -> Option<Arc<Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Hosts a partition whose log is open.
    pub fn insert(&self, partition: Arc<Partition>) {
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
