//! Turns a KafkaCluster into what the builders need: defaults filled in, names and ids worked out, everything typed. Refuses
//! what the API server's own rules cannot see. Pure: it gets what was observed, and reads nothing.

use crate::cluster::lost::lost;
use crate::cluster::observe::Observed;
use crate::cluster::{quorum, template};
use crate::crd::kafka_cluster::{
    DEFAULT_POOL, InitialController, InternalTopics, KafkaCluster, KafkaClusterStatus, ListenerStatus, ListenerType,
    Pool, Role,
};
use crate::k8s::{labels, names};
use barnabas_types::Uuid;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{Resource as _, ResourceExt as _};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

mod resolved;

pub use resolved::{Resolved, ResolvedPool};

/// Sizes of a quorum: an even number survives no more failures than the odd one below it, and more than five slow it down.
const QUORUM_SIZES: [usize; 3] = [1, 3, 5];

/// Kafka's keys of what topics get that say nothing of their own.
pub const DEFAULT_REPLICATION_FACTOR: &str = "default.replication.factor";
pub const MIN_IN_SYNC_REPLICAS: &str = "min.insync.replicas";

/// What the operator's flags say about every cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of clusters that name none.
    pub broker_image: String,
    /// The DNS domain of the Kubernetes cluster.
    pub cluster_domain: String,
}

/// A spec that cannot be followed. Only a change of the spec helps.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error(
        "{controllers} controllers are asked for over all pools, and a quorum has 1, 3 or 5: set the replicas of pools with \
         the role Controller so; a pool with roles: [Broker] takes any number of replicas"
    )]
    ControllerCount { controllers: usize },
    #[error(
        "the quorum is being formed of the controllers {forming}, and other ones are asked for: ask for those until the \
         cluster is Ready, or delete this resource and begin again"
    )]
    QuorumForming { forming: String },
    #[error(
        "pool {pool} is gone from the spec while it has nodes: put it back. It can be removed when its replicas are 0 and no partition has \
         replicas on its brokers, which replicas: 0 stops as they are and does not empty"
    )]
    PoolGone { pool: String },
    #[error(
        "pool {pool} is gone from the spec, and replicas of {partitions} partitions are on its broker {id}, which would be forgotten: put \
         it back, and remove it when no partition has replicas on it: partitions cannot move to other brokers yet, their topics can be deleted"
    )]
    PoolHoldsPartitions { pool: String, id: i32, partitions: usize },
    #[error("pools {first} and {second} both have node id {id}: give one of them another firstNodeId")]
    NodeIdsOverlap { first: String, second: String, id: i32 },
    #[error(
        "node {id} of pool {pool} holds the metadata of this cluster, and too few of the nodes that do would run: bring it \
         back; a controller can leave while the others run"
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
    /// Whether it may be over without any object having changed, when partitions are gone.
    pub fn hangs_on_brokers(&self) -> bool {
        matches!(self, Self::PoolHoldsPartitions { .. })
    }

    /// A stable word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ControllerCount { .. } => "ControllerCount",
            Self::QuorumForming { .. } => "QuorumForming",
            Self::PoolGone { .. } => "PoolGone",
            Self::PoolHoldsPartitions { .. } => "PoolHoldsPartitions",
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
    let controllers = wanted_controllers(&pools)?;
    let image = cluster.spec.image.clone().or(status.image.clone()).unwrap_or_else(|| settings.broker_image.clone());
    if image.is_empty() {
        return Err(Invalid::ImageUnknown);
    }
    let known_ports = known_ports(&status.listeners);
    let cluster_id = match status.cluster_id.clone().or_else(|| observed.adopted_cluster_id()) {
        Some(known) => known,
        None => cluster_id_of(&uid).ok_or(Invalid::Incomplete { field: "metadata.uid" })?,
    };
    let (initial_controllers, initial_recorded) =
        initial_controllers(&cluster_id, &status, &pools, &controllers, observed);
    let mut resolved = Resolved {
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
        internal_topics: status.internal_topics.unwrap_or_else(|| replication(&pools)),
        dynamic_config: status.dynamic_config.clone(),
        known_ports,
        formed: formed(cluster, observed),
        formed_claims: status.formed_nodes.iter().map(|node| node.claim_uid.clone()).collect(),
        controllers,
        initial_controllers,
        initial_recorded,
        pools,
    };
    check_pools(&resolved, observed)?;
    check_forming(&resolved, observed)?;
    hold_back(&mut resolved, observed);
    check_node_ids(&resolved.pools)?;
    check_node_set(&resolved, &status, observed)?;
    give_up_lost(&mut resolved, &status, observed);
    Ok(resolved)
}

fn pools(cluster: &KafkaCluster, name: &str) -> Result<Vec<ResolvedPool>, Invalid> {
    let spec = &cluster.spec;
    let default = Pool {
        name: DEFAULT_POOL.to_owned(),
        replicas: spec.replicas,
        roles: spec.roles.clone(),
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
                wanted: pool.replicas.max(0),
                is_broker: pool.roles.contains(&Role::Broker),
                is_controller: pool.roles.contains(&Role::Controller),
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
    Ok(())
}

/// None when everything is stopped; else as many as a quorum has.
fn wanted_controllers(pools: &[ResolvedPool]) -> Result<BTreeSet<i32>, Invalid> {
    let controllers: BTreeSet<i32> =
        pools.iter().filter(|pool| pool.is_controller).flat_map(ResolvedPool::node_ids).collect();
    let stopped = pools.iter().all(|pool| pool.replicas == 0);
    if stopped || QUORUM_SIZES.contains(&controllers.len()) {
        Ok(controllers)
    } else {
        Err(Invalid::ControllerCount { controllers: controllers.len() })
    }
}

/// What a quorum that is not formed yet is to be formed of, and whether it has been recorded. What was recorded stays from the
/// moment that a StatefulSet may have told it. A lone node needs none: it forms its quorum by itself.
fn initial_controllers(
    cluster_id: &str,
    status: &KafkaClusterStatus,
    pools: &[ResolvedPool],
    controllers: &BTreeSet<i32>,
    observed: &Observed,
) -> (Vec<InitialController>, bool) {
    let recorded = &status.initial_controllers;
    let nodes: i32 = pools.iter().map(|pool| pool.replicas).sum();
    let begun = !status.formed_nodes.is_empty()
        || observed.stateful_sets.values().any(runs)
        || observed.nodes_with_formed_claims().next().is_some();
    if begun || nodes <= 1 {
        return (recorded.clone(), true);
    }
    let initial: Vec<InitialController> =
        controllers.iter().map(|&id| InitialController { id, directory_id: directory_id_of(cluster_id, id) }).collect();
    let is_recorded = initial == *recorded;
    (initial, is_recorded)
}

/// Made of the cluster's id: no crash between making and recording it makes another, and a resource that is made again finds
/// volumes that were formatted and never served.
fn directory_id_of(cluster_id: &str, id: i32) -> String {
    let made = (0_u32..).map(|attempt| {
        let digest = Sha256::digest(format!("barnabas directory {cluster_id} {id} {attempt}").as_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(byte, found)| *byte = found);
        Uuid::from_random(bytes)
    });
    made.filter(|id| !id.looks_like_a_flag()).map(|id| id.to_string()).next().unwrap_or_default()
}

fn runs(set: &StatefulSet) -> bool {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default() > 0
}

/// A pool that is taken out of the spec would leave its nodes to nobody.
fn check_pools(resolved: &Resolved, observed: &Observed) -> Result<(), Invalid> {
    let known = |name: &str| resolved.pools.iter().any(|pool| pool.stateful_set == name);
    let mut gone = observed.stateful_sets.iter().filter(|(name, set)| runs(set) && !known(name));
    if let Some(pool) = gone.find_map(|(_, set)| set.labels().get(labels::POOL).cloned()) {
        return Err(Invalid::PoolGone { pool });
    }
    // One that is stopped has no nodes, and its volumes may hold what nobody else does.
    let stopped = observed.stateful_sets.iter().filter(|(name, _)| !known(name));
    let holding = stopped.filter_map(|(_, set)| {
        let (id, partitions) = forgotten_with_partitions(resolved, set, observed)?;
        Some(Invalid::PoolHoldsPartitions { pool: set.labels().get(labels::POOL)?.clone(), id, partitions })
    });
    holding.min_by_key(|invalid| invalid.to_string()).map_or(Ok(()), Err)
}

/// A broker of this pool, which is gone, that would be forgotten, and of how many partitions it has replicas.
fn forgotten_with_partitions(resolved: &Resolved, gone: &StatefulSet, observed: &Observed) -> Option<(i32, usize)> {
    let first = gone.spec.as_ref()?.ordinals.as_ref()?.start?;
    let others = resolved.pools.iter().map(|pool| pool.first_node_id);
    let next = others.filter(|other| *other > first).min().unwrap_or(i32::MAX);
    let hosted = observed.answers.hosted.as_ref()?;
    let of_pool = resolved.departed().into_iter().filter(|id| (first..next).contains(id));
    let registered = of_pool.filter(|id| observed.answers.registered.contains(id));
    registered.filter_map(|id| Some((id, hosted.get(&id)?.replicas))).find(|(_, partitions)| *partitions > 0)
}

/// Until a node was ready, nobody knows how far the others have come with what they were told.
fn check_forming(resolved: &Resolved, observed: &Observed) -> Result<(), Invalid> {
    if !resolved.formed.is_empty() || !resolved.initial_recorded || resolved.wanted() == 0 {
        return Ok(());
    }
    let mut told: BTreeSet<i32> = resolved.initial_controllers.iter().map(|controller| controller.id).collect();
    if told.is_empty() {
        let lone =
            resolved.pools.iter().filter(|pool| observed.stateful_sets.get(&pool.stateful_set).is_some_and(runs));
        told = lone.map(|pool| pool.first_node_id).collect();
    }
    if told.is_empty() || told == resolved.controllers {
        return Ok(());
    }
    Err(Invalid::QuorumForming { forming: told.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") })
}

/// Keeps nodes that the spec asks no more for until they have no vote and hold nothing; then they go one by one, the highest
/// first, because that is what a StatefulSet takes away. A pool of brokers that is set to 0 is stopped, and a whole cluster is.
fn hold_back(resolved: &mut Resolved, observed: &Observed) {
    if resolved.wanted() == 0 {
        return;
    }
    let mut one_leaves = false;
    for pool in &mut resolved.pools {
        let set = observed.stateful_sets.get(&pool.stateful_set).and_then(|set| set.spec.as_ref());
        let runs = set.and_then(|spec| spec.replicas).unwrap_or_default();
        let is_stopped = pool.wanted == 0 && !pool.is_controller;
        if runs <= pool.wanted || is_stopped {
            continue;
        }
        let last = pool.first_node_id.saturating_add(runs - 1);
        let leaves = !one_leaves && quorum::may_leave(&observed.answers, last, pool.is_broker);
        one_leaves |= leaves;
        pool.replicas = runs - i32::from(leaves);
    }
}

/// Too few of those who voted last would run: they would wait for the others for ever, and nobody else can take over.
fn check_node_set(resolved: &Resolved, status: &KafkaClusterStatus, observed: &Observed) -> Result<(), Invalid> {
    let mut voters: BTreeSet<i32> = match &observed.answers.quorum {
        Some(live) => live.voters.iter().map(|voter| voter.id).collect(),
        None => status.quorum.iter().flat_map(|quorum| &quorum.voters).map(|voter| voter.id).collect(),
    };
    if voters.is_empty() && resolved.formed.len() == 1 {
        voters.clone_from(&resolved.formed);
    }
    let running: BTreeSet<i32> = resolved.nodes().map(|(id, _)| id).collect();
    let absent: Vec<i32> = voters.difference(&running).copied().collect();
    let enough = voters.len() - absent.len() >= quorum::majority(voters.len());
    match absent.first() {
        Some(&id) if !enough && !running.is_empty() && !resolved.formed.is_empty() => {
            let home = resolved.pools.iter().rfind(|pool| pool.first_node_id <= id);
            let pool = home.map_or_else(|| DEFAULT_POOL.to_owned(), |pool| pool.name.clone());
            Err(Invalid::NodeSetChanged { id, pool })
        }
        _ => Ok(()),
    }
}

/// Nodes whose volume was lost and that the others can do without begin again as if they were new.
fn give_up_lost(resolved: &mut Resolved, status: &KafkaClusterStatus, observed: &Observed) {
    let given_up = status.formed_nodes.iter().filter_map(|formed| {
        let (id, pool) = resolved.nodes().find(|(id, _)| *id == formed.id)?;
        let lost = lost(formed, pool, observed)?;
        let may = lost.replaced_by.is_some() && quorum::may_start_over(&observed.answers, id, pool.is_broker);
        may.then_some(id)
    });
    for id in given_up.collect::<Vec<_>>() {
        resolved.formed.remove(&id);
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
        let brokers = pools.iter().filter(|pool| pool.is_broker);
        for (id, pool) in brokers.flat_map(|pool| pool.node_ids().map(move |id| (id, pool))) {
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

/// From so many brokers on a cluster is made with copies: one broker may be away while another fails.
const BROKERS_FOR_COPIES: i32 = 3;
const COPIES: InternalTopics = InternalTopics { replication_factor: 3, min_in_sync_replicas: 2 };
const SINGLE_COPY: InternalTopics = InternalTopics { replication_factor: 1, min_in_sync_replicas: 1 };

/// How a cluster that is made of these pools replicates.
fn replication(pools: &[ResolvedPool]) -> InternalTopics {
    let brokers: i32 = pools.iter().filter(|pool| pool.is_broker).map(|pool| pool.wanted).sum();
    if brokers >= BROKERS_FOR_COPIES { COPIES } else { SINGLE_COPY }
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
