//! What to do next, in order: write what differs, restart at most one pod, change at most one vote, remove what nothing refers
//! to. Pure. One destructive act per pass: after it the world is observed again.

use crate::broker_client::VoterChange;
use crate::cluster::build::{Built, Format, NODES_VOLUME, binding};
use crate::cluster::observe::{Observed, config_map_of, is_ready, node_id_of};
use crate::cluster::quorum::{self, Next};
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::k8s::desired::Desired;
use crate::k8s::{labels, names};
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
    /// Ask the quorum's leader to change who votes.
    ChangeVoter { leader: String, change: VoterChange },
    /// Ask the brokers to forget one that has left.
    UnregisterBroker { id: i32 },
    /// Remove an object of ours that nothing refers to any more.
    Prune { kind: PruneKind, name: String, uid: String },
}

impl Step {
    /// False for what may be refused without holding back the rest: a volume that cannot grow, a vote that cannot change yet.
    pub fn is_essential(&self) -> bool {
        match self {
            Self::Apply { essential, .. } => *essential,
            Self::ChangeVoter { .. } | Self::UnregisterBroker { .. } => false,
            Self::RestartPod { .. } | Self::Prune { .. } => true,
        }
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
    /// Why a restart or a change of the voters that is due waits.
    pub waits: Vec<String>,
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
    let settled = cluster.initial_recorded
        && !plan.steps.iter().any(Step::is_essential)
        && cluster.pools.iter().all(|pool| has_settled(pool, observed));
    if settled {
        restart(cluster, &outdated, observed, &mut plan);
        let restarts = plan.steps.iter().any(|step| matches!(step, Step::RestartPod { .. }));
        if !restarts {
            change_voters(cluster, observed, &mut plan);
        }
        let runs = |id: i32| observed.pods.keys().any(|pod| node_id_of(pod) == Some(id));
        let departed =
            cluster.departed().into_iter().filter(|id| observed.answers.registered.contains(id) && !runs(*id));
        plan.steps.extend(departed.map(|id| Step::UnregisterBroker { id }));
    }
    if settled && plan.outdated.is_empty() {
        prune(cluster, built, observed, &mut plan.steps);
    }
    plan
}

/// One vote at a time: the next is decided on what the quorum says after it.
fn change_voters(cluster: &Resolved, observed: &Observed, plan: &mut Plan) {
    let Some(live) = observed.answers.quorum.as_ref().filter(|_| !cluster.is_lone() && cluster.wanted() > 0) else {
        return;
    };
    let hosts = cluster.controllers().filter(|(id, _)| cluster.controllers.contains(id));
    let wanted = hosts.map(|(id, pool)| (id, cluster.host(id, pool))).collect();
    match quorum::next(live, &wanted) {
        Next::Settled => {}
        Next::Wait(why) => plan.waits.push(why),
        Next::Change(change) => {
            let leader = cluster.controllers().find(|(id, _)| *id == live.leader);
            let Some((id, pool)) = leader else { return };
            let leader = format!("{}:{}", cluster.host(id, pool), names::CONTROLLER_PORT);
            plan.steps.push(Step::ChangeVoter { leader, change });
        }
    }
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
    id: i32,
    is_controller: bool,
    pod: &'a Pod,
    reason: Restart,
}

fn outdated_pods<'a>(cluster: &Resolved, built: &Built, observed: &'a Observed) -> Vec<Outdated<'a>> {
    cluster
        .nodes()
        .filter_map(|(id, pool)| {
            let pod = observed.pod(&pool.stateful_set, &pool.pod(id))?;
            let set = observed.stateful_sets.get(&pool.stateful_set)?;
            let reason = outdated(cluster, id, pod, set, built, observed)?;
            Some(Outdated { id, is_controller: pool.is_controller, pod, reason })
        })
        .collect()
}

fn outdated(
    cluster: &Resolved,
    id: i32,
    pod: &Pod,
    set: &StatefulSet,
    built: &Built,
    observed: &Observed,
) -> Option<Restart> {
    let annotation = |key: &str| pod.annotations().get(key);
    if annotation(labels::POD_DIGEST) != built.pod_digests.get(&set.name_any()) {
        return Some(Restart::PodTemplateChanged);
    }
    let told = facts_of(id, pod, observed).map(|facts| binding(facts).collect::<Vec<_>>());
    if told != built.node_facts.get(&id).map(|facts| binding(facts).collect()) {
        return Some(Restart::AdvertisedAddressChanged);
    }
    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let requested = template.and_then(|metadata| metadata.annotations.as_ref()?.get(labels::RESTARTED_AT));
    if requested.is_some() && requested != annotation(labels::RESTARTED_AT) {
        return Some(Restart::Requested);
    }
    let waits = annotation(labels::FORMAT).is_some_and(|format| format == "never") && !is_ready(pod);
    let allowed = built.formats.get(&set.name_any()).is_some_and(|format| *format != Format::Never);
    (waits && allowed && !cluster.formed.contains(&id)).then_some(Restart::FormatAllowed)
}

/// What the pod was told about its node, in the ConfigMap that it mounts.
fn facts_of<'a>(id: i32, pod: &Pod, observed: &'a Observed) -> Option<&'a String> {
    let config_map = observed.config_maps.get(config_map_of(pod, NODES_VOLUME)?)?;
    config_map.data.as_ref()?.get(&format!("{id}.properties"))
}

/// A broken pod comes first: the change may be its cure. A working one is touched only when every node that ever was ready is,
/// and the quorum is whole: controllers before brokers, the one that leads after the others.
fn restart(cluster: &Resolved, outdated: &[Outdated<'_>], observed: &Observed, plan: &mut Plan) {
    let pod_of = |(id, pool): (i32, &ResolvedPool)| observed.pod(&pool.stateful_set, &pool.pod(id));
    let terminating = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
    if cluster.nodes().filter_map(pod_of).any(terminating) {
        return;
    }
    let quorum = observed.answers.quorum.as_ref().filter(|_| !cluster.is_lone());
    // A pod that is not ready may be a voter that the others need.
    let spare = |id: i32| quorum.is_none_or(|quorum| id != quorum.leader && quorum::can_spare(quorum, id));
    let broken = outdated.iter().find(|candidate| !is_ready(candidate.pod) && spare(candidate.id));
    let leads = |id: i32| quorum.is_some_and(|quorum| quorum.leader == id);
    let working = outdated.iter().filter(|candidate| is_ready(candidate.pod));
    let working = working.min_by_key(|candidate| (!candidate.is_controller, leads(candidate.id), -candidate.id));
    let chosen = match (broken, working) {
        (Some(broken), _) => broken,
        (None, Some(working)) => match hold(cluster, working, observed) {
            None => working,
            Some(why) => return plan.waits.push(why),
        },
        (None, None) => return,
    };
    let Some(uid) = chosen.pod.uid() else { return };
    plan.steps.push(Step::RestartPod { pod: chosen.pod.name_any(), uid, reason: chosen.reason });
}

/// Why a pod that works may not be restarted now.
fn hold(cluster: &Resolved, candidate: &Outdated<'_>, observed: &Observed) -> Option<String> {
    let pod = candidate.pod.name_any();
    let unready = cluster.nodes().filter(|(id, _)| cluster.formed.contains(id)).find_map(|(id, pool)| {
        let ready = observed.pod(&pool.stateful_set, &pool.pod(id)).is_some_and(is_ready);
        (!ready).then(|| pool.pod(id))
    });
    if let Some(unready) = unready {
        return Some(format!("the restart of {pod} waits until {unready} is ready"));
    }
    if cluster.is_lone() || !candidate.is_controller {
        return None;
    }
    match &observed.answers.quorum {
        // A quorum of one has nobody else who could lead meanwhile.
        Some(quorum) if quorum.voters.len() == 1 || quorum::can_spare(quorum, candidate.id) => {
            let behind = quorum.voters.iter().find(|voter| !voter.caught_up && voter.id != candidate.id);
            behind.map(|voter| format!("the restart of {pod} waits until voter {} keeps up with the leader", voter.id))
        }
        Some(_) => Some(format!("the restart of {pod} waits: without it the voters that keep up are no majority")),
        None => Some(format!("the restart of {pod} waits until the quorum's leader answers")),
    }
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
