//! What a reconcile asks of controllers and brokers. Decides nothing: whoever does not answer in time has not answered.

use crate::broker_client::{BrokerError, Brokers, LiveQuorum, StopPermit};
use crate::cluster::dynamic_config;
use crate::cluster::lost::lost;
use crate::cluster::observe::{Observed, is_ready};
use crate::cluster::quorum::Answers;
use crate::cluster::roll::{self, StopAnswer};
use crate::cluster::validate::{Resolved, Settings};
use crate::crd::kafka_cluster::KafkaCluster;
use crate::k8s::names;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use std::collections::BTreeSet;
use std::time::Duration;

/// A controller that is up answers in milliseconds; one that is not must not hold up the pass.
const PATIENCE: Duration = Duration::from_secs(3);
/// Brokers may have much to tell.
const LONG_PATIENCE: Duration = Duration::from_secs(20);

/// Asks every controller that runs for the quorum and believes the one that leads in the highest epoch.
pub async fn quorum(
    brokers: &dyn Brokers,
    cluster: &KafkaCluster,
    settings: &Settings,
    observed: &Observed,
) -> Answers {
    let namespace = cluster.namespace().unwrap_or_default();
    let controllers = observed.pods.values().filter(|pod| is_running_controller(pod));
    let address = |pod: &Pod| {
        let host = names::pod_host(&cluster.name_any(), &pod.name_any(), &namespace, &settings.cluster_domain);
        format!("{host}:{}", names::CONTROLLER_PORT)
    };
    let answers = join_all(controllers.map(|pod| describe(brokers, address(pod)))).await;
    let silence = silence(&answers);
    let quorum = answers.into_iter().flatten().max_by_key(|quorum| quorum.epoch);
    Answers { silence: silence.filter(|_| quorum.is_none()), quorum, ..Answers::default() }
}

async fn describe(brokers: &dyn Brokers, address: String) -> Result<LiveQuorum, BrokerError> {
    let client = brokers.client(&address)?;
    let ask = async {
        match client.describe_quorum().await {
            // The connection that was kept may be one to the controller as it was before a restart.
            Err(BrokerError::Unavailable { .. }) => client.describe_quorum().await,
            answer => answer,
        }
    };
    let answer = tokio::time::timeout(PATIENCE, ask).await;
    answer.unwrap_or_else(|_| Err(BrokerError::Unavailable { reason: format!("{address} does not answer") }))
}

/// The most telling of the refusals: that of a controller that answered.
fn silence(answers: &[Result<LiveQuorum, BrokerError>]) -> Option<String> {
    let refusals = || answers.iter().filter_map(|answer| answer.as_ref().err());
    let refused = refusals().find(|refusal| matches!(refusal, BrokerError::Refused { .. }));
    refused.or_else(|| refusals().next()).map(ToString::to_string)
}

fn is_running_controller(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let is_controller = ports.any(|port| port.name.as_deref() == Some(names::CONTROLLER_PORT_NAME));
    let status = pod.status.as_ref();
    is_controller && status.is_some_and(|status| status.phase.as_deref() == Some("Running") && status.pod_ip.is_some())
}

/// Asks brokers for what a decision hangs on: which of them are known, when one has left; what they hold, when one is to leave or to be
/// forgotten, has lost its volume or fills a new one; what is set on all of them at run time, when the resource says something of it.
pub async fn brokers(brokers: &dyn Brokers, cluster: &KafkaCluster, resolved: &Resolved, observed: &mut Observed) {
    let Some(bootstrap) = cluster.status.as_ref().and_then(|status| status.bootstrap.as_ref()) else { return };
    let Ok(client) = brokers.client(bootstrap) else { return };
    if !resolved.departed().is_empty() {
        let registered = tokio::time::timeout(PATIENCE, client.registered_brokers()).await;
        observed.answers.registered = registered.ok().and_then(Result::ok).unwrap_or_default();
    }
    let is_to_be_forgotten = |id: &i32| observed.answers.registered.contains(id);
    let is_being_filled =
        roll::is_any_broker_ready(resolved, observed) && roll::being_filled(resolved, observed).next().is_some();
    if is_being_filled
        || is_any_lost(cluster, resolved, observed)
        || !resolved.leaving().is_empty()
        || resolved.departed().iter().any(is_to_be_forgotten)
    {
        let hosted = tokio::time::timeout(LONG_PATIENCE, client.hosted()).await;
        observed.answers.hosted = hosted.ok().and_then(Result::ok);
    }
    if dynamic_config::is_to_be_asked(resolved, observed) {
        let told = tokio::time::timeout(PATIENCE, client.dynamic_configs()).await;
        observed.answers.dynamic = told.ok().and_then(Result::ok);
    }
}

/// Asks whether a broker may stop: itself, which asks the active controller; where it cannot be asked, the others what its partitions look
/// like. While no broker is ready there is nobody to ask, and nothing to lose.
pub async fn may_stop(
    brokers: &dyn Brokers,
    cluster: &KafkaCluster,
    resolved: &Resolved,
    observed: &Observed,
    id: i32,
) -> StopAnswer {
    let home = resolved.brokers().find(|(broker, _)| *broker == id).map(|(_, pool)| pool);
    let admin = format!("{}:{}", home.map(|pool| resolved.host(id, pool)).unwrap_or_default(), names::ADMIN_PORT);
    let works = home.is_some_and(|pool| observed.pod(&pool.stateful_set, &pool.pod(id)).is_some_and(is_ready));
    let refusal = match tokio::time::timeout(LONG_PATIENCE, brokers.may_stop(&admin)).await {
        Ok(StopPermit::Granted) => None,
        Ok(StopPermit::Refused { why }) => Some(why),
        // One that does not work may wait for a controller for ever, and a restart be its cure.
        Ok(StopPermit::Unanswered { why }) if works => Some(why),
        Ok(StopPermit::Unanswered { .. } | StopPermit::NotAsked { .. }) | Err(_) => {
            by_metadata(brokers, cluster, resolved, observed, id).await
        }
    };
    StopAnswer { id, refusal }
}

async fn by_metadata(
    brokers: &dyn Brokers,
    cluster: &KafkaCluster,
    resolved: &Resolved,
    observed: &Observed,
    id: i32,
) -> Option<String> {
    let told = async {
        let bootstrap = cluster.status.as_ref().and_then(|status| status.bootstrap.as_deref()).unwrap_or_default();
        brokers.client(bootstrap)?.partitions().await
    };
    let silent = || Err(BrokerError::Unavailable { reason: "they do not answer".to_owned() });
    match tokio::time::timeout(LONG_PATIENCE, told).await.unwrap_or_else(|_| silent()) {
        Ok(partitions) => roll::hindrance(&partitions, id),
        Err(error) => {
            let mut pods = resolved.brokers().filter_map(|(id, pool)| observed.pod(&pool.stateful_set, &pool.pod(id)));
            pods.any(is_ready).then(|| format!("nobody says whether partitions need it: {error}"))
        }
    }
}

/// A new volume in the place of a lost one: only then there is something to decide.
fn is_any_lost(cluster: &KafkaCluster, resolved: &Resolved, observed: &Observed) -> bool {
    let formed: Vec<_> = cluster.status.iter().flat_map(|status| &status.formed_nodes).collect();
    let lone = formed.len() == 1;
    let brokers: BTreeSet<i32> = resolved.brokers().map(|(id, _)| id).collect();
    !lone
        && formed.into_iter().filter(|node| brokers.contains(&node.id)).any(|node| {
            let home = resolved.nodes().find(|(id, _)| *id == node.id);
            home.and_then(|(_, pool)| lost(node, pool, observed)).is_some_and(|lost| lost.replaced_by.is_some())
        })
}

#[cfg(test)]
mod tests;
