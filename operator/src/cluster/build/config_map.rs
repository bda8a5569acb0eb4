//! ConfigMaps: the configuration that the nodes of a pool share, and the facts that belong to one node. Both are immutable and named
//! by their content, so that a pod keeps what it was started with until it is restarted.

use super::properties;
use super::service::{HOST_ADDRESS, advertised_address};
use crate::cluster::observe::Observed;
use crate::cluster::validate::{DEFAULT_REPLICATION_FACTOR, MIN_IN_SYNC_REPLICAS, Resolved, ResolvedPool};
use crate::crd::kafka_cluster::Listener;
use crate::k8s::{desired, names};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The key of the shared configuration, and the file's name in the pods.
pub const SERVER_FILE: &str = "server.properties";
/// Where a broker keeps its logs: below the volume's root, where some file systems put `lost+found`.
pub const LOG_DIRECTORY: &str = "/var/lib/kafka/data/log";
const ADVERTISED_LISTENERS: &str = "advertised.listeners";
const BOOTSTRAP_SERVERS: &str = "controller.quorum.bootstrap.servers";
/// The volume of [`server`] in the pods.
pub const CONFIG_VOLUME: &str = "config";
/// The volume of [`nodes`] in the pods.
pub const NODES_VOLUME: &str = "nodes";

/// The configuration that the nodes of a pool share.
pub fn server(cluster: &Resolved, pool: &ResolvedPool) -> ConfigMap {
    let mut config = BTreeMap::from([
        ("process.roles".to_owned(), roles(pool)),
        ("log.dirs".to_owned(), LOG_DIRECTORY.to_owned()),
        // The kubelet asks from outside the pod.
        ("barnabas.admin.listener".to_owned(), format!("0.0.0.0:{}", names::ADMIN_PORT)),
        ("listeners".to_owned(), listeners(cluster, pool)),
        ("listener.security.protocol.map".to_owned(), protocols(cluster)),
        ("controller.listener.names".to_owned(), names::CONTROLLER_LISTENER.to_owned()),
    ]);
    if cluster.is_lone() {
        config.insert(BOOTSTRAP_SERVERS.to_owned(), quorum(cluster));
    }
    if let Some(listener) = cluster.internal_listener().filter(|_| pool.is_broker) {
        config.insert("inter.broker.listener.name".to_owned(), names::listener(&listener.name));
    }
    let factor = cluster.internal_topics.replication_factor.to_string();
    let in_sync = cluster.internal_topics.min_in_sync_replicas.to_string();
    for (key, value) in [
        ("offsets.topic.replication.factor", &factor),
        ("transaction.state.log.replication.factor", &factor),
        ("transaction.state.log.min.isr", &in_sync),
        ("share.coordinator.state.topic.replication.factor", &factor),
        ("share.coordinator.state.topic.min.isr", &in_sync),
    ] {
        config.insert(key.to_owned(), value.clone());
    }
    // A cluster without copies has Kafka's own defaults, which say the same: its pods were started without these lines.
    if cluster.internal_topics.replication_factor > 1 {
        config.insert(DEFAULT_REPLICATION_FACTOR.to_owned(), factor);
        config.insert(MIN_IN_SYNC_REPLICAS.to_owned(), in_sync);
        if pool.is_broker {
            config.insert("barnabas.shutdown.grace.ms".to_owned(), super::pod::staying_ms(pool).to_string());
        }
    }
    config.extend(cluster.config.clone());
    let text = properties::render(config.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    immutable(cluster, "config", BTreeMap::from([(SERVER_FILE.to_owned(), text)]))
}

/// What each node is told about itself, by node id.
pub fn node_facts(cluster: &Resolved, observed: &Observed) -> BTreeMap<i32, String> {
    let controllers = quorum(cluster);
    let facts = |(id, pool): (i32, &ResolvedPool)| {
        let served = cluster.listeners.iter().filter(|_| pool.is_broker);
        let mut advertised: Vec<String> = served
            .filter_map(|listener| {
                let address = advertised_address(cluster, listener, id, pool, observed, HOST_ADDRESS)?;
                Some(format!("{}://{address}", names::listener(&listener.name)))
            })
            .collect();
        if pool.is_controller && !cluster.is_lone() {
            let host = cluster.host(id, pool);
            advertised.push(format!("{}://{host}:{}", names::CONTROLLER_LISTENER, names::CONTROLLER_PORT));
        }
        let advertised = advertised.join(",");
        let mut entries = vec![(ADVERTISED_LISTENERS, advertised.as_str())];
        if !cluster.is_lone() {
            entries.push((BOOTSTRAP_SERVERS, controllers.as_str()));
        }
        (id, properties::render(entries))
    };
    cluster.nodes().map(facts).collect()
}

/// What a restart of the node is due for when it changes. Where to look for the quorum is not: a node that runs has found it.
pub fn binding(facts: &str) -> impl Iterator<Item = &str> {
    facts.lines().filter(|line| !line.starts_with(BOOTSTRAP_SERVERS))
}

/// The facts of all nodes; a node reads the file that has its id.
pub fn nodes(cluster: &Resolved, facts: &BTreeMap<i32, String>) -> ConfigMap {
    immutable(cluster, "nodes", facts.iter().map(|(id, text)| (node_file(*id), text.clone())).collect())
}

/// The file of a node's facts.
pub fn node_file(id: i32) -> String {
    format!("{id}.properties")
}

fn immutable(cluster: &Resolved, role: &str, data: BTreeMap<String, String>) -> ConfigMap {
    let content: Vec<String> = data.iter().map(|(key, value)| format!("{}:{key}\n{value}", value.len())).collect();
    let digest = desired::digest_of_bytes(content.concat().as_bytes());
    ConfigMap {
        metadata: super::of_cluster(cluster, format!("{}-{role}-{digest}", cluster.name)),
        data: Some(data),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

fn roles(pool: &ResolvedPool) -> String {
    let roles = [("broker", pool.is_broker), ("controller", pool.is_controller)];
    roles.iter().filter(|(_, has)| *has).map(|(role, _)| *role).collect::<Vec<_>>().join(",")
}

fn listeners(cluster: &Resolved, pool: &ResolvedPool) -> String {
    let served = cluster.listeners.iter().filter(|_| pool.is_broker);
    let mut all: Vec<String> = served.map(|l| bind(&names::listener(&l.name), l.port)).collect();
    if pool.is_controller {
        all.push(bind(names::CONTROLLER_LISTENER, names::CONTROLLER_PORT));
    }
    all.join(",")
}

fn bind(name: &str, port: i32) -> String {
    format!("{name}://0.0.0.0:{port}")
}

fn protocols(cluster: &Resolved) -> String {
    let plaintext = |listener: &Listener| format!("{}:PLAINTEXT", names::listener(&listener.name));
    let mut all: Vec<String> = cluster.listeners.iter().map(plaintext).collect();
    all.push(format!("{}:PLAINTEXT", names::CONTROLLER_LISTENER));
    all.join(",")
}

fn quorum(cluster: &Resolved) -> String {
    let voter = |(id, pool)| format!("{}:{}", cluster.host(id, pool), names::CONTROLLER_PORT);
    cluster.controllers().map(voter).collect::<Vec<_>>().join(",")
}
