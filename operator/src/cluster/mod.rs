//! The KafkaCluster controller: observe, ask, validate, build, plan, apply, status. Holds the order of these steps and what wakes
//! them; every decision is in the steps themselves.

mod apply;
mod ask;
mod build;
mod dynamic_config;
mod error;
mod lost;
mod observe;
mod plan;
mod quorum;
mod roll;
mod status;
mod template;
mod validate;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use error::ClusterError;
pub use validate::Settings;

use crate::context::{Context, LONGEST_RETRY, PASS_TIMEOUT, Retry};
use crate::crd::condition::{ConditionStatus, find, kind, transitions};
use crate::crd::kafka_cluster::{KafkaCluster, KafkaClusterStatus};
use crate::k8s::labels;
use apply::{Applier, Outcome};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Resource as _, ResourceExt as _};
use observe::Observed;
use plan::Plan;
use status::Progress;
use std::sync::Arc;
use std::time::Duration;

/// The controller's name in metrics, events and logs.
pub const CONTROLLER: &str = "KafkaCluster";
/// A steady cluster is looked at this often, in case a watch missed something.
const STEADY: Duration = Duration::from_secs(300);
/// A quorum is looked at this often: nothing tells us when another node leads or a voter falls behind.
const STEADY_QUORUM: Duration = Duration::from_secs(30);
/// A voter that catches up wakes nobody either, and meanwhile the quorum can lose less.
const CATCHING_UP: Duration = Duration::from_secs(3);
/// A cluster in motion wakes us by its watches; this is for what has no watch.
const MOVING: Duration = Duration::from_secs(15);

/// Runs until the shutdown is asked for.
pub async fn run(context: Arc<Context>, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
    let children = watcher::Config::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::OPERATOR));
    let pods = watcher::Config::default().labels(labels::CLUSTER);
    Controller::new(context.api::<KafkaCluster>(), watcher::Config::default())
        .with_config(Config::default().debounce(Duration::from_millis(100)).concurrency(8))
        .owns(context.api::<StatefulSet>(), children.clone())
        .owns(context.api::<Service>(), children.clone())
        .owns(context.api::<ServiceAccount>(), children.clone())
        .owns(context.api::<ConfigMap>(), children.clone())
        .owns(context.api::<PodDisruptionBudget>(), children)
        .watches(context.api::<Pod>(), pods.clone(), |pod: Pod| cluster_of(&pod))
        .watches(context.api::<PersistentVolumeClaim>(), pods, |claim: PersistentVolumeClaim| cluster_of(&claim))
        .graceful_shutdown_on(shutdown)
        .run(reconcile, on_error, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

fn cluster_of<K: kube::Resource>(object: &K) -> Option<ObjectRef<KafkaCluster>> {
    let cluster = object.meta().labels.as_ref()?.get(labels::CLUSTER)?;
    Some(ObjectRef::new(cluster).within(object.meta().namespace.as_deref()?))
}

async fn reconcile(cluster: Arc<KafkaCluster>, context: Arc<Context>) -> Result<Action, Retry<ClusterError>> {
    // Children are removed by their owner references; nothing of ours has to run first.
    if cluster.metadata.deletion_timestamp.is_some() {
        context.forget(CONTROLLER, &*cluster);
        return Ok(Action::await_change());
    }
    context.measured(CONTROLLER, &*cluster, PASS_TIMEOUT, ClusterError::step, pass(&cluster, &context)).await
}

fn on_error(cluster: Arc<KafkaCluster>, error: &Retry<ClusterError>, context: Arc<Context>) -> Action {
    let longest = match error {
        Retry::Failed(error) => error.longest_wait(),
        Retry::TimedOut(_) => None,
    };
    context.retry_within(CONTROLLER, &*cluster, error, longest.unwrap_or(LONGEST_RETRY))
}

async fn pass(cluster: &KafkaCluster, context: &Context) -> Result<Action, ClusterError> {
    let mut observed = Observed::read(&context.client, cluster).await?;
    observed.answers = ask::quorum(&*context.brokers, cluster, &context.settings, &observed).await;
    if let Ok(resolved) = validate::validate(cluster, &observed, &context.settings) {
        ask::brokers(&*context.brokers, cluster, &resolved, &mut observed).await;
    }
    let resolved = match validate::validate(cluster, &observed, &context.settings) {
        Ok(resolved) => resolved,
        Err(invalid) => {
            let status = status::compute(cluster, &observed, &Progress::Refused(&invalid), Timestamp::now());
            publish(cluster, &status, context).await?;
            let hangs = invalid.hangs_on_brokers();
            return Ok(if hangs { Action::requeue(STEADY_QUORUM) } else { Action::await_change() });
        }
    };
    if labels::is_paused(cluster) {
        let status = status::compute(cluster, &observed, &Progress::Paused(&resolved), Timestamp::now());
        publish(cluster, &status, context).await?;
        return Ok(Action::requeue(STEADY));
    }
    let built = build::build(&resolved, &observed)?;
    let mut plan = plan::plan(&resolved, &built, &observed);
    if let Some(id) = plan.may_stop {
        let answer = ask::may_stop(&*context.brokers, cluster, &resolved, &observed, id).await;
        observed.answers.stop = Some(answer);
        plan = plan::plan(&resolved, &built, &observed);
    }
    let applier = Applier {
        client: &context.client,
        brokers: &*context.brokers,
        bootstrap: cluster.status.as_ref().and_then(|status| status.bootstrap.as_deref()),
        namespace: &resolved.namespace,
        cluster: &resolved.name,
        uid: &resolved.uid,
    };
    let outcome = apply::run(&applier, &plan, &observed).await;
    report(cluster, &outcome, context).await;
    // What was set is in force: the status tells of it, and its change brings the next pass.
    if let (Some(dynamic), Some(changes)) = (&mut observed.answers.dynamic, &outcome.configs_altered) {
        dynamic_config::carry_out(changes, dynamic);
    }
    let status = status::compute(cluster, &observed, &Progress::Done(&resolved, &plan, &outcome), Timestamp::now());
    publish(cluster, &status, context).await?;
    finish(&status, &plan, outcome, resolved.is_lone())
}

/// How the pass ended. What could not be done beside the rest is a failure that is counted and tried again, and lengthens no other wait.
fn finish(status: &KafkaClusterStatus, plan: &Plan, outcome: Outcome, is_lone: bool) -> Result<Action, ClusterError> {
    let (refused, ended) = match outcome.failure {
        Some(failure) if failure.needs_a_person() => (Some(failure), None),
        other => (None, other),
    };
    if let Some(failure) = ended {
        return Err(failure);
    }
    let ready = find(&status.conditions, kind::READY).is_some_and(|ready| ready.status == ConditionStatus::True);
    let again = match (ready && plan.steps.is_empty(), is_lone) {
        _ if !plan.waits.is_empty() => CATCHING_UP,
        (true, true) => STEADY,
        (true, false) => STEADY_QUORUM,
        (false, _) => MOVING,
    };
    let not_done = outcome.claim_failures.into_iter().chain(outcome.quorum_failures).chain(outcome.config_failures);
    match refused.into_iter().chain(not_done).next() {
        None => Ok(Action::requeue(again)),
        Some(first) => Err(ClusterError::NotAll { first: Box::new(first), again }),
    }
}

async fn report(cluster: &KafkaCluster, outcome: &Outcome, context: &Context) {
    for (kind, _) in &outcome.applied {
        context.metrics.applied(kind);
    }
    for (pod, reason) in &outcome.restarted {
        context.event(&cluster.object_ref(&()), true, reason.name(), "RestartPod", format!("restarting {pod}")).await;
    }
    if let Some(changes) = &outcome.configs_altered {
        let note = format!("of all brokers: {}", dynamic_config::in_words(changes));
        context.event(&cluster.object_ref(&()), true, "ConfigAltered", "AlterConfigs", note).await;
    }
    for change in &outcome.quorum_changes {
        context.event(&cluster.object_ref(&()), true, change.reason, "ChangeQuorum", change.note.clone()).await;
    }
}

/// Writes the status when it differs, and an event for every condition that changed.
async fn publish(cluster: &KafkaCluster, status: &KafkaClusterStatus, context: &Context) -> Result<(), ClusterError> {
    if cluster.status.as_ref() == Some(status) {
        return Ok(());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let api = kube::Api::<KafkaCluster>::namespaced(context.client.clone(), &namespace);
    let patch = context.status_patch(cluster, status);
    let parameters = PatchParams::apply(crate::context::STATUS_MANAGER).force();
    match api.patch_status(&cluster.name_any(), &parameters, &Patch::Apply(patch)).await {
        Ok(_) => {}
        // Deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(source) => return Err(ClusterError::Status { source: Box::new(source) }),
    }
    let before = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for condition in transitions(before, &status.conditions) {
        context.condition_event(&cluster.object_ref(&()), condition).await;
    }
    Ok(())
}
