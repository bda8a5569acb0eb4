//! Which pod is restarted next, and what it waits for. A pod that works is touched only while all the others do, and no broker unless the
//! brokers say that it may stop. Pure: it gets their word, and asks nobody.

use crate::broker_client::LivePartition;
use crate::cluster::build::{Built, Format, NODES_VOLUME, binding};
use crate::cluster::dynamic_config;
use crate::cluster::observe::{Observed, config_map_of, is_ready};
use crate::cluster::quorum;
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::k8s::labels;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

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

/// What comes next of a roll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roll {
    /// No restart is due, or one is under way.
    Nothing,
    /// Whether this broker may stop has to be asked.
    Ask(i32),
    /// Not yet, and why.
    Wait(String),
    /// Now.
    Restart { pod: String, uid: String, reason: Restart },
}

/// What the brokers said of one that is to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopAnswer {
    /// The broker.
    pub id: i32,
    /// Why it may not; nothing when it may.
    pub refusal: Option<String>,
}

/// A pod that has to be restarted.
pub struct Outdated<'a> {
    pub pod: &'a Pod,
    id: i32,
    is_broker: bool,
    is_controller: bool,
    reason: Restart,
}

/// Every pod that has to be restarted.
pub fn outdated_pods<'a>(cluster: &Resolved, built: &Built, observed: &'a Observed) -> Vec<Outdated<'a>> {
    cluster
        .nodes()
        .filter_map(|(id, pool)| {
            let pod = observed.pod(&pool.stateful_set, &pool.pod(id))?;
            let set = observed.stateful_sets.get(&pool.stateful_set)?;
            let reason = outdated(cluster, id, pod, set, built, observed)?;
            let (is_broker, is_controller) = (pool.is_broker, pool.is_controller);
            Some(Outdated { pod, id, is_broker, is_controller, reason })
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
    let digests = built.pod_digests.get(&set.name_any());
    if !annotation(labels::POD_DIGEST).is_some_and(|own| digests.is_some_and(|digests| digests.contains(own))) {
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
    let never = annotation(labels::FORMAT).is_some_and(|format| format == Format::Never.name());
    let meant = |nodes: &String| nodes.split(',').any(|node| node == id.to_string());
    let of_others = annotation(labels::FORMAT_NODES).is_some_and(|nodes| !meant(nodes));
    let waits = (never || of_others) && !is_ready(pod);
    let allowed = built.formats.get(&set.name_any()).is_some_and(|format| *format != Format::Never);
    (waits && allowed && !cluster.formed.contains(&id)).then_some(Restart::FormatAllowed)
}

/// What the pod was told about its node, in the ConfigMap that it mounts.
fn facts_of<'a>(id: i32, pod: &Pod, observed: &'a Observed) -> Option<&'a String> {
    let config_map = observed.config_maps.get(config_map_of(pod, NODES_VOLUME)?)?;
    config_map.data.as_ref()?.get(&format!("{id}.properties"))
}

/// A broken pod comes first: the change may be its cure. A working one is touched only when every node that ever was ready is,
/// and the quorum is whole: controllers before brokers, the one that leads after the others. Of either kind no broker is stopped
/// that partitions need.
pub fn next(cluster: &Resolved, outdated: &[Outdated<'_>], observed: &Observed) -> Roll {
    let pod_of = |(id, pool): (i32, &ResolvedPool)| observed.pod(&pool.stateful_set, &pool.pod(id));
    let terminating = |pod: &&Pod| pod.metadata.deletion_timestamp.is_some();
    if outdated.is_empty() {
        return Roll::Nothing;
    }
    if let Some(going) = cluster.nodes().filter_map(pod_of).find(terminating) {
        return Roll::Wait(format!("restarts wait until {} is gone", going.name_any()));
    }
    let quorum = observed.answers.quorum.as_ref().filter(|_| !cluster.is_lone());
    // A pod that is not ready may be a voter that the others need. One that votes alone has no others.
    let spare = |id: i32| quorum.is_none_or(|quorum| quorum.voters.len() == 1 || quorum::can_spare(quorum, id));
    let leads = |id: i32| quorum.is_some_and(|quorum| quorum.leader == id);
    let broken = || outdated.iter().filter(|candidate| !is_ready(candidate.pod));
    let spared = broken().filter(|candidate| spare(candidate.id)).min_by_key(|candidate| leads(candidate.id));
    let working = outdated.iter().filter(|candidate| is_ready(candidate.pod));
    let working = working.min_by_key(|candidate| (!candidate.is_controller, leads(candidate.id), -candidate.id));
    let (chosen, hold) = match (spared, working) {
        (Some(broken), _) => (broken, None),
        (None, Some(working)) => (working, hold(cluster, working, observed)),
        (None, None) => return broken().next().map_or(Roll::Nothing, |needed| Roll::Wait(no_majority(needed))),
    };
    match hold {
        Some(why) => Roll::Wait(why),
        None => permitted(cluster, chosen, observed),
    }
}

fn no_majority(candidate: &Outdated<'_>) -> String {
    format!("the restart of {} waits: without it the voters that keep up are no majority", candidate.pod.name_any())
}

/// Brokers that are new, or whose lost volume was given up, and that are not ready. What they hold has to be asked: a partition that copies
/// what it lost needs the others meanwhile.
pub fn being_filled<'a>(
    cluster: &'a Resolved,
    observed: &'a Observed,
) -> impl Iterator<Item = (i32, &'a ResolvedPool)> {
    let unready = |id: i32, pool: &ResolvedPool| !observed.pod(&pool.stateful_set, &pool.pod(id)).is_some_and(is_ready);
    cluster.brokers().filter(move |(id, pool)| !cluster.formed.contains(id) && unready(*id, pool))
}

/// Whether anybody is there who could tell what brokers hold.
pub fn is_any_broker_ready(cluster: &Resolved, observed: &Observed) -> bool {
    let mut brokers = cluster.brokers().filter_map(|(id, pool)| observed.pod(&pool.stateful_set, &pool.pod(id)));
    brokers.any(is_ready)
}

/// Nothing stands in the way but what the brokers have to say. A lone broker has no others who could.
fn permitted(cluster: &Resolved, chosen: &Outdated<'_>, observed: &Observed) -> Roll {
    let pod = chosen.pod.name_any();
    if chosen.is_broker && !cluster.is_lone() {
        match observed.answers.stop.as_ref().filter(|answer| answer.id == chosen.id) {
            None => return Roll::Ask(chosen.id),
            Some(StopAnswer { refusal: Some(why), .. }) => {
                return Roll::Wait(format!("the restart of {pod} waits: {why}"));
            }
            Some(StopAnswer { refusal: None, .. }) => {}
        }
    }
    let Some(uid) = chosen.pod.uid() else { return Roll::Nothing };
    Roll::Restart { pod, uid, reason: chosen.reason }
}

/// Why a pod that works may not be restarted now, whatever brokers say.
fn hold(cluster: &Resolved, candidate: &Outdated<'_>, observed: &Observed) -> Option<String> {
    let pod = candidate.pod.name_any();
    let unready = cluster.nodes().filter(|(id, _)| cluster.formed.contains(id)).find_map(|(id, pool)| {
        let ready = observed.pod(&pool.stateful_set, &pool.pod(id)).is_some_and(is_ready);
        (!ready).then(|| pool.pod(id))
    });
    // While nobody says what a new one holds, it may be much.
    let holds = |id: i32| match &observed.answers.hosted {
        Some(hosted) => hosted.get(&id).is_some_and(|held| held.replicas > 0),
        None => is_any_broker_ready(cluster, observed),
    };
    let filled = || being_filled(cluster, observed).find(|(id, _)| holds(*id)).map(|(id, pool)| pool.pod(id));
    if let Some(unready) = unready.or_else(filled) {
        return Some(format!("the restart of {pod} waits until {unready} is ready"));
    }
    // A value that brokers refuse must not reach their files.
    if observed.answers.dynamic.is_none() && dynamic_config::is_to_be_asked(cluster, observed) {
        return Some(format!("the restart of {pod} waits until brokers say what is set on all of them at run time"));
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
        Some(_) => Some(no_majority(candidate)),
        None => Some(format!("the restart of {pod} waits until the quorum's leader answers")),
    }
}

/// Why a broker should not stop, by what all partitions look like: for brokers that cannot be asked themselves. It may stop when every
/// other replica of what it has in sync is in sync too. That is stricter than their minimum asks for, which is not told here. What has
/// no other replica, or nobody who leads it, loses nothing by waiting no longer.
pub fn hindrance(partitions: &[LivePartition], id: i32) -> Option<String> {
    let behind = |partition: &&LivePartition| {
        let in_sync = |replica: &i32| *replica == id || partition.in_sync.contains(replica);
        partition.in_sync.contains(&id) && partition.leader.is_some() && !partition.replicas.iter().all(in_sync)
    };
    let mut needing = partitions.iter().filter(behind);
    let first = needing.next()?;
    let others = match needing.count() {
        0 => String::new(),
        count => format!(", and {count} more partitions need broker {id}"),
    };
    Some(format!(
        "{}-{} has {} of {} replicas in sync{others}",
        first.topic,
        first.partition,
        first.in_sync.len(),
        first.replicas.len()
    ))
}

#[cfg(test)]
mod tests;
