//! What the KafkaCluster's status should say. Pure: computed from what was observed and what this pass could and could not do.

use crate::broker_client::{LiveReplica, VoterChange};
use crate::cluster::apply::Outcome;
use crate::cluster::build::{advertised_address, bootstrap_address};
use crate::cluster::dynamic_config;
use crate::cluster::error::ClusterError;
use crate::cluster::lost::{Lost, lost};
use crate::cluster::observe::{Observed, is_ready, last_words};
use crate::cluster::plan::{Plan, Step};
use crate::cluster::quorum;
use crate::cluster::validate::{Invalid, Resolved, ResolvedPool};
use crate::crd::condition::{Condition, ConditionStatus, Observation, conditions, find, kind};
use crate::crd::kafka_cluster::{
    BrokerAddress, DEFAULT_POOL, FormedNode, KafkaCluster, KafkaClusterStatus, Listener, ListenerStatus, PoolStatus,
    QuorumStatus, VoterStatus,
};
use crate::k8s::labels;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

/// A restart that waits for so long is told as an event and by its condition.
const ROLL_PATIENCE_SECONDS: i64 = 120;
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
        status.quorum = quorum_status(status.quorum.take(), observed);
        status.ready_replicas = ready_pods(observed, None);
        status.replicas = count(observed.pods.values().filter(|pod| is_of_pool(pod, DEFAULT_POOL)));
    }
    if !matches!(progress, Progress::Paused(_)) {
        status.observed_generation = generation;
    }
    let mut observations = observe_conditions(&status, observed, progress);
    if let Progress::Done(_, plan, _) = progress {
        observations.extend(roll_blocked(&status.conditions, plan, now));
    }
    status.conditions = conditions(&status.conditions, observations, generation, now);
    status
}

fn describe(status: &mut KafkaClusterStatus, cluster: &Resolved, observed: &Observed) {
    let machine = cluster
        .nodes()
        .find_map(|(id, pool)| machine_of(observed.pod(&pool.stateful_set, &pool.pod(id))?).map(str::to_owned));
    status.cluster_id = Some(cluster.cluster_id.clone());
    status.image = Some(cluster.image.clone());
    // A cluster that is made stopped is made when its first broker is asked for.
    if status.internal_topics.is_some() || cluster.pools.iter().any(|pool| pool.is_broker && pool.wanted > 0) {
        status.internal_topics = Some(cluster.internal_topics);
        status.topic_defaults = Some(cluster.topic_defaults());
    }
    status.dynamic_config = dynamic_config::record(cluster, observed);
    status.initial_controllers.clone_from(&cluster.initial_controllers);
    status.quorum = quorum_status(status.quorum.take(), observed);
    status.label_selector = Some(labels::selector_text(&labels::pool_selector(&cluster.name, DEFAULT_POOL)));
    status.desired_replicas = cluster.wanted();
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

/// As the leader told it; who voted last is remembered while no leader answers.
fn quorum_status(previous: Option<QuorumStatus>, observed: &Observed) -> Option<QuorumStatus> {
    let Some(live) = &observed.answers.quorum else {
        return previous.map(|known| QuorumStatus { voters: known.voters, ..QuorumStatus::default() });
    };
    let voter = |voter: &LiveReplica| VoterStatus {
        id: voter.id,
        directory_id: voter.directory_id.to_string(),
        caught_up: voter.caught_up,
        // The number of a voter that keeps up changes with every record and says nothing.
        lag: if voter.caught_up { 0 } else { quorum::rough_lag(voter.lag) },
    };
    let mut voters: Vec<VoterStatus> = live.voters.iter().map(voter).collect();
    voters.sort_by_key(|voter| voter.id);
    let caught_up = voters.iter().filter(|voter| voter.caught_up).count();
    Some(QuorumStatus {
        leader_id: Some(live.leader),
        leader_epoch: Some(live.epoch),
        caught_up: Some(format!("{caught_up}/{}", voters.len())),
        voters,
    })
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
            brokers: if cluster.brokers().next().is_some() {
                cluster.brokers().filter_map(broker).collect()
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
            let mut all = vec![readiness(status, resolved, observed, None, None)];
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
    let quorum = quorum_readiness(cluster, observed, plan, outcome);
    let ready = match (&outcome.failure, &missing, &trouble) {
        (Some(failure), _, _) => Observation::fails(kind::READY, failure.step(), failure.to_string()),
        (None, Some(message), _) => Observation::fails(kind::READY, kind::DATA_MISSING, message.clone()),
        (None, None, Some(trouble)) => Observation::fails(kind::READY, trouble.reason, trouble.message.clone()),
        (None, None, None) => readiness(status, cluster, observed, Some(plan), quorum.as_ref()),
    };
    let is_ready = ready.status == ConditionStatus::True;
    let busy = !is_ready || !plan.steps.is_empty();
    let refused = outcome.failure.as_ref().is_some_and(ClusterError::needs_a_person);
    let stuck = refused || missing.is_some() || trouble.as_ref().is_some_and(|trouble| trouble.needs_a_person);
    if stuck {
        all.push(Observation::holds(kind::STALLED, ready.reason.clone(), ready.message.clone()));
    } else if busy && !(is_ready && outcome.failure.is_none() && outcome.restarted.is_empty()) {
        all.push(Observation::holds(kind::RECONCILING, ready.reason.clone(), ready.message.clone()));
    }
    if let Some(message) = missing {
        all.push(Observation::holds(kind::DATA_MISSING, "EmptyVolume", message));
    }
    all.extend(quorum);
    all.extend(match outcome.claim_failures.first() {
        Some(error) => Some(Observation::fails(kind::STORAGE_READY, "ClaimRefused", error.to_string())),
        None if outcome.claims_untried => find(&status.conditions, kind::STORAGE_READY).map(|before| Observation {
            kind: kind::STORAGE_READY,
            status: before.status,
            reason: before.reason.clone(),
            message: before.message.clone(),
        }),
        None => Some(Observation::holds(kind::STORAGE_READY, "ClaimsApplied", "volumes are as the spec asks for")),
    });
    all.insert(0, ready);
    all
}

/// A restart that is due and waits: it does not hold at first, and how long that has been so its time of transition remembers.
fn roll_blocked(previous: &[Condition], plan: &Plan, now: Timestamp) -> Option<Observation> {
    let why = plan.roll_waits.clone()?;
    let before = find(previous, kind::ROLL_BLOCKED);
    let is_long = |condition: &Condition| {
        let since = condition.last_transition_time.parse::<Timestamp>();
        condition.status == ConditionStatus::True
            || since.is_ok_and(|since| now.as_second() - since.as_second() >= ROLL_PATIENCE_SECONDS)
    };
    Some(if before.is_some_and(is_long) {
        Observation::holds(kind::ROLL_BLOCKED, "RestartWaitsLong", why)
    } else {
        Observation::fails(kind::ROLL_BLOCKED, "RestartWaits", why)
    })
}

/// Whether the quorum is as it is asked for. A lone node has nobody to agree with: what it is, Ready tells.
fn quorum_readiness(cluster: &Resolved, observed: &Observed, plan: &Plan, outcome: &Outcome) -> Option<Observation> {
    if cluster.is_lone() {
        return None;
    }
    let fails = |reason: &str, message: String| Some(Observation::fails(kind::QUORUM_READY, reason, message));
    let Some(quorum) = &observed.answers.quorum else {
        let silence = observed.answers.silence.as_deref().unwrap_or("no controller runs");
        return if cluster.formed.is_empty() {
            fails("QuorumForming", format!("the controllers are finding each other: {silence}"))
        } else {
            fails("NoLeader", format!("no leader of the quorum answers: {silence}"))
        };
    };
    if let Some(error) = outcome.quorum_failures.first() {
        return fails("VoterChangeRefused", error.to_string());
    }
    let change = plan.steps.iter().find_map(|step| match step {
        Step::ChangeVoter { change: VoterChange::Add { id, .. }, .. } => Some(format!("node {id} becomes a voter")),
        Step::ChangeVoter { change: VoterChange::Remove { id, .. }, .. } => {
            Some(format!("node {id} is a voter no more"))
        }
        _ => None,
    });
    if let Some(change) = change {
        return fails("VotersChanging", change);
    }
    let count = quorum.voters.len();
    if quorum::is_whole(quorum, &cluster.controllers) {
        let message = format!("{count} of {count} voters keep up; node {} leads", quorum.leader);
        return Some(Observation::holds(kind::QUORUM_READY, "VotersCaughtUp", message));
    }
    let behind: Vec<String> =
        quorum.voters.iter().filter(|voter| !voter.caught_up).map(|voter| voter.id.to_string()).collect();
    let waits = plan.waits.iter().map(|why| format!("; {why}")).collect::<String>();
    if behind.is_empty() {
        let voters: Vec<String> = quorum.voters.iter().map(|voter| voter.id.to_string()).collect();
        return fails("VotersChanging", format!("voters are {}{waits}", voters.join(", ")));
    }
    let spare = count - behind.len() - quorum::majority(count).min(count - behind.len());
    fails(
        "VoterBehind",
        format!(
            "{} of {count} voters do not keep up: {}; the quorum serves and can lose {spare} more{waits}",
            behind.len(),
            behind.join(", ")
        ),
    )
}

fn readiness(
    status: &KafkaClusterStatus,
    cluster: &Resolved,
    observed: &Observed,
    plan: Option<&Plan>,
    quorum: Option<&Observation>,
) -> Observation {
    let desired = status.desired_replicas;
    if desired == 0 {
        return Observation::fails(kind::READY, "ScaledToZero", "no node is asked for: set spec.replicas to 1, 3 or 5");
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
    let waits = plan.and_then(|plan| plan.waits.first()).map(|why| format!("; {why}")).unwrap_or_default();
    if let Some(plan) = plan.filter(|plan| !plan.outdated.is_empty()) {
        let message = format!("to be restarted one by one: {}{waits}", plan.outdated.join(", "));
        return Observation::fails(kind::READY, "RollingUpdate", message);
    }
    if let Some(message) = leaving(cluster, observed) {
        return Observation::fails(kind::READY, "NodesLeaving", message);
    }
    // Pods are ready because they found the quorum: that this operator does not reach it is told apart.
    if let Some(quorum) = quorum.filter(|quorum| quorum.status != ConditionStatus::True && quorum.reason != "NoLeader")
    {
        return Observation::fails(kind::READY, quorum.reason.clone(), quorum.message.clone());
    }
    let message = format!("{desired} of {desired} nodes are ready");
    Observation::holds(kind::READY, "NodesReady", message)
}

/// Nodes that the spec asks no more for, and what keeps the next of them.
fn leaving(cluster: &Resolved, observed: &Observed) -> Option<String> {
    let leaving = cluster.leaving();
    let last = leaving.iter().next_back()?;
    let all: Vec<String> = leaving.iter().map(ToString::to_string).collect();
    let hosted = observed.answers.hosted.as_ref().and_then(|hosted| hosted.get(last)).map_or(0, |held| held.replicas);
    let why = if hosted > 0 {
        format!(
            "node {last} holds replicas of {hosted} partitions, which cannot move to other brokers yet, whatever copies there are: \
             delete their topics, or ask for the node again"
        )
    } else {
        format!("node {last} goes when it has no vote and holds no partitions")
    };
    Some(format!("leaving, one by one: {}; {why}", all.join(", ")))
}

/// A formed node whose data is gone, and what brings the cluster back.
fn data_missing(status: &KafkaClusterStatus, cluster: &Resolved, observed: &Observed) -> Option<String> {
    let formed = status.formed_nodes.iter().filter(|node| cluster.formed.contains(&node.id));
    let found = formed.filter_map(|node| {
        let (_, pool) = cluster.nodes().find(|(id, _)| *id == node.id)?;
        lost(node, pool, observed)
    });
    // Where there is no claim one is being made; what becomes of it is decided when it is there.
    let found = found.filter(|lost| observed.claim_of_node(lost.id).is_some());
    let Lost { id, claim, replaced_by } = found.min_by_key(|lost| lost.id)?;
    let what = if cluster.is_lone() { "what the cluster held" } else { "the records that only it had" };
    Some(match replaced_by {
        None => format!(
            "node {id} held data of this cluster, and claim {claim} has none now: bring the volume back, or delete the claim \
             and its pod to start over"
        ),
        Some(uid) => format!(
            "node {id} held data of this cluster on another volume than that of claim {claim}: bring the data back, or \
             annotate this resource with {}={uid} to format the volume and lose {what}",
            labels::ALLOW_FORMAT
        ),
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
    let status = pod.status.as_ref()?;
    let mut all = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    all.find_map(|status| {
        status.state.as_ref()?.waiting.as_ref()?.reason.clone().filter(|why| why != "PodInitializing")
    })
}

#[cfg(test)]
mod tests;
