//! A KafkaCluster with everything worked out, and what follows from it alone: which nodes there are, which leave, where they are found.
//! Refuses nothing: that is done before there is one.

use super::{DEFAULT_REPLICATION_FACTOR, MIN_IN_SYNC_REPLICAS};
use crate::crd::kafka_cluster::{
    ImagePullPolicy, InitialController, InternalTopics, Listener, ListenerType, Resources, Storage,
};
use crate::k8s::names;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use std::collections::{BTreeMap, BTreeSet};

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
    /// What this resource named that is set on all brokers at run time, as of the last pass.
    pub dynamic_config: BTreeMap<String, String>,
    /// Ports on the machines that were picked before, by listener and node; without a node for the first connection.
    pub known_ports: BTreeMap<(String, Option<i32>), i32>,
    /// Nodes whose volume must not be formatted.
    pub formed: BTreeSet<i32>,
    /// The controllers that the spec asks for.
    pub controllers: BTreeSet<i32>,
    /// The controllers that the quorum is formed of; of no use once it is.
    pub initial_controllers: Vec<InitialController>,
    /// Whether they have been written down, so that they can be told.
    pub initial_recorded: bool,
    /// Uids of the claims on which nodes were ready. An empty claim in the place of a lost one is not among them.
    pub formed_claims: BTreeSet<String>,
}

/// A pool with everything worked out.
#[derive(Clone, Debug)]
pub struct ResolvedPool {
    pub name: String,
    pub stateful_set: String,
    pub first_node_id: i32,
    /// Nodes that run: those that are asked for, and those that may not leave yet.
    pub replicas: i32,
    /// Nodes that the spec asks for.
    pub wanted: i32,
    pub is_broker: bool,
    pub is_controller: bool,
    pub storage: Storage,
    pub resources: Option<Resources>,
    pub template: Option<Box<PodTemplateSpec>>,
}

impl ResolvedPool {
    /// The pool's node ids.
    pub fn node_ids(&self) -> std::ops::Range<i32> {
        self.first_node_id..self.first_node_id.saturating_add(self.replicas)
    }

    /// Its nodes whose volume may be formatted when it is empty: those that are new, and those whose volume was given up.
    pub fn unformed(&self, formed: &BTreeSet<i32>) -> BTreeSet<i32> {
        self.node_ids().filter(|id| !formed.contains(id)).collect()
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

    /// Every node that is a broker.
    pub fn brokers(&self) -> impl Iterator<Item = (i32, &ResolvedPool)> {
        self.nodes().filter(|(_, pool)| pool.is_broker)
    }

    /// Every node that is a controller.
    pub fn controllers(&self) -> impl Iterator<Item = (i32, &ResolvedPool)> {
        self.nodes().filter(|(_, pool)| pool.is_controller)
    }

    /// Nodes that the spec asks for.
    pub fn wanted(&self) -> i32 {
        self.pools.iter().map(|pool| pool.wanted).sum()
    }

    /// A single node that is everything and forms its quorum by itself.
    pub fn is_lone(&self) -> bool {
        self.initial_controllers.is_empty() && self.nodes().count() <= 1
    }

    /// Nodes that run though the spec asks for fewer.
    pub fn leaving(&self) -> BTreeSet<i32> {
        let surplus = |pool: &ResolvedPool| pool.node_ids().skip(usize::try_from(pool.wanted).unwrap_or_default());
        self.pools.iter().flat_map(surplus).collect()
    }

    /// Brokers that were part of the cluster and have left. One whose whole pool is stopped comes back.
    pub fn departed(&self) -> BTreeSet<i32> {
        let is_gone = |id: i32| {
            let home = self.pools.iter().filter(|pool| pool.first_node_id <= id).max_by_key(|pool| pool.first_node_id);
            home.is_some_and(|pool| pool.is_broker && pool.wanted > 0 && !pool.node_ids().contains(&id))
        };
        self.formed.iter().copied().filter(|id| is_gone(*id)).collect()
    }

    /// What topics get that say nothing of their own; the configuration's word counts, else what internal topics have.
    pub fn topic_defaults(&self) -> InternalTopics {
        let configured = |key: &str| self.config.get(key).and_then(|value| value.trim().parse().ok());
        InternalTopics {
            replication_factor: configured(DEFAULT_REPLICATION_FACTOR)
                .unwrap_or(self.internal_topics.replication_factor),
            min_in_sync_replicas: configured(MIN_IN_SYNC_REPLICAS).unwrap_or(self.internal_topics.min_in_sync_replicas),
        }
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
