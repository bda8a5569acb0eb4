//! The Topic controller: observe, plan, apply, status. Polls, because brokers cannot be watched; every decision is in the steps.

mod error;
mod finalizer;
mod plan;
mod status;

pub use error::TopicError;

use crate::broker_client::{BrokerClient, BrokerError, LiveTopic};
use crate::cluster_lookup::Cluster;
use crate::context::{Context, PASS_TIMEOUT, Retry, STATUS_MANAGER};
use crate::crd::condition::transitions;
use crate::crd::kafka_cluster::KafkaCluster;
use crate::crd::topic::{Topic, TopicStatus};
use crate::k8s::labels;
use finalizer::Finalizer;
use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Resource as _, ResourceExt as _};
use plan::{Conflict, Step};
use status::Progress;
use std::sync::Arc;
use std::time::Duration;

/// The controller's name in metrics, events and logs.
pub const CONTROLLER: &str = "Topic";
/// What others change in a topic is put right within this time.
const POLL: Duration = Duration::from_secs(30);
/// One pass looks at the topic at most this often; each look but the last is followed by a change.
const MAX_LOOKS: usize = 4;

/// What the passes of this controller share.
struct Topics {
    shared: Arc<Context>,
    /// Every Topic that there is, to find two that claim the same topic.
    store: Store<Topic>,
}

/// Runs until the shutdown is asked for.
pub async fn run(context: Arc<Context>, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
    let clusters = context.api::<KafkaCluster>();
    let controller = Controller::new(context.api::<Topic>(), watcher::Config::default())
        .with_config(Config::default().debounce(Duration::from_millis(100)).concurrency(16));
    let topics = controller.store();
    let context = Arc::new(Topics { shared: context.clone(), store: topics.clone() });
    let concerned = move |cluster: KafkaCluster| of_cluster(&topics, &cluster);
    controller
        .watches(clusters, watcher::Config::default(), concerned)
        .graceful_shutdown_on(shutdown)
        .run(reconcile, on_error, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

/// The topics that a change of a cluster concerns.
fn of_cluster(topics: &Store<Topic>, cluster: &KafkaCluster) -> Vec<ObjectRef<Topic>> {
    let concerned = topics
        .state()
        .into_iter()
        .filter(|topic| topic.namespace() == cluster.namespace() && topic.spec.cluster_ref.name == cluster.name_any());
    concerned.map(|topic| ObjectRef::from_obj(&*topic)).collect()
}

async fn reconcile(topic: Arc<Topic>, topics: Arc<Topics>) -> Result<Action, Retry<TopicError>> {
    let others = topics.store.state();
    let taken = plan::older_claimant(&topic, others.iter().map(AsRef::as_ref));
    let pass = pass(&topic, taken.as_ref(), &topics.shared);
    topics.shared.measured(CONTROLLER, &*topic, PASS_TIMEOUT, TopicError::step, pass).await
}

fn on_error(topic: Arc<Topic>, error: &Retry<TopicError>, topics: Arc<Topics>) -> Action {
    topics.shared.retry_after(CONTROLLER, &*topic, error)
}

async fn pass(topic: &Topic, taken: Option<&Conflict>, context: &Context) -> Result<Action, TopicError> {
    let namespace = topic.namespace().unwrap_or_default();
    let cluster = Cluster::find(&context.client, &namespace, &topic.spec.cluster_ref)
        .await
        .map_err(|source| TopicError::Observe { source: Box::new(source) })?;
    let decision = finalizer::decide(topic, &cluster, taken.is_some());
    if let Some(action) = finalize(topic, decision, context).await? {
        return Ok(action);
    }
    let (bootstrap, available) = match cluster {
        Cluster::Ready { bootstrap, brokers } => (bootstrap, brokers),
        Cluster::NotReady { .. } => return publish(topic, &Progress::ClusterNotReady, context).await,
        Cluster::Missing | Cluster::Terminating => return publish(topic, &Progress::ClusterMissing, context).await,
    };
    if let Some(conflict) = taken {
        return publish(topic, &Progress::Refused(conflict), context).await;
    }
    let brokers = context.brokers.client(&bootstrap)?;
    if labels::is_paused(topic) {
        let live = brokers.describe_topic(topic.topic_name()).await?;
        return publish(topic, &Progress::Paused(live.as_ref()), context).await;
    }
    match settle(topic, available, &*brokers).await {
        Ok(settled) => {
            for step in &settled.done {
                let note = format!("{step}: {}", topic.topic_name());
                context.event(&topic.object_ref(&()), true, step, "Reconcile", note).await;
            }
            publish(topic, &settled.progress(), context).await
        }
        Err(error) => {
            publish(topic, &Progress::Failed(&error), context).await?;
            Err(error.into())
        }
    }
}

/// Carries out what was decided about the finalizer. With an action the pass is over.
async fn finalize(topic: &Topic, decision: Finalizer, context: &Context) -> Result<Option<Action>, TopicError> {
    match decision {
        // What it looks like is told below.
        Finalizer::Keep | Finalizer::Paused => Ok(None),
        Finalizer::Add => {
            finalizer::write(topic, true, context).await?;
            // The write wakes us again.
            Ok(Some(Action::requeue(POLL)))
        }
        Finalizer::Remove { reason } => {
            finalizer::write(topic, false, context).await?;
            if topic.metadata.deletion_timestamp.is_none() {
                return Ok(Some(Action::requeue(POLL)));
            }
            context.event(&topic.object_ref(&()), true, "Released", "Finalize", reason.to_owned()).await;
            Ok(Some(Action::await_change()))
        }
        Finalizer::DeleteTopic { bootstrap } => {
            if let Err(error) = context.brokers.client(&bootstrap)?.delete_topic(topic.topic_name()).await {
                publish(topic, &Progress::Failed(&error), context).await?;
                return Err(error.into());
            }
            let note = format!("topic {} is deleted", topic.topic_name());
            context.event(&topic.object_ref(&()), true, "TopicDeleted", "DeleteTopic", note).await;
            finalizer::write(topic, false, context).await?;
            Ok(Some(Action::await_change()))
        }
        Finalizer::Wait => {
            publish(topic, &Progress::ClusterNotReady, context).await?;
            Ok(Some(Action::requeue(POLL)))
        }
    }
}

/// What has become of the topic, and what was done for that.
#[derive(Debug)]
struct Settled {
    topic: Outcome,
    done: Vec<&'static str>,
}

#[derive(Debug)]
enum Outcome {
    /// It is as the resource says, but for a conflict.
    Live(LiveTopic, Option<Conflict>),
    /// There is none, and it cannot be made.
    Impossible(Conflict),
}

impl Settled {
    fn progress(&self) -> Progress<'_> {
        match &self.topic {
            Outcome::Live(live, conflict) => Progress::Done(live, conflict.as_ref()),
            Outcome::Impossible(conflict) => Progress::Refused(conflict),
        }
    }
}

/// Looks and acts by turns until nothing is left to do. The cluster has `available` brokers.
async fn settle(topic: &Topic, available: usize, brokers: &dyn BrokerClient) -> Result<Settled, BrokerError> {
    let name = topic.topic_name();
    let mut done = Vec::new();
    for _ in 0..MAX_LOOKS {
        let live = brokers.describe_topic(name).await?;
        let plan = plan::plan(topic, live.as_ref(), available);
        match (live, plan.conflict) {
            (Some(live), conflict) if plan.steps.is_empty() => {
                return Ok(Settled { topic: Outcome::Live(live, conflict), done });
            }
            (None, Some(conflict)) => return Ok(Settled { topic: Outcome::Impossible(conflict), done }),
            _ => {}
        }
        for step in &plan.steps {
            match step {
                Step::Create(new) => brokers.create_topic(new).await?,
                Step::CreatePartitions { count } => brokers.create_partitions(name, *count).await?,
                Step::AlterConfigs(changes) => brokers.alter_topic_configs(name, changes).await?,
            }
            done.push(step_name(step));
        }
    }
    let reason = format!("topic {name} does not become what it was told to be; is somebody else changing it?");
    Err(BrokerError::Unavailable { reason })
}

fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Create(_) => "TopicCreated",
        Step::CreatePartitions { .. } => "PartitionsCreated",
        Step::AlterConfigs(_) => "ConfigsAltered",
    }
}

/// Writes the status when it differs, and an event for every condition that changed.
async fn publish(topic: &Topic, progress: &Progress<'_>, context: &Context) -> Result<Action, TopicError> {
    let status: TopicStatus = status::compute(topic, progress, Timestamp::now());
    if topic.status.as_ref() == Some(&status) {
        return Ok(Action::requeue(POLL));
    }
    let api: Api<Topic> = Api::namespaced(context.client.clone(), &topic.namespace().unwrap_or_default());
    let patch = context.status_patch(topic, &status);
    match api.patch_status(&topic.name_any(), &PatchParams::apply(STATUS_MANAGER).force(), &Patch::Apply(patch)).await {
        Ok(_) => {}
        // Deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Action::await_change()),
        Err(source) => return Err(TopicError::Status { source: Box::new(source) }),
    }
    let before = topic.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for condition in transitions(before, &status.conditions) {
        context.condition_event(&topic.object_ref(&()), condition).await;
    }
    Ok(Action::requeue(POLL))
}

#[cfg(test)]
mod tests;
