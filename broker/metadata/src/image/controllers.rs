//! The controllers that have registered.

use std::sync::Arc;

use barnabas_types::{BrokerId, Uuid};
use imbl::OrdMap;

use super::{BrokerEndpoint, FeatureRange};

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
pub struct Controllers(pub(crate) OrdMap<BrokerId, Arc<ControllerRegistration>>);

impl Controllers {
    /// The controller with `id`.
    #[must_use]
    pub fn get(&self, id: BrokerId) -> Option<&Arc<ControllerRegistration>> {
        self.0.get(&id)
    }

    /// All of them, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ControllerRegistration>> {
        self.0.values()
    }
}
