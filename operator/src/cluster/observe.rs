//! Everything that a reconcile reads, read at once. Draws only the simplest conclusions: which object is which node's.

use crate::cluster::error::ClusterError;
use crate::cluster::quorum::Answers;
use crate::crd::kafka_cluster::KafkaCluster;
use crate::k8s::{labels, names};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ListParams};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The live objects that carry a cluster's label, by name.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub service_accounts: BTreeMap<String, ServiceAccount>,
    pub services: BTreeMap<String, Service>,
    pub config_maps: BTreeMap<String, ConfigMap>,
    pub claims: BTreeMap<String, PersistentVolumeClaim>,
    pub budgets: BTreeMap<String, PodDisruptionBudget>,
    pub stateful_sets: BTreeMap<String, StatefulSet>,
    pub pods: BTreeMap<String, Pod>,
    /// What controllers and brokers said.
    pub answers: Answers,
}

impl Observed {
    /// Reads every object that belongs to a cluster. Whom to ask follows from them.
    ///
    /// # Errors
    /// The API server did not answer, or refused; the error names the kind.
    pub async fn read(client: &Client, cluster: &KafkaCluster) -> Result<Self, ClusterError> {
        let namespace = cluster.namespace().unwrap_or_default();
        let selector = labels::selector_text(&labels::cluster_selector(&cluster.name_any()));
        let (service_accounts, services, config_maps, claims, budgets, stateful_sets, pods) = futures::try_join!(
            list(client, &namespace, &selector),
            list(client, &namespace, &selector),
            list(client, &namespace, &selector),
            list(client, &namespace, &selector),
            list(client, &namespace, &selector),
            list(client, &namespace, &selector),
            list(client, &namespace, &selector),
        )?;
        Ok(Self {
            service_accounts,
            services,
            config_maps,
            claims,
            budgets,
            stateful_sets,
            pods,
            answers: Answers::default(),
        })
    }

    /// A live object as JSON.
    pub fn find(&self, kind: &str, name: &str) -> Option<Value> {
        match kind {
            "ServiceAccount" => json(&self.service_accounts, name),
            "Service" => json(&self.services, name),
            "ConfigMap" => json(&self.config_maps, name),
            "PersistentVolumeClaim" => json(&self.claims, name),
            "PodDisruptionBudget" => json(&self.budgets, name),
            "StatefulSet" => json(&self.stateful_sets, name),
            _ => None,
        }
    }

    /// The claim of a node: claims are named after pods, and pods end in the node's id.
    pub fn claim_of_node(&self, id: i32) -> Option<&PersistentVolumeClaim> {
        self.claims.iter().find(|(name, _)| node_id_of(name) == Some(id)).map(|(_, claim)| claim)
    }

    /// Nodes whose claim says that it holds data.
    pub fn nodes_with_formed_claims(&self) -> impl Iterator<Item = i32> {
        let formed =
            |claim: &PersistentVolumeClaim| claim.annotations().get(labels::FORMED).is_some_and(|v| v == "true");
        self.claims.iter().filter(move |(_, claim)| formed(claim)).filter_map(|(name, _)| node_id_of(name))
    }

    /// The cluster id on claims that an earlier resource of the same name left behind.
    pub fn adopted_cluster_id(&self) -> Option<String> {
        self.claims.values().find_map(|claim| claim.annotations().get(labels::CLUSTER_ID).cloned())
    }

    /// A pod that belongs to a StatefulSet of ours; one that merely carries our labels does not count.
    pub fn pod(&self, stateful_set: &str, pod: &str) -> Option<&Pod> {
        let owner = self.stateful_sets.get(stateful_set)?.uid()?;
        let pod = self.pods.get(pod)?;
        pod.owner_references().iter().any(|reference| reference.uid == owner).then_some(pod)
    }
}

/// The node id at the end of a pod's or a claim's name.
pub fn node_id_of(name: &str) -> Option<i32> {
    name.rsplit_once('-').and_then(|(_, id)| id.parse().ok())
}

/// The volume of a pod that comes from the ConfigMap of that role.
pub fn config_map_of<'a>(pod: &'a Pod, volume: &str) -> Option<&'a str> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    let found = volumes.iter().find(|candidate| candidate.name == volume)?;
    found.config_map.as_ref().map(|source| source.name.as_str())
}

/// True when the kubelet says that the pod is ready and nobody is deleting it.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What our containers said when they last stopped, or why one cannot start. The first that stands in the way counts.
pub fn last_words(pod: &Pod) -> Option<String> {
    statuses(pod).into_iter().find_map(|status| {
        let states = [status.state.as_ref(), status.last_state.as_ref()];
        let terminated = states.into_iter().flatten().find_map(|state| state.terminated.as_ref());
        if let Some(end) = terminated {
            // A volume that was formatted is no trouble.
            let succeeded = status.name == names::FORMAT_CONTAINER && end.exit_code == 0;
            let message = end.message.clone().unwrap_or_default();
            return (!succeeded).then(|| format!("{}\nexit code {}", message.trim(), end.exit_code));
        }
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone().unwrap_or_default();
        (reason != "ContainerCreating" && reason != "PodInitializing")
            .then(|| format!("{reason}: {}", waiting.message.clone().unwrap_or_default()))
    })
}

/// Our containers in the order in which they run.
pub fn statuses(pod: &Pod) -> Vec<&ContainerStatus> {
    let ours = |status: &&ContainerStatus| [names::FORMAT_CONTAINER, names::BROKER_CONTAINER].contains(&&*status.name);
    let Some(status) = &pod.status else { return Vec::new() };
    let all = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    all.filter(ours).collect()
}

fn json<K: Serialize>(objects: &BTreeMap<String, K>, name: &str) -> Option<Value> {
    objects.get(name).and_then(|object| serde_json::to_value(object).ok())
}

async fn list<K>(client: &Client, namespace: &str, selector: &str) -> Result<BTreeMap<String, K>, ClusterError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default().labels(selector)).await.map_err(|source| ClusterError::Observe {
        kind: K::kind(&()).into_owned(),
        namespace: namespace.to_owned(),
        source: Box::new(source),
    })?;
    Ok(found.items.into_iter().map(|object| (object.name_any(), object)).collect())
}
