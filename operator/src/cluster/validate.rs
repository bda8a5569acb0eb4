//! Turns a KafkaCluster into what the builders need: defaults filled in, names and ids worked out, everything typed. Refuses
//! what the API server's own rules cannot see. Pure: it gets what was observed, and reads nothing.

use crate::cluster::observe::Observed;
use crate::cluster::template;
use crate::crd::kafka_cluster::{
    DEFAULT_POOL, ImagePullPolicy, InternalTopics, KafkaCluster, Listener, ListenerStatus, ListenerType, Pool,
    Resources, Storage,
};
use crate::k8s::{labels, names};
use barnabas_types::Uuid;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource as _, ResourceExt as _};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes that a cluster may have until brokers replicate to each other.
const MAX_NODES: i32 = 1;

/// What the operator's flags say about every cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of clusters that name none.
    pub broker_image: String,
    /// The DNS domain of the Kubernetes cluster.
    pub cluster_domain: String,
}

/// A KafkaCluster with everything worked out.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub owner: OwnerReference,
    pub cluster_id: String,
    pub image: String,
    pub image_pull_policy: ImagePullPolicy,
    pub cluster_domain: String,
    pub listeners: Vec<Listener>,
    pub pools: Vec<ResolvedPool>,
    pub config: BTreeMap<String, String>,
    pub internal_topics: InternalTopics,
    /// Ports on the machines that were picked before, by listener and node; without a node for the first connection.
    pub known_ports: BTreeMap<(String, Option<i32>), i32>,
    /// Nodes whose volume must not be formatted.
    pub formed: BTreeSet<i32>,
    /// Uids of the claims on which nodes were ready. An empty claim in the place of a lost one is not among them.
    pub formed_claims: BTreeSet<String>,
}

/// A pool with everything worked out.
#[derive(Clone, Debug)]
pub struct ResolvedPool {
    pub name: String,
    pub stateful_set: String,
    pub first_node_id: i32,
    pub replicas: i32,
    pub storage: Storage,
    pub resources: Option<Resources>,
    pub template: Option<Box<PodTemplateSpec>>,
}

impl ResolvedPool {
    /// The pool's node ids.
    pub fn node_ids(&self) -> std::ops::Range<i32> {
        self.first_node_id..self.first_node_id.saturating_add(self.replicas)
    }

    /// The pod of one of its nodes.
    pub fn pod(&self, node_id: i32) -> String {
        names::pod(&self.stateful_set, node_id)
    }
}

impl Resolved {
    /// Every node with its pool, by id.
    pub fn nodes(&self) -> impl Iterator<Item = (i32, &ResolvedPool)> {
        self.pools.iter().flat_map(|pool| pool.node_ids().map(move |id| (id, pool)))
    }

    /// The host name of a node.
    pub fn host(&self, node_id: i32, pool: &ResolvedPool) -> String {
        names::pod_host(&self.name, &pool.pod(node_id), &self.namespace, &self.cluster_domain)
    }

    /// The listener that brokers use among each other.
    pub fn internal_listener(&self) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.kind == ListenerType::Internal)
    }
}

/// A spec that cannot be followed. Only a change of the spec helps.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error(
        "{nodes} nodes are asked for over all pools, but brokers do not replicate to each other yet: set replicas so that \
         the sum is at most {MAX_NODES}"
    )]
    ReplicationUnsupported { nodes: i64 },
    #[error("pools {first} and {second} both have node id {id}: give one of them another firstNodeId")]
    NodeIdsOverlap { first: String, second: String, id: i32 },
    #[error(
        "node {id} holds the metadata of this cluster and is no longer part of pool {pool}: without replication its data \
         cannot move to another node; bring the pool back"
    )]
    NodeSetChanged { id: i32, pool: String },
    #[error("config: {key} follows from other fields of this resource ({instead}): remove it")]
    ConfigKeyOwned { key: String, instead: &'static str },
    #[error("config: the key {key:?} is empty or has white space, '=' or ':' in it: correct it")]
    ConfigKeyMalformed { key: String },
    #[error("template of pool {pool} is not a PodTemplateSpec: {reason}")]
    TemplateMalformed { pool: String, reason: String },
    #[error("template of pool {pool}: Kubernetes knows no field {path}: correct or remove it")]
    TemplateFieldUnknown { pool: String, path: String },
    #[error("template of pool {pool} may not set {path}: {reason}")]
    TemplateFieldOwned { pool: String, path: &'static str, reason: &'static str },
    #[error("names clash: {name} would be both {first} and {second}; rename one of them")]
    NamesClash { name: String, first: String, second: String },
    #[error("the resource has no {field} yet")]
    Incomplete { field: &'static str },
    #[error("no broker image is known: set spec.image, or start the operator with --broker-image")]
    ImageUnknown,
}

impl Invalid {
    /// A stable word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ReplicationUnsupported { .. } => "ReplicationUnsupported",
            Self::NodeIdsOverlap { .. } => "NodeIdsOverlap",
            Self::NodeSetChanged { .. } => "NodeSetChanged",
            Self::ConfigKeyOwned { .. } => "ConfigKeyOwned",
            Self::ConfigKeyMalformed { .. } => "ConfigKeyMalformed",
            Self::TemplateMalformed { .. } => "TemplateMalformed",
            Self::TemplateFieldUnknown { .. } => "TemplateFieldUnknown",
            Self::TemplateFieldOwned { .. } => "TemplateFieldOwned",
            Self::NamesClash { .. } => "NamesClash",
            Self::Incomplete { .. } => "Incomplete",
            Self::ImageUnknown => "ImageUnknown",
        }
    }
}

/// Works everything out, or says what is wrong.
///
/// # Errors
/// The first rule that the spec breaks.
pub fn validate(cluster: &KafkaCluster, observed: &Observed, settings: &Settings) -> Result<Resolved, Invalid> {
    let uid = cluster.uid().ok_or(Invalid::Incomplete { field: "metadata.uid" })?;
    let namespace = cluster.namespace().ok_or(Invalid::Incomplete { field: "metadata.namespace" })?;
    let owner = cluster.controller_owner_ref(&()).ok_or(Invalid::Incomplete { field: "metadata.name" })?;
    let name = cluster.name_any();
    let status = cluster.status.clone().unwrap_or_default();
    let pools = pools(cluster, &name)?;
    check_node_ids(&pools)?;
    check_names(cluster, &pools)?;
    let image = cluster.spec.image.clone().or(status.image).unwrap_or_else(|| settings.broker_image.clone());
    if image.is_empty() {
        return Err(Invalid::ImageUnknown);
    }
    let known_ports = known_ports(&status.listeners);
    let cluster_id = match status.cluster_id.or_else(|| observed.adopted_cluster_id()) {
        Some(known) => known,
        None => cluster_id_of(&uid).ok_or(Invalid::Incomplete { field: "metadata.uid" })?,
    };
    let resolved = Resolved {
        name,
        namespace,
        uid,
        owner,
        cluster_id,
        image,
        image_pull_policy: cluster.spec.image_pull_policy,
        cluster_domain: settings.cluster_domain.clone(),
        listeners: cluster.spec.listeners.clone(),
        config: config(cluster)?,
        internal_topics: status.internal_topics.unwrap_or_else(|| internal_topics_of(&pools)),
        known_ports,
        formed: formed(cluster, observed),
        formed_claims: status.formed_nodes.into_iter().map(|node| node.claim_uid).collect(),
        pools,
    };
    check_node_set(&resolved)?;
    Ok(resolved)
}

fn pools(cluster: &KafkaCluster, name: &str) -> Result<Vec<ResolvedPool>, Invalid> {
    let spec = &cluster.spec;
    let default = Pool {
        name: DEFAULT_POOL.to_owned(),
        replicas: spec.replicas,
        first_node_id: spec.first_node_id,
        storage: spec.storage.clone(),
        resources: spec.resources.clone(),
        template: spec.template.clone(),
    };
    std::iter::once(&default)
        .chain(&spec.pools)
        .map(|pool| {
            Ok(ResolvedPool {
                name: pool.name.clone(),
                stateful_set: names::stateful_set(name, &pool.name),
                first_node_id: pool.first_node_id,
                replicas: pool.replicas.max(0),
                storage: pool.storage.clone(),
                resources: pool.resources.clone(),
                template: pool.template.as_ref().map(|raw| template::decode(&pool.name, raw)).transpose()?,
            })
        })
        .collect()
}

fn check_node_ids(pools: &[ResolvedPool]) -> Result<(), Invalid> {
    for (index, first) in pools.iter().enumerate() {
        for second in pools.iter().skip(index + 1) {
            let id = first.first_node_id.max(second.first_node_id);
            // An empty pool keeps its first id: it may get its nodes back.
            let reaches = |pool: &ResolvedPool| id < pool.first_node_id.saturating_add(pool.replicas.max(1));
            if reaches(first) && reaches(second) {
                return Err(Invalid::NodeIdsOverlap { first: first.name.clone(), second: second.name.clone(), id });
            }
        }
    }
    let nodes: i64 = pools.iter().map(|pool| i64::from(pool.replicas)).sum();
    if nodes > i64::from(MAX_NODES) {
        return Err(Invalid::ReplicationUnsupported { nodes });
    }
    Ok(())
}

/// A quorum of one: the node that was formed is the cluster, so that no other may take its place.
fn check_node_set(resolved: &Resolved) -> Result<(), Invalid> {
    let desired: BTreeSet<i32> = resolved.nodes().map(|(id, _)| id).collect();
    let lost = resolved.formed.iter().find(|id| !desired.is_empty() && !desired.contains(id));
    match lost {
        None => Ok(()),
        Some(&id) => {
            let home = resolved.pools.iter().rfind(|pool| pool.first_node_id <= id);
            let pool = home.map_or_else(|| DEFAULT_POOL.to_owned(), |pool| pool.name.clone());
            Err(Invalid::NodeSetChanged { id, pool })
        }
    }
}

/// Names of listeners and pools meet in names of Services and StatefulSets.
fn check_names(cluster: &KafkaCluster, pools: &[ResolvedPool]) -> Result<(), Invalid> {
    let name = cluster.name_any();
    let mut taken: BTreeMap<String, String> = BTreeMap::from([
        (names::headless_service(&name), "the headless Service".to_owned()),
        (names::bootstrap_service(&name), "the bootstrap Service".to_owned()),
    ]);
    let mut claim = |key: String, what: String| match taken.insert(key.clone(), what.clone()) {
        None => Ok(()),
        Some(first) => Err(Invalid::NamesClash { name: key, first, second: what }),
    };
    for listener in cluster.spec.listeners.iter().filter(|listener| listener.kind == ListenerType::NodePort) {
        let service = names::listener_service(&name, &listener.name);
        claim(service, format!("the Service of listener {}", listener.name))?;
        for (id, pool) in pools.iter().flat_map(|pool| pool.node_ids().map(move |id| (id, pool))) {
            let service = names::broker_service(&name, &listener.name, id);
            claim(service, format!("the Service of node {id} of pool {}", pool.name))?;
        }
    }
    Ok(())
}

/// Kafka's cluster id is a UUID in base64: the resource's own uid makes one that no crash can lose.
fn cluster_id_of(uid: &str) -> Option<String> {
    let digits: String = uid.chars().filter(|c| *c != '-').collect();
    let bits = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(Uuid::from_u128(bits).to_string())
}

/// What as many brokers can hold as the cluster begins with; never more than Kafka's own default.
fn internal_topics_of(pools: &[ResolvedPool]) -> InternalTopics {
    let nodes: i32 = pools.iter().map(|pool| pool.replicas).sum();
    let replication_factor = nodes.clamp(1, 3);
    InternalTopics { replication_factor, min_in_sync_replicas: (replication_factor - 1).max(1) }
}

fn known_ports(listeners: &[ListenerStatus]) -> BTreeMap<(String, Option<i32>), i32> {
    let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let mut ports = BTreeMap::new();
    for listener in listeners.iter().filter(|listener| listener.kind == ListenerType::NodePort) {
        if let Some(port) = listener.bootstrap.as_deref().and_then(port) {
            ports.insert((listener.name.clone(), None), port);
        }
        for broker in &listener.brokers {
            if let Some(port) = port(&broker.address) {
                ports.insert((listener.name.clone(), Some(broker.node_id)), port);
            }
        }
    }
    ports
}

/// Nodes that hold data: those that the status knows, those whose claim says so; less those whose new, empty claim the user
/// has named as one that may be formatted.
fn formed(cluster: &KafkaCluster, observed: &Observed) -> BTreeSet<i32> {
    let recorded = cluster.status.iter().flat_map(|status| &status.formed_nodes);
    let allowed = cluster.annotations().get(labels::ALLOW_FORMAT).map(String::as_str);
    let mut formed: BTreeSet<i32> = recorded
        .filter(|node| {
            let uid = observed.claim_of_node(node.id).and_then(|claim| claim.uid());
            let named = uid.is_some() && uid.as_deref() == allowed;
            !(named && uid.as_deref() != Some(node.claim_uid.as_str()))
        })
        .map(|node| node.id)
        .collect();
    formed.extend(observed.nodes_with_formed_claims());
    formed
}

/// Keys that follow from other fields.
const OWNED_KEYS: [(&str, &str); 20] = [
    ("node.id", "firstNodeId"),
    ("broker.id", "firstNodeId"),
    ("process.roles", "the pools"),
    ("listeners", "listeners"),
    ("advertised.listeners", "listeners"),
    ("listener.security.protocol.map", "listeners"),
    ("inter.broker.listener.name", "listeners"),
    ("security.inter.broker.protocol", "listeners"),
    ("controller.listener.names", "the pools"),
    ("controller.quorum.voters", "the pools"),
    ("controller.quorum.bootstrap.servers", "the pools"),
    ("log.dir", "storage"),
    ("log.dirs", "storage"),
    ("metadata.log.dir", "storage"),
    ("barnabas.admin.listener", "the probes"),
    ("zookeeper.connect", "the pools"),
    ("host.name", "listeners"),
    ("port", "listeners"),
    ("advertised.host.name", "listeners"),
    ("advertised.port", "listeners"),
];

fn config(cluster: &KafkaCluster) -> Result<BTreeMap<String, String>, Invalid> {
    let mut config = BTreeMap::new();
    for (key, value) in &cluster.spec.config {
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c == '=' || c == ':' || c == '\\') {
            return Err(Invalid::ConfigKeyMalformed { key: key.clone() });
        }
        if let Some((_, instead)) = OWNED_KEYS.iter().find(|(owned, _)| owned == key) {
            return Err(Invalid::ConfigKeyOwned { key: key.clone(), instead });
        }
        config.insert(key.clone(), value.to_string());
    }
    Ok(config)
}

#[cfg(test)]
mod tests;
