//! The controllers that have registered.

use std::sync::Arc;

use barnabas_types::{BrokerId, Uuid};
use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use super::{BrokerEndpoint, FeatureRange};
use crate::snapshot;

/// A registered controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// `node.id`.
    pub id: BrokerId,
    /// Made anew at every start of the process.
    pub incarnation_id: Uuid,
    /// True when it could take over a migration from ZooKeeper; always false since Kafka 4.
    pub zk_migration_ready: bool,
    /// Its listeners.
    pub endpoints: Vec<BrokerEndpoint>,
    /// What it supports.
    pub features: Vec<FeatureRange>,
}

/// All registered controllers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controllers {
    pub(crate) by_id: OrdMap<BrokerId, Arc<ControllerRegistration>>,
    hash: SetHash,
}

impl Controllers {
    /// The controller with `id`.
    #[must_use]
    pub fn get(&self, id: BrokerId) -> Option<&Arc<ControllerRegistration>> {
        self.by_id.get(&id)
    }

    /// All of them, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ControllerRegistration>> {
        self.by_id.values()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn insert(&mut self, controller: ControllerRegistration) {
        self.hash.add(record_hash(&snapshot::controller(&controller)));
        if let Some(replaced) = self.by_id.insert(controller.id, Arc::new(controller)) {
            self.hash.remove(record_hash(&snapshot::controller(&replaced)));
        }
    }
}
