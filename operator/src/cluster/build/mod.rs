//! Every object behind a cluster, one builder per file. Pure: the same input gives the same objects, byte for byte.

mod claim;
mod config_map;
mod pdb;
mod pod;
pub mod properties;
mod service;
mod service_account;
mod stateful_set;

use crate::cluster::dynamic_config;
use crate::cluster::error::ClusterError;
use crate::cluster::observe::Observed;
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::k8s::desired::Desired;
use crate::k8s::labels;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

pub use config_map::{CONFIG_VOLUME, NODES_VOLUME, SERVER_FILE, binding};

/// What a cluster should consist of.
#[derive(Clone, Debug)]
pub struct Built {
    /// What everything else refers to: account and Services.
    pub foundations: Vec<Desired>,
    /// Configuration that pods mount, with claims. Empty while a NodePort is not known yet.
    pub configuration: Vec<Desired>,
    /// Volumes; a refusal (a class that cannot grow) must not hold back the rest.
    pub claims: Vec<Desired>,
    /// What runs the pods, and guards them.
    pub workloads: Vec<Desired>,
    /// Services whose NodePort Kubernetes has not picked yet.
    pub ports_pending: Vec<String>,
    /// What each node is told about itself, by node id.
    pub node_facts: BTreeMap<i32, String>,
    /// What each pool's pods may carry as [`labels::POD_DIGEST`], by StatefulSet: that of the template, and that of one with an earlier
    /// configuration whose difference is set at run time.
    pub pod_digests: BTreeMap<String, BTreeSet<String>>,
    /// How the pods of each pool may format an empty volume, by StatefulSet.
    pub formats: BTreeMap<String, Format>,
}

/// What becomes of an empty volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// It becomes the volume of a quorum of one.
    IfEmpty,
    /// It becomes that of one of the controllers that the quorum is formed of.
    InitialControllers,
    /// It gets a directory id of its own, and the node follows the quorum that there is.
    NoInitialControllers,
    /// It stays as it is, and the node does not start: its data is missing.
    Never,
}

impl Format {
    /// The value of [`labels::FORMAT`].
    pub fn name(self) -> &'static str {
        match self {
            Self::IfEmpty => "if-empty",
            Self::InitialControllers => "initial-controllers",
            Self::NoInitialControllers => "no-initial-controllers",
            Self::Never => "never",
        }
    }
}

/// Builds everything that can be built from what is known.
///
/// # Errors
/// An object that cannot be written as JSON.
pub fn build(cluster: &Resolved, observed: &Observed) -> Result<Built, ClusterError> {
    let mut built = Built {
        foundations: vec![desired(&service_account::service_account(cluster))?],
        configuration: Vec::new(),
        claims: Vec::new(),
        workloads: vec![desired(&pdb::pod_disruption_budget(cluster))?],
        ports_pending: Vec::new(),
        node_facts: BTreeMap::new(),
        pod_digests: BTreeMap::new(),
        formats: cluster.pools.iter().map(|pool| (pool.stateful_set.clone(), format(cluster, pool))).collect(),
    };
    for service in service::services(cluster, observed) {
        built.foundations.push(desired(&service)?);
    }
    built.ports_pending = service::ports_pending(cluster, observed);
    for (id, pool) in cluster.nodes() {
        built.claims.push(desired(&claim::claim(cluster, pool, id, observed))?);
    }
    if !built.ports_pending.is_empty() {
        return Ok(built);
    }
    built.node_facts = config_map::node_facts(cluster, observed);
    let nodes = config_map::nodes(cluster, &built.node_facts);
    for pool in &cluster.pools {
        let config = config_map::server(cluster, pool);
        let names = pod::ConfigMaps { server: name_of(&config), nodes: name_of(&nodes) };
        let (template, digest) = pod::template(cluster, pool, &names, format(cluster, pool))?;
        let mut digests = BTreeSet::from([digest]);
        for server in dynamic_config::standing(cluster, pool, &config, observed) {
            let names = pod::ConfigMaps { server, ..names.clone() };
            digests.insert(pod::template(cluster, pool, &names, format(cluster, pool))?.1);
        }
        built.pod_digests.insert(pool.stateful_set.clone(), digests);
        // Nobody is told of the first controllers before they are written down.
        if cluster.initial_recorded {
            built.workloads.push(desired(&stateful_set::stateful_set(cluster, pool, template, observed))?);
        }
        // Pools with the same roles share theirs.
        if !built.configuration.iter().any(|known| known.name == name_of(&config)) {
            built.configuration.push(desired(&config)?);
        }
    }
    built.configuration.push(desired(&nodes)?);
    Ok(built)
}

/// A quorum is formed once. From then on a new node joins it, and a volume that held data and is empty is nobody's to format.
fn format(cluster: &Resolved, pool: &ResolvedPool) -> Format {
    let is_formed = if cluster.is_lone() {
        cluster.nodes().any(|(id, _)| cluster.formed.contains(&id))
    } else {
        !cluster.formed.is_empty()
    };
    match (is_formed, pool.is_controller) {
        (false, _) if cluster.is_lone() => Format::IfEmpty,
        (false, true) => Format::InitialControllers,
        (false, false) => Format::NoInitialControllers,
        (true, _) if !pool.unformed(&cluster.formed).is_empty() => Format::NoInitialControllers,
        (true, _) => Format::Never,
    }
}

/// The address that a node tells clients of a listener; `None` while its NodePort is not known.
pub use service::advertised_address;
/// Where clients connect first.
pub use service::bootstrap_address;

fn desired<K>(object: &K) -> Result<Desired, ClusterError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + k8s_openapi::Resource,
{
    Desired::new(object).map_err(|source| ClusterError::Build { object: K::KIND, source })
}

fn name_of<K: Resource>(object: &K) -> String {
    object.meta().name.clone().unwrap_or_default()
}

/// Metadata of an object that goes when the KafkaCluster goes.
fn owned(cluster: &Resolved, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![cluster.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Metadata of an object for the whole cluster.
fn of_cluster(cluster: &Resolved, name: String) -> ObjectMeta {
    owned(cluster, name, labels::of_cluster(&cluster.name))
}

#[cfg(test)]
pub mod tests;
