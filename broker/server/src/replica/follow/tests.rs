//! A follower between its fetcher and its disk: what is fetched is synced where that counts, and nothing that happens meanwhile makes
//! the fetcher wait for ever.

use std::time::Duration;

use barnabas_records::{BatchBuilder, Compression};
use barnabas_replica::Settings;
use barnabas_replica::fetcher::{Config, Effect, FetchAnswer, Fetcher, Input, PartitionAnswer, PartitionOutcome};
use barnabas_types::{BrokerId, Now, TopicIdPartition};
use tempfile::TempDir;

use super::*;
use crate::replica::fetchers::Inbox;
use crate::replica::tests::{NOW, append_one, partition};
use crate::replica::{Durability, PartitionConfig};
use crate::storage::Flusher;

const EPOCH: LeaderEpoch = LeaderEpoch(4);
const LEADER: BrokerId = BrokerId(9);
const FSYNC: PartitionConfigChange = |config| config.durability = Durability::Fsync;
const REPLICATED: PartitionConfigChange = |config| config.durability = Durability::Replicated;

type PartitionConfigChange = fn(&mut PartitionConfig);

/// A partition whose flusher runs only when it is told to.
struct FollowerContext {
    partition: Arc<Partition>,
    flusher: Arc<Flusher>,
    _directory: TempDir,
}

/// A fetcher as its driver has it, and the requests that it has sent.
struct Driven {
    core: Fetcher,
    inbox: Arc<Inbox>,
    last_fetch: Option<u64>,
}

fn told() -> Told {
    Told { leader_epoch: EPOCH, high_watermark: Offset(0), log_start: Offset(0) }
}

fn changed(config: &PartitionConfig, change: PartitionConfigChange) -> PartitionConfig {
    let mut config = config.clone();
    change(&mut config);
    config
}

impl FollowerContext {
    /// Leads in an epoch before [`EPOCH`].
    fn leading(config: PartitionConfigChange) -> Self {
        let flusher = Arc::new(Flusher::default());
        let (_directory, partition) = partition(Arc::clone(&flusher), changed(&PartitionConfig::default(), config));
        Self { partition, flusher, _directory }
    }

    fn following(config: PartitionConfigChange) -> Self {
        let context = Self::leading(config);
        context.partition.follow(EPOCH, LEADER);
        context
    }

    fn set_config(&self, change: PartitionConfigChange) {
        self.partition.set_config(changed(&self.partition.config(), change));
    }

    fn fetched(&self, offset: i64) -> Result<LogPosition, AppendFailure> {
        let mut builder = BatchBuilder::new(Offset(offset), Compression::None);
        builder.append(NOW, None, Some(b"value"), &[]).unwrap();
        self.partition.append_fetched(&builder.build().unwrap(), Offset(offset), told(), NOW)
    }

    fn durable_end(&self) -> Offset {
        self.partition.with_log(|log| log.durable_end())
    }

    /// The fetchers that have begun since this was asked last.
    async fn fetchers(&self) -> Vec<Driven> {
        let begun = self.partition.surroundings.fetchers.begun().await;
        begun.into_iter().map(|((_, durability), inbox)| Driven::new(durability, inbox)).collect()
    }
}

impl Driven {
    fn new(durability: Durability, inbox: Arc<Inbox>) -> Self {
        let settings = Settings { durability, ..Settings::default() };
        let core = Fetcher::new(Config { backoff_ms: 1000, sync_patience_ms: 50, settings });
        Self { core, inbox, last_fetch: None }
    }

    fn handle(&mut self, inputs: Vec<Input>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let now = Now { monotonic: Duration::from_secs(1), wall: NOW };
        self.core.handle_all(inputs, now, &mut effects);
        for effect in &effects {
            if let Effect::Fetch { number, .. } = effect {
                self.last_fetch = Some(*number);
            }
        }
        effects
    }

    /// Takes what it was told.
    fn take(&mut self) -> Vec<Effect> {
        let inputs = self.inbox.take();
        self.handle(inputs)
    }

    /// Its Fetch is answered with records.
    fn answered(&mut self, partition: TopicIdPartition) -> Vec<Effect> {
        let outcome = PartitionOutcome::Records { has_records: true, high_watermark: Offset(0), log_start: Offset(0) };
        let answer = Ok(FetchAnswer { session_id: 7, partitions: vec![PartitionAnswer { partition, outcome }] });
        let number = self.last_fetch.unwrap();
        self.handle(vec![Input::Answered { number, answer }])
    }
}

/// From where a Fetch among `effects` asks for the partition.
fn fetches_from(effects: &[Effect]) -> Option<Offset> {
    effects.iter().find_map(|effect| match effect {
        Effect::Fetch { request, .. } => Some(request.partitions.first()?.offset),
        _ => None,
    })
}

#[test]
fn a_follower_under_fsync_syncs_at_once_for_producers_wait_at_its_leader() {
    let context = FollowerContext::following(FSYNC);
    context.fetched(0).unwrap();
    context.flusher.sync_urgent();
    assert_eq!(context.durable_end(), Offset(1), "the sync is put off");
}

#[test]
fn a_follower_with_flush_messages_syncs_at_once_for_it_fetches_no_further_before() {
    let context = FollowerContext::following(|config| {
        config.durability = Durability::Replicated;
        config.flush_messages = 1000;
    });
    context.fetched(0).unwrap();
    context.flusher.sync_urgent();
    assert_eq!(context.durable_end(), Offset(1), "nobody syncs");
}

#[test]
fn a_follower_that_is_from_now_on_to_sync_what_it_fetches_syncs_what_it_has() {
    let flushes: PartitionConfigChange = |config| config.flush_messages = 1000;
    for change in [FSYNC, flushes] {
        let context = FollowerContext::following(REPLICATED);
        context.fetched(0).unwrap();
        context.flusher.sync_urgent();
        assert_eq!(context.durable_end(), Offset(0), "nobody needs it");
        context.set_config(change);
        context.flusher.sync_urgent();
        assert_eq!(context.durable_end(), Offset(1), "nobody syncs");
    }
}

#[test]
fn who_led_with_flush_messages_and_follows_syncs_what_it_has() {
    let context = FollowerContext::leading(|config| {
        config.durability = Durability::Replicated;
        config.flush_messages = 1000;
    });
    append_one(&context.partition);
    context.partition.follow(EPOCH, LEADER);
    context.flusher.sync_urgent();
    assert_eq!(context.durable_end(), Offset(1), "nobody syncs");
}

#[tokio::test]
async fn a_sync_that_ends_while_its_partition_begins_to_be_followed_is_not_lost() {
    let context = FollowerContext::leading(FSYNC);
    append_one(&context.partition);
    let syncs = || {
        let ticket = context.partition.prepare_flush().unwrap();
        context.partition.flushed(ticket.run());
    };
    context.partition.follow_and(EPOCH, LEADER, syncs);
    let mut fetcher = context.fetchers().await.remove(0);
    assert_eq!(fetches_from(&fetcher.take()), Some(Offset(1)));
}

#[tokio::test]
async fn who_is_to_append_where_the_log_does_not_end_any_more_goes_on_from_its_end() {
    let context = FollowerContext::following(REPLICATED);
    let mut before = context.fetchers().await.remove(0);
    assert_eq!(fetches_from(&before.take()), Some(Offset(0)));
    context.set_config(FSYNC);
    let mut fetcher = context.fetchers().await.remove(0);
    assert_eq!(fetches_from(&fetcher.take()), Some(Offset(0)));
    // The other one has not seen yet that it was relieved.
    let _appended_or_not = context.fetched(0);
    let key = context.partition.key;
    assert!(matches!(fetcher.answered(key)[..], [Effect::Append { offset: Offset(0), .. }]));
    let result = context.fetched(0);
    assert_eq!(
        fetches_from(&fetcher.handle(vec![Input::Appended { partition: key, leader_epoch: EPOCH, result }])),
        None
    );
    context.flusher.sync_urgent();
    assert_eq!(fetches_from(&fetcher.take()), Some(Offset(1)));
}
