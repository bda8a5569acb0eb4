//! The brokers that have registered, fenced or not.

use std::sync::Arc;

use barnabas_types::{BrokerId, Uuid};
use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use crate::{directory_id, snapshot};

/// A listener as the broker advertises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerEndpoint {
    /// The listener's name.
    pub name: Box<str>,
    /// The advertised host.
    pub host: Box<str>,
    /// The advertised port.
    pub port: u16,
    /// Kafka's number of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The levels of a feature that a node supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureRange {
    /// The feature's name.
    pub name: Box<str>,
    /// The lowest level.
    pub min: i16,
    /// The highest level.
    pub max: i16,
}

/// A registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// `node.id`.
    pub id: BrokerId,
    /// The broker epoch: the offset of its registration.
    pub epoch: i64,
    /// Made anew at every start of the process.
    pub incarnation_id: Uuid,
    /// Its listeners.
    pub endpoints: Vec<BrokerEndpoint>,
    /// What it supports.
    pub features: Vec<FeatureRange>,
    /// `broker.rack`.
    pub rack: Option<Box<str>>,
    /// True while it may lead nothing.
    pub fenced: bool,
    /// True while it hands over what it leads.
    pub in_controlled_shutdown: bool,
    /// The directories that are online.
    pub log_dirs: Vec<Uuid>,
    /// Directories that take no new replicas; None until the broker has said so in a heartbeat.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl BrokerRegistration {
    /// True when it may lead.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// True unless every directory of it is cordoned: then no new replica is put there (KIP-1066).
    #[must_use]
    pub fn takes_new_replicas(&self) -> bool {
        let cordoned = self.cordoned_log_dirs.as_deref().unwrap_or_default();
        self.log_dirs.is_empty() || self.log_dirs.iter().any(|directory| !cordoned.contains(directory))
    }

    /// True when `directory` is online here. Where brokers tell of no directories, all of them are; and so is one that is not chosen or not
    /// told yet.
    #[must_use]
    pub fn has_online(&self, directory: Uuid) -> bool {
        match directory {
            directory_id::LOST => false,
            directory if directory_id::is_reserved(directory) => true,
            directory => self.log_dirs.is_empty() || self.log_dirs.contains(&directory),
        }
    }

    /// Its endpoint on the listener called `name`.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&BrokerEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name.as_ref() == name)
    }
}

/// All registered brokers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brokers {
    pub(crate) by_id: OrdMap<BrokerId, Arc<BrokerRegistration>>,
    hash: SetHash,
}

impl Brokers {
    /// The broker with `id`.
    #[must_use]
    pub fn get(&self, id: BrokerId) -> Option<&Arc<BrokerRegistration>> {
        self.by_id.get(&id)
    }

    /// True when `id` is registered and may lead.
    #[must_use]
    pub fn is_active(&self, id: BrokerId) -> bool {
        self.get(id).is_some_and(|broker| broker.is_active())
    }

    /// All of them, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.by_id.values()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn insert(&mut self, broker: BrokerRegistration) {
        self.remove(broker.id);
        self.hash.add(record_hash(&snapshot::broker(&broker)));
        self.by_id.insert(broker.id, Arc::new(broker));
    }

    pub(crate) fn remove(&mut self, id: BrokerId) {
        if let Some(removed) = self.by_id.remove(&id) {
            self.hash.remove(record_hash(&snapshot::broker(&removed)));
        }
    }
}
