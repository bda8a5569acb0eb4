//! What the KafkaCluster's status should say. Pure: computed from what was observed and what this pass could and could not do.

use crate::cluster::apply::Outcome;
use crate::cluster::build::{advertised_address, bootstrap_address};
use crate::cluster::observe::{Observed, is_ready, last_words};
use crate::cluster::plan::Plan;
use crate::cluster::validate::{Invalid, Resolved, ResolvedPool};
use crate::crd::condition::{ConditionStatus, Observation, conditions, kind};
use crate::crd::kafka_cluster::{
    BrokerAddress, DEFAULT_POOL, FormedNode, KafkaCluster, KafkaClusterStatus, Listener, ListenerStatus, PoolStatus,
};
use crate::k8s::{labels, names};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

/// What a broker says that was told never to format, and found nothing. It is part of the contract with the broker.
const BROKER_FOUND_NO_DATA: &str = "data is missing";

/// Lines of a broker's last words that are shown.
const LAST_LINES: usize = 2;

/// How far this pass came.
pub enum Progress<'a> {
    /// The spec cannot be followed.
    Refused(&'a Invalid),
    /// Reconciliation is paused by annotation.
    Paused(&'a Resolved),
    /// A plan was made and carried out as far as it went.
    Done(&'a Resolved, &'a Plan, &'a Outcome),
}

/// The new status. Equal to the old one when nothing changed, so that a steady state writes nothing.
pub fn compute(
    cluster: &KafkaCluster,
    observed: &Observed,
    progress: &Progress<'_>,
    now: Timestamp,
) -> KafkaClusterStatus {
    let mut status = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    if let Progress::Paused(resolved) | Progress::Done(resolved, _, _) = progress {
        describe(&mut status, resolved, observed);
    } else {
        status.ready_replicas = ready_pods(observed, None);
        status.replicas = count(observed.pods.values().filter(|pod| is_of_pool(pod, DEFAULT_POOL)));
    }
    if !matches!(progress, Progress::Paused(_)) {
        status.observed_generation = generation;
    }
    let observations = observe_conditions(&status, observed, progress);
    status.conditions = conditions(&status.conditions, observations, generation, now);
    status
}

fn describe(status: &mut KafkaClusterStatus, cluster: &Resolved, observed: &Observed) {
    let machine = cluster
        .nodes()
        .find_map(|(id, pool)| machine_of(observed.pod(&pool.stateful_set, &pool.pod(id))?).map(str::to_owned));
    status.cluster_id = Some(cluster.cluster_id.clone());
    status.image = Some(cluster.image.clone());
    status.internal_topics = Some(cluster.internal_topics);
    status.label_selector = Some(labels::selector_text(&labels::pool_selector(&cluster.name, DEFAULT_POOL)));
    status.desired_replicas = i32::try_from(cluster.nodes().count()).unwrap_or(i32::MAX);
    status.pools = cluster
        .pools
        .iter()
        .map(|pool| PoolStatus {
            name: pool.name.clone(),
            first_node_id: pool.first_node_id,
            replicas: count(observed.pods.values().filter(|pod| is_of_pool(pod, &pool.name))),
            ready_replicas: ready_pods(observed, Some(&pool.name)),
        })
        .collect();
    status.replicas = status.pools.first().map_or(0, |pool| pool.replicas);
    status.ready_replicas = status.pools.iter().map(|pool| pool.ready_replicas).sum();
    let previous = std::mem::take(&mut status.listeners);
    status.listeners = listeners(cluster, observed, machine.as_deref(), &previous);
    status.bootstrap = cluster
        .internal_listener()
        .and_then(|listener| bootstrap_address(cluster, listener, observed, machine.as_deref()));
    status.formed_nodes = formed_nodes(&status.formed_nodes, cluster, observed);
}

fn listeners(
    cluster: &Resolved,
    observed: &Observed,
    machine: Option<&str>,
    previous: &[ListenerStatus],
) -> Vec<ListenerStatus> {
    let with_addresses = |listener: &Listener| {
        let before = previous.iter().find(|known| known.name == listener.name && known.kind == listener.kind);
        let known = |id: i32| before.and_then(|known| known.brokers.iter().find(|broker| broker.node_id == id));
        // While a pod is away its machine is not known, but the port has to be remembered.
        let broker = |(id, pool): (i32, &ResolvedPool)| {
            let own = observed.pod(&pool.stateful_set, &pool.pod(id));
            let own = own.and_then(machine_of).map(str::to_owned);
            let host = own.or_else(|| known(id).and_then(|broker| host_of(&broker.address)));
            advertised_address(cluster, listener, id, pool, observed, host.as_deref().unwrap_or("unknown"))
                .map(|address| BrokerAddress { node_id: id, address })
        };
        let bootstrap_host = machine.map(str::to_owned);
        let remembered = || before.and_then(|known| known.bootstrap.clone());
        ListenerStatus {
            name: listener.name.clone(),
            kind: listener.kind,
            bootstrap: bootstrap_address(cluster, listener, observed, bootstrap_host.as_deref()).or_else(remembered),
            brokers: if cluster.nodes().next().is_some() {
                cluster.nodes().filter_map(broker).collect()
            } else {
                before.map(|known| known.brokers.clone()).unwrap_or_default()
            },
        }
    };
    cluster.listeners.iter().map(with_addresses).collect()
}

fn host_of(address: &str) -> Option<String> {
    address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']).to_owned())
}

fn machine_of(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.host_ip.as_deref()
}

/// A node that is ready has been formed, on the claim that it has now. Once formed, it stays so through everything but the
/// user's word.
fn formed_nodes(previous: &[FormedNode], cluster: &Resolved, observed: &Observed) -> Vec<FormedNode> {
    let mut nodes: Vec<FormedNode> =
        previous.iter().filter(|node| cluster.formed.contains(&node.id)).cloned().collect();
    let claim_uid = |id| observed.claim_of_node(id).and_then(|claim| claim.uid());
    let mut record = |id: i32, always: bool| {
        let Some(claim_uid) = claim_uid(id) else { return };
        match nodes.iter_mut().find(|node| node.id == id) {
            Some(node) if always => node.claim_uid = claim_uid,
            Some(_) => {}
            None => nodes.push(FormedNode { id, claim_uid }),
        }
    };
    for &id in &cluster.formed {
        record(id, false);
    }
    for (id, pool) in cluster.nodes() {
        if observed.pod(&pool.stateful_set, &pool.pod(id)).is_some_and(is_ready) {
            record(id, true);
        }
    }
    nodes.sort_by_key(|node| node.id);
    nodes
}

fn is_of_pool(pod: &Pod, pool: &str) -> bool {
    pod.labels().get(labels::POOL).is_some_and(|found| found == pool)
}

fn count<'a>(pods: impl Iterator<Item = &'a Pod>) -> i32 {
    i32::try_from(pods.count()).unwrap_or(i32::MAX)
}

fn ready_pods(observed: &Observed, pool: Option<&str>) -> i32 {
    let of_pool = |pod: &&Pod| pool.is_none_or(|pool| is_of_pool(pod, pool));
    count(observed.pods.values().filter(of_pool).filter(|pod| is_ready(pod)))
}

fn observe_conditions(status: &KafkaClusterStatus, observed: &Observed, progress: &Progress<'_>) -> Vec<Observation> {
    match progress {
        Progress::Refused(invalid) => vec![
            Observation::fails(kind::READY, invalid.reason(), invalid.to_string()),
            Observation::holds(kind::STALLED, invalid.reason(), invalid.to_string()),
        ],
        Progress::Paused(resolved) => {
            let message = format!("remove the annotation {} to go on", labels::PAUSE);
            let mut all = vec![readiness(status, resolved, observed, None)];
            all.push(Observation::holds(kind::PAUSED, "PausedByAnnotation", message));
            all
        }
        Progress::Done(resolved, plan, outcome) => done(status, resolved, observed, plan, outcome),
    }
}

fn done(
    status: &KafkaClusterStatus,
    cluster: &Resolved,
    observed: &Observed,
    plan: &Plan,
    outcome: &Outcome,
) -> Vec<Observation> {
    let mut all = Vec::new();
    let missing = data_missing(status, cluster, observed);
    let trouble = trouble(cluster, observed);
    let ready = match (&outcome.failure, &missing, &trouble) {
        (Some(failure), _, _) => Observation::fails(kind::READY, failure.step(), failure.to_string()),
        (None, Some(message), _) => Observation::fails(kind::READY, kind::DATA_MISSING, message.clone()),
        (None, None, Some(trouble)) => Observation::fails(kind::READY, trouble.reason, trouble.message.clone()),
        (None, None, None) => readiness(status, cluster, observed, Some(plan)),
    };
    let is_ready = ready.status == ConditionStatus::True;
    let busy = !is_ready || !plan.steps.is_empty();
    let stuck = missing.is_some() || trouble.as_ref().is_some_and(|trouble| trouble.needs_a_person);
    if stuck {
        all.push(Observation::holds(kind::STALLED, ready.reason.clone(), ready.message.clone()));
    } else if busy && !(is_ready && outcome.failure.is_none() && outcome.restarted.is_empty()) {
        all.push(Observation::holds(kind::RECONCILING, ready.reason.clone(), ready.message.clone()));
    }
    if let Some(message) = missing {
        all.push(Observation::holds(kind::DATA_MISSING, "EmptyVolume", message));
    }
    all.push(match outcome.claim_failures.first() {
        Some(error) => Observation::fails(kind::STORAGE_READY, "ClaimRefused", error.to_string()),
        None => Observation::holds(kind::STORAGE_READY, "ClaimsApplied", "volumes are as the spec asks for"),
    });
    all.insert(0, ready);
    all
}

fn readiness(status: &KafkaClusterStatus, cluster: &Resolved, observed: &Observed, plan: Option<&Plan>) -> Observation {
    let desired = status.desired_replicas;
    if desired == 0 {
        return Observation::fails(kind::READY, "ScaledToZero", "no node is asked for: set spec.replicas to 1");
    }
    if let Some(plan) = plan.filter(|plan| !plan.ports_pending.is_empty()) {
        let message = format!("waiting for Kubernetes to pick ports for {}", plan.ports_pending.join(", "));
        return Observation::fails(kind::READY, "PortsPending", message);
    }
    let waiting: Vec<String> = cluster
        .nodes()
        .filter(|(id, pool)| !observed.pod(&pool.stateful_set, &pool.pod(*id)).is_some_and(is_ready))
        .map(|(id, pool)| pool.pod(id))
        .collect();
    if !waiting.is_empty() {
        let message = format!("{} of {desired} nodes are not ready: {}", waiting.len(), waiting.join(", "));
        return Observation::fails(kind::READY, "NodesNotReady", message);
    }
    if let Some(plan) = plan.filter(|plan| !plan.outdated.is_empty()) {
        let message = format!("to be restarted one by one: {}", plan.outdated.join(", "));
        return Observation::fails(kind::READY, "RollingUpdate", message);
    }
    let message = format!("{desired} of {desired} nodes are ready");
    Observation::holds(kind::READY, "NodesReady", message)
}

/// A node that was formed, is not ready, and has another claim than the one that held its data, or whose broker says that it
/// found nothing.
fn data_missing(status: &KafkaClusterStatus, cluster: &Resolved, observed: &Observed) -> Option<String> {
    cluster.nodes().filter(|(id, _)| cluster.formed.contains(id)).find_map(|(id, pool)| {
        let pod = observed.pod(&pool.stateful_set, &pool.pod(id));
        if pod.is_some_and(is_ready) {
            return None;
        }
        let recorded = status.formed_nodes.iter().find(|node| node.id == id)?;
        let claim = observed.claim_of_node(id);
        let uid = claim.and_then(|claim| claim.uid());
        let replaced = uid.as_deref() != Some(recorded.claim_uid.as_str());
        let found_nothing = pod.and_then(last_words).is_some_and(|words| words.contains(BROKER_FOUND_NO_DATA));
        if !replaced && !found_nothing {
            return None;
        }
        let claim = names::claim(&pool.pod(id));
        Some(match uid.filter(|_| replaced) {
            None => format!(
                "node {id} held data of this cluster, and claim {claim} has none now: bring the volume back, or delete the \
                 claim and its pod to start over"
            ),
            Some(uid) => format!(
                "node {id} held data of this cluster on another volume than that of claim {claim}: bring the data back, or \
                 annotate this resource with {}={uid} to format the volume and lose what the cluster held",
                labels::ALLOW_FORMAT
            ),
        })
    })
}

struct Trouble {
    reason: &'static str,
    message: String,
    needs_a_person: bool,
}

/// The first pod that says why it does not run.
fn trouble(cluster: &Resolved, observed: &Observed) -> Option<Trouble> {
    cluster.nodes().find_map(|(id, pool)| {
        let name = pool.pod(id);
        let pod = observed.pod(&pool.stateful_set, &name).filter(|pod| !is_ready(pod))?;
        // A pod that is on its way out ends as it was told to.
        if pod.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let unschedulable = pod.status.as_ref().and_then(|status| status.conditions.as_ref()).and_then(|conditions| {
            conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?.message.clone()
        });
        if let Some(message) = unschedulable {
            return Some(Trouble {
                reason: "Unschedulable",
                message: format!("{name}: {message}"),
                needs_a_person: false,
            });
        }
        let words = last_words(pod)?;
        let waiting = waiting_reason(pod).unwrap_or_default();
        let (reason, needs_a_person) = match waiting.as_str() {
            "CrashLoopBackOff" => ("BrokerCrashes", true),
            "ImagePullBackOff" | "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName" => {
                ("ImageUnavailable", true)
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => ("ContainerRefused", true),
            _ => ("BrokerRestarted", false),
        };
        Some(Trouble { reason, message: format!("{name}: {}", last_lines(&words)), needs_a_person })
    })
}

/// The end of what a broker said: the reason is there, behind what it logged before.
fn last_lines(words: &str) -> String {
    let lines: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("; ")
}

fn waiting_reason(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.clone())
}

#[cfg(test)]
mod tests;
