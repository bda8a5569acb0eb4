//! Carries committed metadata to the parts of this node, in the order of publication: the image, the partitions, the group
//! coordinators. Decides nothing: what to host and who leads is in the metadata.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use barnabas_metadata::{BrokerRegistration, ConfigResource, Image, Partition, ReplicaPlace, ResourceType, Topic};
use barnabas_protocol::ErrorCode;
use barnabas_replica::BrokerState;
use barnabas_types::{BrokerId, PartitionId, TopicIdPartition, TopicPartition};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::Node;
use super::broker::hosting;
use crate::config::{Layers, Settings, TopicConfig};
use crate::coordinator::GroupCoordinators;
use crate::metadata::{Change, Subscriber};
use crate::replica::{Again, Durability, Partition as Hosted, PartitionConfig, Replicas};
use crate::storage::{Coming, Hosting};

/// Partitions opened or deleted at once: recovery after a kill reads their logs, and disks answer several better than one.
const WORKED_ON_AT_ONCE: usize = 8;
/// As many threads for each processor open partitions; each has a piece of the heap of its own.
const OPENERS_PER_PROCESSOR: usize = 2;
/// How many partitions a thread opens after a kill before it syncs what was read anew: their files are open until then.
const SYNCED_TOGETHER: usize = 1_000;
/// How long until a partition is tried again for which there was no room.
const ROOM_RETRY: Duration = Duration::from_secs(1);

/// Those who follow the metadata, in order.
pub fn subscribers(node: &Arc<Node>) -> Vec<Arc<dyn Subscriber>> {
    let broker = node.broker_id;
    vec![
        Arc::new(CurrentImage { published: Arc::clone(&node.published) }),
        Arc::new(OtherBrokers { replicas: Arc::clone(&node.replicas) }),
        Arc::new(Assignments {
            assigner: Assigner { hosting: hosting(node), broker, waiting: Arc::default() },
            settings: Arc::clone(&node.settings),
            caught_up: AtomicBool::new(false),
        }),
        Arc::new(Coordinators { groups: Arc::clone(&node.groups), replicas: Arc::clone(&node.replicas), broker }),
    ]
}

/// What handlers see.
struct CurrentImage {
    published: Arc<ArcSwap<Image>>,
}

impl Subscriber for CurrentImage {
    fn name(&self) -> &'static str {
        "image"
    }

    fn apply<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, ()> {
        self.published.store(Arc::clone(&change.new));
        std::future::ready(()).boxed()
    }
}

/// What partitions know of other brokers.
struct OtherBrokers {
    replicas: Arc<Replicas>,
}

impl Subscriber for OtherBrokers {
    fn name(&self) -> &'static str {
        "brokers"
    }

    fn apply<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, ()> {
        if !change.delta.changed_brokers.is_empty() {
            let state = |broker: &Arc<BrokerRegistration>| {
                let state = BrokerState {
                    epoch: broker.epoch,
                    is_fenced: broker.fenced,
                    is_shutting_down: broker.in_controlled_shutdown,
                    log_dirs: broker.log_dirs.clone(),
                };
                (broker.id, state)
            };
            self.replicas.surroundings().set_brokers(change.new.brokers.iter().map(state));
            for partition in self.replicas.all() {
                partition.look_again(Again::BrokersChanged);
            }
        }
        std::future::ready(()).boxed()
    }
}

/// Which partitions this broker hosts, leads, and with which settings.
struct Assignments {
    assigner: Assigner,
    settings: Arc<Settings>,
    /// What was there when the broker started is carried out: a partition that comes from now on was never here.
    caught_up: AtomicBool,
}

impl Subscriber for Assignments {
    fn name(&self) -> &'static str {
        "partitions"
    }

    fn apply<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, ()> {
        self.carry_out(change).boxed()
    }

    fn retry_after(&self) -> Option<Duration> {
        (!self.assigner.waiting().is_empty()).then_some(ROOM_RETRY)
    }
}

/// A partition that comes to this broker.
struct Assigned {
    topic: Arc<Topic>,
    id: PartitionId,
    partition: Arc<Partition>,
    is_new: bool,
    config: Arc<PartitionConfig>,
}

impl Assigned {
    fn key(&self) -> TopicIdPartition {
        TopicIdPartition { topic_id: self.topic.id, partition: self.id }
    }
}

/// A partition whose log has something to be synced, and what the metadata says of it.
type Unsynced<'a> = (Arc<Hosted>, &'a Partition);

/// Brings partitions here, on several threads.
#[derive(Clone)]
struct Assigner {
    hosting: Hosting,
    broker: BrokerId,
    /// Partitions that found no room on the disk, and whether they are new.
    waiting: Arc<Mutex<BTreeMap<TopicIdPartition, bool>>>,
}

impl Assigner {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<TopicIdPartition, bool>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hosts all of them. A thread takes one after the other: to hand over each by itself costs more than to open a log that is empty.
    async fn assign_all(&self, all: Vec<Assigned>) {
        let runtime = &self.hosting.runtime;
        let opening = Arc::new(self.hosting.progress.begin(all.len(), runtime.now().monotonic));
        let threads =
            (OPENERS_PER_PROCESSOR.saturating_mul(runtime.processors())).min(WORKED_ON_AT_ONCE).min(all.len());
        let (all, next) = (Arc::new(all), Arc::new(AtomicUsize::new(0)));
        let work = |_| {
            let (assigner, all, next) = (self.clone(), Arc::clone(&all), Arc::clone(&next));
            let opening = Arc::clone(&opening);
            runtime.spawn_blocking(move || {
                let mut unsynced = Vec::new();
                while let Some(assigned) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    unsynced.extend(assigner.assign(assigned));
                    if unsynced.len() >= SYNCED_TOGETHER {
                        assigner.sync(std::mem::take(&mut unsynced));
                    }
                    opening.one_more(assigner.hosting.runtime.now().monotonic);
                }
                assigner.sync(unsynced);
            })
        };
        for worked in (0..threads).map(work).collect::<Vec<_>>() {
            if let Err(error) = worked.await {
                tracing::error!(%error, "opening partitions broke off; those that are not open are offline until restart");
            }
        }
    }

    /// Hosts the partition and gives it its role; that of one whose log was read anew waits for a sync. Blocks.
    fn assign<'a>(&self, assigned: &'a Assigned) -> Option<Unsynced<'a>> {
        let Assigned { topic, id, partition, is_new, config } = assigned;
        let (key, name) = (assigned.key(), TopicPartition { topic: Arc::clone(&topic.name), partition: *id });
        let coming = Coming {
            preferred: partition.directory(self.broker),
            is_new: *is_new,
            leader_epoch: partition.leader_epoch,
        };
        match self.hosting.host(key, name, coming, Arc::clone(config)) {
            Ok(hosted) => {
                self.waiting().remove(&key);
                if hosted.with_log(|log| log.is_unsynced()) {
                    return Some((hosted, partition));
                }
                hosted.assign(partition);
            }
            Err(error) => {
                let waits = error.is_out_of_space();
                let waited = if waits { self.waiting().insert(key, *is_new) } else { self.waiting().remove(&key) };
                // Told once, however often it is tried.
                if !waits || waited.is_none() {
                    tracing::error!(%error, "a partition cannot be opened");
                }
            }
        }
        None
    }

    /// Syncs what was read anew, then gives the roles. Blocks.
    fn sync(&self, unsynced: Vec<Unsynced<'_>>) {
        let (hosted, partitions): (Vec<_>, Vec<_>) = unsynced.into_iter().unzip();
        self.hosting.sync(&hosted);
        for (hosted, partition) in hosted.iter().zip(partitions) {
            hosted.assign(partition);
        }
    }
}

impl Assignments {
    /// Tries those again that had found no room, until one finds none again.
    async fn retry(&self, image: &Image) {
        let waiting: Vec<_> = self.assigner.waiting().iter().map(|(key, is_new)| (*key, *is_new)).collect();
        for (key, is_new) in waiting {
            let topic = image.topics.get(key.topic_id);
            let assigned = image.topics.partition(key).filter(|one| one.replicas.contains(&self.assigner.broker));
            if let Some((topic, partition)) = topic.zip(assigned) {
                let (topic, partition) = (Arc::clone(topic), Arc::clone(partition));
                let config = self.config(image, &topic).await;
                self.assigner.assign_all(vec![Assigned { topic, id: key.partition, partition, is_new, config }]).await;
                self.notice_places(image, [key].into_iter());
                if self.assigner.waiting().contains_key(&key) {
                    return;
                }
            }
            self.assigner.waiting().remove(&key);
        }
    }

    async fn carry_out(&self, change: &Change) {
        let broker = self.assigner.broker;
        let mut leaving = AtOnce::default();
        for topic in &change.delta.removed_topics {
            for &partition in topic.partitions.keys() {
                leaving.begin(self.delete(topic, partition).boxed()).await;
            }
        }
        leaving.finish().await;
        let (mut coming, mut leaving) = (Vec::new(), AtOnce::default());
        for delta in &change.delta.changed_topics {
            let config = self.config(&change.new, &delta.topic).await;
            for (id, partition) in &delta.partitions {
                if !partition.replicas.contains(&broker) {
                    leaving.begin(self.delete(&delta.topic, *id).boxed()).await;
                    continue;
                }
                let key = TopicIdPartition { topic_id: delta.topic.id, partition: *id };
                if let Some(hosted) = self.assigner.hosting.replicas.get(key) {
                    let (config, partition) = (Arc::clone(&config), Arc::clone(partition));
                    let change = move |hosted: &Arc<Hosted>| {
                        hosted.set_config(config);
                        hosted.assign(&partition);
                    };
                    self.assigner.hosting.change(&hosted, change).await;
                    continue;
                }
                let was_here = |before: &Arc<Partition>| before.replicas.contains(&broker);
                let is_new =
                    self.caught_up.load(Ordering::Relaxed) && !change.old.topics.partition(key).is_some_and(was_here);
                let (topic, partition) = (Arc::clone(&delta.topic), Arc::clone(partition));
                coming.push(Assigned { topic, id: *id, partition, is_new, config: Arc::clone(&config) });
            }
        }
        leaving.finish().await;
        self.assigner.assign_all(coming).await;
        self.retry(&change.new).await;
        self.notice_changed_places(change);
        self.caught_up.store(true, Ordering::Relaxed);
        self.reconfigure(change).await;
    }

    /// Has the controller told where those replicas lie that the change is about; all of them where it may be the first to know directories.
    fn notice_changed_places(&self, change: &Change) {
        let changed = change.delta.changed_topics.iter().flat_map(|delta| {
            let of = |(id, _): &(PartitionId, _)| TopicIdPartition { topic_id: delta.topic.id, partition: *id };
            delta.partitions.iter().map(of)
        });
        self.notice_places(&change.new, changed);
        if change.delta.features_changed {
            let all = self.assigner.hosting.replicas.all();
            self.notice_places(&change.new, all.iter().map(|hosted| hosted.key));
        }
    }

    fn notice_places(&self, image: &Image, keys: impl Iterator<Item = TopicIdPartition>) {
        let Hosting { replicas, directories, .. } = &self.assigner.hosting;
        let place = |key| match replicas.hosted(key) {
            Ok(hosted) => Some((key, ReplicaPlace::In(hosted.directory))),
            Err(ErrorCode::KAFKA_STORAGE_ERROR) if directories.has_offline() => Some((key, ReplicaPlace::Missing)),
            Err(_) => None,
        };
        replicas.surroundings().noticed_places(image, keys.filter_map(place));
    }

    async fn delete(&self, topic: &Topic, partition: PartitionId) {
        let key = TopicIdPartition { topic_id: topic.id, partition };
        if let Err(error) = self.assigner.hosting.delete(key).await {
            tracing::error!(topic = %topic.name, partition, %error, "a deleted partition's directory cannot be set aside");
        }
    }

    /// Settings of topics that did not change otherwise: their own have changed, or what they inherit has.
    async fn reconfigure(&self, change: &Change) {
        let inherited_changed =
            change.delta.changed_configs.iter().any(|config| config.resource_type == ResourceType::Broker);
        let mut configs: BTreeMap<Arc<str>, Arc<PartitionConfig>> = BTreeMap::new();
        let own = |resource: &ConfigResource| resource.resource_type == ResourceType::Topic;
        for resource in change.delta.changed_configs.iter().filter(|resource| own(resource)) {
            if let Some(topic) = change.new.topics.named(&resource.name) {
                configs.insert(Arc::clone(&topic.name), self.config(&change.new, topic).await);
            }
        }
        if inherited_changed {
            let all: Vec<_> = change.new.topics.by_name().cloned().collect();
            for topic in all {
                configs.insert(Arc::clone(&topic.name), self.config(&change.new, &topic).await);
            }
        }
        for (name, config) in configs {
            let Some(topic) = change.new.topics.named(&name) else { continue };
            for &partition in topic.partitions.keys() {
                let key = TopicIdPartition { topic_id: topic.id, partition };
                if let Some(hosted) = self.assigner.hosting.replicas.get(key) {
                    let config = Arc::clone(&config);
                    self.assigner.hosting.change(&hosted, move |hosted| hosted.set_config(config)).await;
                }
            }
        }
    }

    /// The settings of the topic's partitions. Those that do not wait for their disk are in force only once nothing else is promised.
    async fn config(&self, image: &Image, topic: &Topic) -> Arc<PartitionConfig> {
        let config = self.configured(image, topic);
        let Hosting { directories, runtime, .. } = &self.assigner.hosting;
        if config.durability == Durability::Fsync || directories.promise_nothing() {
            return config;
        }
        let directories = Arc::clone(directories);
        match runtime.spawn_blocking(move || directories.take_promise_back()).await {
            Ok(Ok(())) => config,
            Ok(Err(error)) => {
                tracing::error!(topic = %topic.name, %error, "barnabas.durability stays fsync for this topic: no disk takes back what it promises");
                Arc::new(PartitionConfig { durability: Durability::Fsync, ..PartitionConfig::clone(&config) })
            }
            Err(error) => {
                tracing::error!(topic = %topic.name, %error, "barnabas.durability stays fsync for this topic");
                Arc::new(PartitionConfig { durability: Durability::Fsync, ..PartitionConfig::clone(&config) })
            }
        }
    }

    fn configured(&self, image: &Image, topic: &Topic) -> Arc<PartitionConfig> {
        let layers = Layers::of(image, self.assigner.broker, &self.settings);
        let resolved = TopicConfig::resolve(image.configs.topic(&topic.name), layers).or_else(|error| {
            // The controller accepts no such value: it was written by another release.
            tracing::error!(topic = %topic.name, %error, "a topic's configuration is not understood; its defaults are in force");
            TopicConfig::resolve(None, layers)
        });
        Arc::new(resolved.as_ref().map_or_else(|_| PartitionConfig::default(), TopicConfig::partition_config))
    }
}

/// Work on disks, a few pieces at a time; no more of them exist at once.
#[derive(Default)]
struct AtOnce<'a>(FuturesUnordered<BoxFuture<'a, ()>>);

impl<'a> AtOnce<'a> {
    /// Returns once there is room and `work` is under way.
    async fn begin(&mut self, work: BoxFuture<'a, ()>) {
        if self.0.len() >= WORKED_ON_AT_ONCE {
            self.0.next().await;
        }
        self.0.push(work);
    }

    async fn finish(mut self) {
        while self.0.next().await.is_some() {}
    }
}

/// Which groups this broker coordinates.
struct Coordinators {
    groups: Arc<GroupCoordinators>,
    replicas: Arc<Replicas>,
    broker: BrokerId,
}

impl Subscriber for Coordinators {
    fn name(&self) -> &'static str {
        "group coordinators"
    }

    fn apply<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, ()> {
        self.groups.publish(&change.new, &self.replicas, self.broker);
        let removed = change.delta.removed_topics.iter();
        let removed: Vec<_> = removed.map(|topic| (Box::from(&*topic.name), topic.id)).collect();
        if !removed.is_empty() {
            self.groups.topics_deleted(removed);
        }
        std::future::ready(()).boxed()
    }
}
