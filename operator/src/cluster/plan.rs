//! What to do next, in order: write what differs, set what brokers take at run time, restart at most one pod, change at most one vote, remove what nothing refers
//! to. Pure. One destructive act per pass: after it the world is observed again.

use crate::broker_client::{ConfigChanges, VoterChange};
use crate::cluster::build::Built;
use crate::cluster::dynamic_config;
use crate::cluster::observe::{Observed, node_id_of};
use crate::cluster::quorum::{self, Next};
use crate::cluster::roll::{self, Restart, Roll};
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::k8s::desired::Desired;
use crate::k8s::names;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt as _};

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write an object. When an essential one cannot be written, nothing after it is tried.
    Apply { desired: Box<Desired>, essential: bool },
    /// Set configurations of all brokers at run time. While they are refused no file and no pod gets the configuration that says the same.
    AlterConfigs { changes: ConfigChanges },
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
            Self::AlterConfigs { .. } | Self::RestartPod { .. } | Self::Prune { .. } => true,
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
    /// The broker whose pod would be restarted now, if the brokers say that it may stop. They have to be asked.
    pub may_stop: Option<i32>,
    /// Why a restart that is due waits.
    pub roll_waits: Option<String>,
    /// Why a restart or a change of the voters that is due waits.
    pub waits: Vec<String>,
}

/// Compares what should be with what is.
pub fn plan(cluster: &Resolved, built: &Built, observed: &Observed) -> Plan {
    let mut plan = Plan { ports_pending: built.ports_pending.clone(), ..Plan::default() };
    write(&built.foundations, true, observed, &mut plan.steps);
    let changes = dynamic_config::changes(cluster, observed);
    if !changes.is_empty() {
        plan.steps.push(Step::AlterConfigs { changes });
    }
    write(&built.configuration, true, observed, &mut plan.steps);
    write(&built.claims, false, observed, &mut plan.steps);
    write(&built.workloads, true, observed, &mut plan.steps);
    if !plan.ports_pending.is_empty() {
        return plan;
    }
    let outdated = roll::outdated_pods(cluster, built, observed);
    plan.outdated = outdated.iter().map(|candidate| candidate.pod.name_any()).collect();
    // A pod is only made anew from a template that has arrived.
    let settled = cluster.initial_recorded
        && !plan.steps.iter().any(Step::is_essential)
        && cluster.pools.iter().all(|pool| has_settled(pool, observed));
    // What is to be set may be refused, in every pass; that keeps no restart from waiting, and no vote from being changed.
    let configuring = plan.steps.iter().any(|step| matches!(step, Step::AlterConfigs { .. }));
    if configuring && cluster.initial_recorded {
        change_voters(cluster, observed, &mut plan);
    }
    if settled {
        match roll::next(cluster, &outdated, observed) {
            Roll::Nothing => {}
            Roll::Ask(id) => plan.may_stop = Some(id),
            Roll::Wait(why) => {
                plan.roll_waits = Some(why.clone());
                plan.waits.push(why);
            }
            Roll::Restart { pod, uid, reason } => plan.steps.push(Step::RestartPod { pod, uid, reason }),
        }
        let restarts = plan.steps.iter().any(|step| matches!(step, Step::RestartPod { .. }));
        if !restarts {
            change_voters(cluster, observed, &mut plan);
        }
        let runs = |id: i32| observed.pods.keys().any(|pod| node_id_of(pod) == Some(id));
        let departed = cluster.departed().into_iter().filter(|id| {
            !runs(*id) && observed.answers.registered.contains(id) && quorum::hosts_nothing(&observed.answers, *id)
        });
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
