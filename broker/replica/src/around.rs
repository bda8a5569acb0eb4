//! What a replica looks at and does not own: the settings of its topic and what the metadata says of brokers. Borrowed with every call, so that
//! 100,000 partitions of a broker share one of each. Decides nothing.

use std::collections::BTreeMap;

use barnabas_types::{BrokerId, Uuid};
use serde::{Deserialize, Serialize};

#[cfg(any(test, feature = "seeded-bugs"))]
use crate::Bug;
use crate::peer::Peer;

/// When a record counts as kept (`barnabas.durability`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Durability {
    /// Once it is synced on every in-sync replica.
    Fsync,
    /// Once every in-sync replica has it in memory, Kafka's own policy.
    Replicated,
}

/// A topic's settings as its replicas need them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `min.insync.replicas`; never more is asked for than there are replicas.
    pub min_insync_replicas: usize,
    /// When a record counts as kept.
    pub durability: Durability,
    /// `replica.lag.time.max.ms`: who has not had everything for longer leaves the ISR.
    pub replica_lag_time_max_ms: u64,
    /// `flush.messages`: with so many records or more that are not synced, only what is synced counts, whatever the durability. A follower
    /// whose topic asks for that is fetched as under fsync, which asks for no less.
    pub flush_messages: u64,
    /// A bug put in on purpose.
    #[cfg(any(test, feature = "seeded-bugs"))]
    pub bug: Option<Bug>,
}

impl Default for Settings {
    /// Kafka's defaults, and every acknowledged record on disk.
    fn default() -> Self {
        Self {
            min_insync_replicas: 1,
            durability: Durability::Fsync,
            replica_lag_time_max_ms: 30_000,
            flush_messages: u64::MAX,
            #[cfg(any(test, feature = "seeded-bugs"))]
            bug: None,
        }
    }
}

/// What the metadata says of one broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerState {
    /// The epoch of its registration.
    pub epoch: i64,
    /// The controller does not hear of it.
    pub is_fenced: bool,
    /// It is in controlled shutdown.
    pub is_shutting_down: bool,
    /// Its directories that are online; none where brokers tell of no directories.
    pub log_dirs: Vec<Uuid>,
}

impl BrokerState {
    /// False for a directory that is known to have failed, or to be gone.
    fn has_online(&self, directory: Uuid) -> bool {
        directory == Uuid::ZERO || self.log_dirs.is_empty() || self.log_dirs.contains(&directory)
    }
}

/// What the metadata says of all registered brokers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brokers(pub BTreeMap<BrokerId, BrokerState>);

impl Brokers {
    /// The epoch of a broker that is registered and not fenced.
    pub(crate) fn alive_epoch(&self, id: BrokerId) -> Option<i64> {
        self.0.get(&id).filter(|broker| !broker.is_fenced).map(|broker| broker.epoch)
    }

    /// True when the controller would take `peer` into an ISR: neither fenced nor shutting down, its directory online, and the process that
    /// fetches is the one that is registered (KIP-841, KIP-858, KIP-903). A fetch that says no epoch, -1, is not held against it.
    pub(crate) fn may_join_isr(&self, peer: &Peer, fetched_with: Option<i64>) -> bool {
        let Some(broker) = self.0.get(&peer.id) else { return false };
        let is_registered = fetched_with.is_some_and(|epoch| epoch == -1 || epoch == broker.epoch);
        !broker.is_fenced && !broker.is_shutting_down && broker.has_online(peer.directory) && is_registered
    }
}

/// What a replica looks at while it handles an input or answers a query.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// This broker.
    pub own: BrokerId,
    /// The epoch of this broker's registration.
    pub own_epoch: i64,
    /// The settings of the topic.
    pub settings: &'a Settings,
    /// The brokers.
    pub brokers: &'a Brokers,
}
