//! What to do next, in order: write what differs, restart at most one pod, remove what nothing refers to. Pure. One
//! destructive act per pass: after it the world is observed again.

use crate::cluster::build::{Built, NODES_VOLUME};
use crate::cluster::observe::{Observed, config_map_of, is_ready};
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::k8s::desired::Desired;
use crate::k8s::labels;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt as _};

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write an object. When an essential one cannot be written, nothing after it is tried.
    Apply { desired: Box<Desired>, essential: bool },
    /// Delete a pod, so that its StatefulSet makes it anew.
    RestartPod { pod: String, uid: String, reason: Restart },
    /// Remove an object of ours that nothing refers to any more.
    Prune { kind: PruneKind, name: String, uid: String },
}

impl Step {
    /// False for what may be refused without holding back the rest: a volume that cannot grow.
    fn is_essential(&self) -> bool {
        !matches!(self, Self::Apply { essential: false, .. })
    }
}

/// Why a pod is restarted. The names are event reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Image, resources, configuration or template changed.
    PodTemplateChanged,
    /// The node's advertised addresses changed.
    AdvertisedAddressChanged,
    /// `kubectl rollout restart`.
    Requested,
    /// The user allowed that an empty volume be formatted.
    FormatAllowed,
}

impl Restart {
    /// The event's reason.
    pub fn name(self) -> &'static str {
        match self {
            Self::PodTemplateChanged => "PodTemplateChanged",
            Self::AdvertisedAddressChanged => "AdvertisedAddressChanged",
            Self::Requested => "RestartRequested",
            Self::FormatAllowed => "FormatAllowed",
        }
    }
}

/// Kinds that come and go with a cluster's configuration. Claims, pods and StatefulSets are never removed for being unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneKind {
    ConfigMap,
    Service,
}

/// The steps of this pass, and what the next one waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Pods that have to be restarted, by name, including the one in `steps`.
    pub outdated: Vec<String>,
    /// Services whose port is not known yet.
    pub ports_pending: Vec<String>,
}

/// Compares what should be with what is.
pub fn plan(cluster: &Resolved, built: &Built, observed: &Observed) -> Plan {
    let mut plan = Plan { ports_pending: built.ports_pending.clone(), ..Plan::default() };
    write(&built.foundations, true, observed, &mut plan.steps);
    write(&built.configuration, true, observed, &mut plan.steps);
    write(&built.claims, false, observed, &mut plan.steps);
    write(&built.workloads, true, observed, &mut plan.steps);
    if !plan.ports_pending.is_empty() {
        return plan;
    }
    let outdated = outdated_pods(cluster, built, observed);
    plan.outdated = outdated.iter().map(|candidate| candidate.pod.name_any()).collect();
    // A pod is only made anew from a template that has arrived.
    let settled =
        !plan.steps.iter().any(Step::is_essential) && cluster.pools.iter().all(|pool| has_settled(pool, observed));
    if settled {
        plan.steps.extend(restart(cluster, &outdated, observed));
    }
    if settled && plan.outdated.is_empty() {
        prune(cluster, built, observed, &mut plan.steps);
    }
    plan
}

fn write(wanted: &[Desired], essential: bool, observed: &Observed, steps: &mut Vec<Step>) {
    for desired in wanted {
        let live = observed.find(&desired.resource.kind, &desired.name);
        let satisfied = live.is_some_and(|live| {
            // What is on its way out cannot be mended: it is made anew when it is gone.
            !live.pointer("/metadata/deletionTimestamp").is_none_or(serde_json::Value::is_null)
                || desired.is_satisfied_by(&live)
        });
        if !satisfied {
            steps.push(Step::Apply { desired: Box::new(desired.clone()), essential });
        }
    }
}

/// The StatefulSet's controller has seen the newest template.
fn has_settled(pool: &ResolvedPool, observed: &Observed) -> bool {
    observed.stateful_sets.get(&pool.stateful_set).is_some_and(|set| {
        let seen = set.status.as_ref().and_then(|status| status.observed_generation);
        seen.is_some() && seen >= set.metadata.generation
    })
}

struct Outdated<'a> {
    pod: &'a Pod,
    reason: Restart,
}

fn outdated_pods<'a>(cluster: &Resolved, built: &Built, observed: &'a Observed) -> Vec<Outdated<'a>> {
    cluster
        .nodes()
        .filter_map(|(id, pool)| {
            let pod = observed.pod(&pool.stateful_set, &pool.pod(id))?;
            let set = observed.stateful_sets.get(&pool.stateful_set)?;
            outdated(id, pod, set, built, observed).map(|reason| Outdated { pod, reason })
        })
        .collect()
}

fn outdated(id: i32, pod: &Pod, set: &StatefulSet, built: &Built, observed: &Observed) -> Option<Restart> {
    let annotation = |key: &str| pod.annotations().get(key);
    if annotation(labels::POD_DIGEST) != built.pod_digests.get(&set.name_any()) {
        return Some(Restart::PodTemplateChanged);
    }
    if facts_of(id, pod, observed) != built.node_facts.get(&id) {
        return Some(Restart::AdvertisedAddressChanged);
    }
    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let requested = template.and_then(|metadata| metadata.annotations.as_ref()?.get(labels::RESTARTED_AT));
    if requested.is_some() && requested != annotation(labels::RESTARTED_AT) {
        return Some(Restart::Requested);
    }
    let waits = annotation(labels::FORMAT).is_some_and(|format| format == "never") && !is_ready(pod);
    (waits && built.format == "if-empty").then_some(Restart::FormatAllowed)
}

/// What the pod was told about its node, in the ConfigMap that it mounts.
fn facts_of<'a>(id: i32, pod: &Pod, observed: &'a Observed) -> Option<&'a String> {
    let config_map = observed.config_maps.get(config_map_of(pod, NODES_VOLUME)?)?;
    config_map.data.as_ref()?.get(&format!("{id}.properties"))
}

/// A broken pod comes first: the change may be its cure. A working one is touched only when every node is ready.
fn restart(cluster: &Resolved, outdated: &[Outdated<'_>], observed: &Observed) -> Option<Step> {
    let pod_of = |(id, pool): (i32, &ResolvedPool)| observed.pod(&pool.stateful_set, &pool.pod(id));
    let terminating = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
    if cluster.nodes().filter_map(pod_of).any(terminating) {
        return None;
    }
    let all_ready = cluster.nodes().map(pod_of).all(|pod| pod.is_some_and(is_ready));
    let broken = outdated.iter().find(|candidate| !is_ready(candidate.pod));
    let chosen = broken.or_else(|| outdated.last().filter(|_| all_ready))?;
    Some(Step::RestartPod { pod: chosen.pod.name_any(), uid: chosen.pod.uid()?, reason: chosen.reason })
}

fn prune(cluster: &Resolved, built: &Built, observed: &Observed, steps: &mut Vec<Step>) {
    let wanted = |kind: &str, name: &str| {
        let mut all = built.foundations.iter().chain(&built.configuration);
        all.any(|desired| desired.resource.kind == kind && desired.name == name)
    };
    for (name, config_map) in &observed.config_maps {
        let mounted = observed.pods.values().any(|pod| mounts(pod, name));
        if is_ours(cluster, config_map) && !wanted("ConfigMap", name) && !mounted {
            let uid = config_map.uid().unwrap_or_default();
            steps.push(Step::Prune { kind: PruneKind::ConfigMap, name: name.clone(), uid });
        }
    }
    // With no node left, its Services stay: the pool may get its nodes, and they their ports, back.
    if cluster.nodes().next().is_none() {
        return;
    }
    for (name, service) in &observed.services {
        if is_ours(cluster, service) && !wanted("Service", name) {
            let uid = service.uid().unwrap_or_default();
            steps.push(Step::Prune { kind: PruneKind::Service, name: name.clone(), uid });
        }
    }
}

fn mounts(pod: &Pod, config_map: &str) -> bool {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    volumes.into_iter().flatten().any(|v| v.config_map.as_ref().is_some_and(|source| source.name == config_map))
}

/// Only what this very resource controls is ever removed.
fn is_ours<K: Resource>(cluster: &Resolved, object: &K) -> bool {
    object.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == cluster.uid)
}

#[cfg(test)]
mod tests;
