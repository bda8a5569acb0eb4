//! The ConsumerGroup controller: looks at the group, reports state, members and lag. Never changes the group.

mod error;
mod lag;
mod status;

pub use error::ConsumerGroupError;

use crate::broker_client::{BrokerClient, BrokerError, LiveGroup};
use crate::cluster_lookup::Cluster;
use crate::context::{Context, PASS_TIMEOUT, Retry, STATUS_MANAGER};
use crate::crd::condition::transitions;
use crate::crd::consumer_group::{ConsumerGroup, ConsumerGroupStatus};
use crate::crd::kafka_cluster::KafkaCluster;
use crate::metrics::GroupKey;
use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Resource as _, ResourceExt as _};
use lag::Lag;
use status::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The controller's name in metrics, events and logs.
pub const CONTROLLER: &str = "ConsumerGroup";
/// How old state and lag may be.
const POLL: Duration = Duration::from_secs(10);

/// Runs until the shutdown is asked for.
pub async fn run(context: Arc<Context>, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
    let controller = Controller::new(context.api::<ConsumerGroup>(), watcher::Config::default())
        .with_config(Config::default().debounce(Duration::from_millis(100)).concurrency(16));
    let groups = controller.store();
    let forget = forget_deleted(groups.clone(), Arc::clone(&context));
    let concerned = move |cluster: KafkaCluster| of_cluster(&groups, &cluster);
    let passes = controller
        .watches(context.api::<KafkaCluster>(), watcher::Config::default(), concerned)
        .graceful_shutdown_on(shutdown)
        .run(reconcile, on_error, context)
        .for_each(|_| std::future::ready(()));
    tokio::select! {
        () = passes => {}
        () = forget => {}
    }
}

/// Nobody is told of a deleted resource: its figures are removed within a poll.
async fn forget_deleted(groups: Store<ConsumerGroup>, context: Arc<Context>) {
    loop {
        tokio::time::sleep(POLL).await;
        let known: BTreeSet<GroupKey> = groups.state().iter().map(|group| metric_key(group)).collect();
        context.metrics.retain_groups(|group| known.contains(group));
    }
}

/// The groups that a change of a cluster concerns.
fn of_cluster(groups: &Store<ConsumerGroup>, cluster: &KafkaCluster) -> Vec<ObjectRef<ConsumerGroup>> {
    let concerned = groups
        .state()
        .into_iter()
        .filter(|group| group.namespace() == cluster.namespace() && group.spec.cluster_ref.name == cluster.name_any());
    concerned.map(|group| ObjectRef::from_obj(&*group)).collect()
}

async fn reconcile(group: Arc<ConsumerGroup>, context: Arc<Context>) -> Result<Action, Retry<ConsumerGroupError>> {
    context.measured(CONTROLLER, &*group, PASS_TIMEOUT, ConsumerGroupError::step, pass(&group, &context)).await
}

fn on_error(group: Arc<ConsumerGroup>, error: &Retry<ConsumerGroupError>, context: Arc<Context>) -> Action {
    context.retry_after(CONTROLLER, &*group, error)
}

async fn pass(group: &ConsumerGroup, context: &Context) -> Result<Action, ConsumerGroupError> {
    let namespace = group.namespace().unwrap_or_default();
    let cluster = Cluster::find(&context.client, &namespace, &group.spec.cluster_ref)
        .await
        .map_err(|source| ConsumerGroupError::Observe { source: Box::new(source) })?;
    let bootstrap = match cluster {
        Cluster::Ready { bootstrap, .. } => bootstrap,
        Cluster::NotReady { .. } => return publish(group, &Progress::ClusterNotReady, context).await,
        Cluster::Missing | Cluster::Terminating => return publish(group, &Progress::ClusterMissing, context).await,
    };
    let brokers = context.brokers.client(&bootstrap)?;
    match observe(group.group_id(), &*brokers).await {
        Ok((live, lag)) => {
            context.metrics.set_lag(&metric_key(group), &lag.partitions);
            publish(group, &Progress::Observed(live.as_ref(), &lag), context).await
        }
        Err(error) => {
            publish(group, &Progress::Failed(&error), context).await?;
            Err(error.into())
        }
    }
}

async fn observe(group: &str, brokers: &dyn BrokerClient) -> Result<(Option<LiveGroup>, Lag), BrokerError> {
    let Some(live) = brokers.describe_group(group).await? else { return Ok((None, Lag::default())) };
    let committed = brokers.committed_offsets(group).await?;
    let partitions: Vec<_> = committed.keys().cloned().collect();
    let bounds = if partitions.is_empty() { BTreeMap::new() } else { brokers.log_bounds(&partitions).await? };
    Ok((Some(live), lag::compute(&committed, &bounds)))
}

fn metric_key(group: &ConsumerGroup) -> GroupKey {
    [group.namespace().unwrap_or_default(), group.spec.cluster_ref.name.clone(), group.group_id().to_owned()]
}

/// Writes the status when it differs, and an event for every condition that changed.
async fn publish(
    group: &ConsumerGroup,
    progress: &Progress<'_>,
    context: &Context,
) -> Result<Action, ConsumerGroupError> {
    let status: ConsumerGroupStatus = status::compute(group, progress, Timestamp::now());
    if group.status.as_ref() == Some(&status) {
        return Ok(Action::requeue(POLL));
    }
    let api: Api<ConsumerGroup> = Api::namespaced(context.client.clone(), &group.namespace().unwrap_or_default());
    let patch = context.status_patch(group, &status);
    match api.patch_status(&group.name_any(), &PatchParams::apply(STATUS_MANAGER).force(), &Patch::Apply(patch)).await {
        Ok(_) => {}
        // Deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Action::await_change()),
        Err(source) => return Err(ConsumerGroupError::Status { source: Box::new(source) }),
    }
    let before = group.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for condition in transitions(before, &status.conditions) {
        context.condition_event(&group.object_ref(&()), condition).await;
    }
    Ok(Action::requeue(POLL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker_client::LogBounds;
    use crate::broker_client::fake::FakeCluster;
    use barnabas_types::TopicPartition;

    #[tokio::test]
    async fn lag_is_counted_from_commits_and_ends() {
        let brokers = FakeCluster::default();
        {
            let mut state = brokers.state.lock().unwrap();
            let stable = LiveGroup { state: "Stable".to_owned(), members: 1, assignor: None };
            state.groups.insert("billing".to_owned(), stable);
            let (first, second) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
            state.committed.insert(first.clone(), 7);
            state.bounds.insert(first, LogBounds { start: 0, end: 10 });
            state.bounds.insert(second, LogBounds { start: 0, end: 50 });
        }
        let (live, lag) = observe("billing", &brokers).await.unwrap();
        assert_eq!((live.unwrap().members, lag.total), (1, 3));
        assert_eq!(observe("nobody", &brokers).await.unwrap(), (None, Lag::default()));
    }
}
