//! Group coordinators: a task for every partition of `__consumer_offsets` that this broker leads, and the way from a group's id
//! to its task. What a request does to a group is decided in the coordinator crate, not here.

mod deletions;
mod driver;
mod loader;
#[cfg(test)]
mod min_isr_tests;
#[cfg(test)]
mod node_tests;
mod offsets_partition;
mod report;
mod serving;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use barnabas_coordinator::group::{GroupConfig, Request, Response};
use barnabas_coordinator::partition_for;
use barnabas_metadata::Image;
use barnabas_protocol::ErrorCode;
use barnabas_records::Compression;
use barnabas_types::{BrokerId, LeaderEpoch, TopicIdPartition, Uuid};
use futures::future::join_all;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use deletions::DeletedTopics;
use driver::{Message, Phase, ShardHandle};
pub use offsets_partition::{LedPartition, OffsetsPartition};

use crate::recordings::LeftRecordings;
use crate::replica::Replicas;
use crate::runtime::Runtime;

/// The topic whose partitions are the shards.
pub const GROUP_METADATA_TOPIC: &str = "__consumer_offsets";

/// Settings of the group coordinators.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// What the shards go by.
    pub group: GroupConfig,
    /// `offsets.commit.timeout.ms`: how long a reply waits for its records to be committed.
    pub commit_timeout: Duration,
    /// `max.message.bytes` of `__consumer_offsets`: the largest batch.
    pub max_batch_bytes: usize,
    /// `offsets.load.buffer.size`: how much is read at a time while a shard loads.
    pub load_buffer_bytes: u32,
    /// `offsets.topic.compression.codec`
    pub compression: Compression,
    /// Where what a shard was told last is left when it breaks.
    pub recordings: Option<LeftRecordings>,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            group: GroupConfig::default(),
            commit_timeout: Duration::from_secs(5),
            max_batch_bytes: 1_048_588,
            load_buffer_bytes: 5 * 1024 * 1024,
            compression: Compression::None,
            recordings: None,
        }
    }
}

/// The group coordinators of this broker.
pub struct GroupCoordinators {
    runtime: Runtime,
    config: CoordinatorConfig,
    shards: RwLock<Shards>,
    /// Changes whenever a shard is started or stopped.
    published: watch::Sender<()>,
}

#[derive(Default)]
struct Shards {
    /// How many partitions the topic has; 0 if it does not exist.
    partitions: i32,
    led: BTreeMap<i32, Led>,
    /// Set when the broker stops: no shard is started any more.
    resigned: bool,
}

struct Led {
    topic_id: Uuid,
    epoch: LeaderEpoch,
    handle: ShardHandle,
}

/// An answer that is still to come. A shard that goes away answers with NOT_COORDINATOR, on which the client looks again.
pub struct Pending(oneshot::Receiver<Result<Response, ErrorCode>>);

impl Pending {
    /// Waits for the answer.
    ///
    /// # Errors
    /// Kafka's code, if the shard could not do what was asked.
    pub async fn answer<A: TryFrom<Response>>(self) -> Result<A, ErrorCode> {
        let response = self.0.await.unwrap_or(Err(ErrorCode::NOT_COORDINATOR))?;
        A::try_from(response).map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)
    }
}

impl GroupCoordinators {
    /// No shards: [`GroupCoordinators::publish`] starts those that this broker leads.
    #[must_use]
    pub fn new(runtime: Runtime, config: CoordinatorConfig) -> Self {
        Self { runtime, config, shards: RwLock::default(), published: watch::Sender::new(()) }
    }

    /// Starts the shards of the partitions that `broker` leads now and stops the others. Called for every image, after the
    /// partitions themselves; an image that changes nothing here costs a look at each of them.
    pub fn publish(&self, image: &Image, replicas: &Replicas, broker: BrokerId) {
        self.start_and_stop(image, replicas, broker);
        self.published.send_replace(());
    }

    fn start_and_stop(&self, image: &Image, replicas: &Replicas, broker: BrokerId) {
        let topic = image.topics.named(GROUP_METADATA_TOPIC);
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        if shards.resigned {
            return;
        }
        let Some(topic) = topic else {
            *shards = Shards::default();
            return;
        };
        shards.partitions = i32::try_from(topic.partitions.len()).unwrap_or(0);
        shards.led.retain(|index, led| {
            let partition = topic.partitions.get(index);
            led.topic_id == topic.id && partition.is_some_and(|partition| partition.leader == broker)
        });
        for (index, partition) in topic.partitions.iter().filter(|(_, partition)| partition.leader == broker) {
            if shards.led.get(index).is_some_and(|led| led.epoch == partition.leader_epoch) {
                continue;
            }
            let key = TopicIdPartition { topic_id: topic.id, partition: *index };
            let Some(hosted) = replicas.get(key) else { continue };
            let before = shards.led.remove(index).map(|led| led.handle);
            let handle =
                ShardHandle::start(self.runtime.clone(), LedPartition::of(hosted), *index, self.config.clone(), before);
            shards.led.insert(*index, Led { topic_id: topic.id, epoch: partition.leader_epoch, handle });
        }
    }

    /// What the shard of partition `index` was told last, as a file; None where it is not here, does not answer, or has nothing to tell.
    pub async fn recording(&self, index: i32) -> Option<Vec<u8>> {
        let queue = {
            let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
            shards.led.get(&index)?.handle.queue()
        };
        let (reply, answer) = oneshot::channel();
        queue.send(Message::Record(reply)).await.ok()?;
        answer.await.ok()?
    }

    /// The partition that coordinates `group_id`, if the topic exists.
    #[must_use]
    pub fn partition_of(&self, group_id: &str) -> Option<i32> {
        partition_for(group_id, self.shards.read().unwrap_or_else(PoisonError::into_inner).partitions)
    }

    /// The partitions whose shards are here.
    #[must_use]
    pub fn led_partitions(&self) -> Vec<i32> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).led.keys().copied().collect()
    }

    /// Returns once the shard of partition `index` answers here or has failed to load, or at `deadline`: what a client does as soon as it
    /// has been sent here must not fail because the partition is still being opened. Who tries again and again is not waited for.
    pub async fn active(&self, index: i32, deadline: Instant) {
        let active = async {
            let mut published = self.published.subscribe();
            loop {
                if let Some(mut phases) = self.phases(index)
                    && phases.wait_for(|phase| *phase != Phase::Loading).await.is_ok()
                {
                    return;
                }
                if published.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whoever waited in vain is told by what it does next.
        let _ = tokio::time::timeout_at(deadline, active).await;
    }

    fn phases(&self, index: i32) -> Option<watch::Receiver<Phase>> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        shards.led.get(&index).map(|led| led.handle.phases())
    }

    /// Hands `request` to the shard of `group_id`; what comes after it on the same connection is handled after it.
    ///
    /// # Errors
    /// NOT_COORDINATOR if the shard is elsewhere, COORDINATOR_LOAD_IN_PROGRESS while it reads its partition.
    pub async fn ask(&self, group_id: &str, request: Request) -> Result<Pending, ErrorCode> {
        let index = self.partition_of(group_id).ok_or(ErrorCode::NOT_COORDINATOR)?;
        self.ask_partition(index, request).await
    }

    /// Hands `request` to the shard of partition `index`.
    ///
    /// # Errors
    /// As [`GroupCoordinators::ask`].
    pub async fn ask_partition(&self, index: i32, request: Request) -> Result<Pending, ErrorCode> {
        let queue = {
            let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
            let led = shards.led.get(&index).ok_or(ErrorCode::NOT_COORDINATOR)?;
            if led.handle.phase() != Phase::Active {
                return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
            }
            led.handle.queue()
        };
        let (reply, answer) = oneshot::channel();
        let sent = queue.send(Message::Ask { request: Box::new(request), reply }).await;
        sent.map_err(|_| ErrorCode::NOT_COORDINATOR)?;
        Ok(Pending(answer))
    }

    /// Ends all shards for good: commits that are under way are still answered, members that wait for their group look
    /// elsewhere.
    pub async fn resign(&self) {
        let resigned = Shards { resigned: true, ..Shards::default() };
        let led = std::mem::replace(&mut *self.shards.write().unwrap_or_else(PoisonError::into_inner), resigned).led;
        self.published.send_replace(());
        join_all(led.into_values().map(|led| led.handle.resign())).await;
    }

    /// Lets the shards forget offsets of topics that are gone: name and id of each. Waits for no shard, whatever it is doing.
    pub fn topics_deleted(&self, topics: Vec<(Box<str>, Uuid)>) {
        let topics = DeletedTopics::from(topics);
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        for (partition, led) in &shards.led {
            if led.handle.deletions().add(&topics).is_err() {
                let count = topics.len();
                tracing::warn!(
                    partition,
                    count,
                    "a group coordinator lags behind: offsets of deleted topics stay until they expire"
                );
            }
        }
    }
}

impl std::fmt::Debug for GroupCoordinators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCoordinators").field("led", &self.led_partitions()).finish_non_exhaustive()
    }
}
