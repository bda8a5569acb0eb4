//! A follower between its fetcher and its disk: what is fetched is synced where that counts, and nothing that happens meanwhile makes
//! the fetcher wait for ever.

use std::time::Duration;

use barnabas_log::LogConfig;
use barnabas_log::fs::{Fault, FaultyFs, Fs, Operation, RealFs};
use barnabas_records::{BatchBuilder, Compression};
use barnabas_replica::Settings;
use barnabas_replica::fetcher::{Config, Effect, FetchAnswer, Fetcher, Input, PartitionAnswer, PartitionOutcome};
use barnabas_types::{BrokerId, Now, TopicIdPartition};
use tempfile::TempDir;

use super::*;
use crate::replica::fetchers::Inbox;
use crate::replica::tests::{NOW, append_one, partition_on};
use crate::replica::{Durability, PartitionConfig};
use crate::storage::Flusher;

const EPOCH: LeaderEpoch = LeaderEpoch(4);
const LEADER: BrokerId = BrokerId(9);
const ENOSPC: i32 = 28;
const EMFILE: i32 = 24;
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
    now: Duration,
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
        Self::leading_on(RealFs, config)
    }

    fn leading_on(fs: impl Fs + 'static, config: PartitionConfigChange) -> Self {
        let flusher = Arc::new(Flusher::default());
        let config = changed(&PartitionConfig::default(), config);
        let (_directory, partition) = partition_on(fs, Arc::clone(&flusher), config);
        Self { partition, flusher, _directory }
    }

    fn following(config: PartitionConfigChange) -> Self {
        Self::following_on(RealFs, config)
    }

    fn following_on(fs: impl Fs + 'static, config: PartitionConfigChange) -> Self {
        let context = Self::leading_on(fs, config);
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
        Self { core, inbox, last_fetch: None, now: Duration::from_secs(1) }
    }

    fn handle(&mut self, inputs: Vec<Input>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.core.handle_all(inputs, self.now(), &mut effects);
        for effect in &effects {
            if let Effect::Fetch { number, .. } = effect {
                self.last_fetch = Some(*number);
            }
        }
        effects
    }

    fn now(&self) -> Now {
        Now { monotonic: self.now, wall: NOW }
    }

    /// Its Fetch is answered without news.
    fn answered_nothing(&mut self) -> Vec<Effect> {
        let answer = Ok(FetchAnswer { session_id: 7, partitions: Vec::new() });
        let number = self.last_fetch.unwrap();
        self.handle(vec![Input::Answered { number, answer }])
    }

    /// When it has waited for as long as it wants to, its Fetch is answered without news.
    fn wait(&mut self) -> Vec<Effect> {
        self.now = self.core.next_deadline(self.now()).expect("it waits for something");
        self.answered_nothing()
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

impl Driven {
    /// The answer to its Fetch has the next record, which is handed to the log.
    fn appends(&mut self, context: &FollowerContext) -> Vec<Effect> {
        let partition = context.partition.key;
        let [Effect::Append { offset, leader_epoch, .. }] = self.answered(partition)[..] else { panic!("no Append") };
        let result = context.fetched(offset.0);
        self.handle(vec![Input::Appended { partition, leader_epoch, result }])
    }

    /// As `appends`; says whether the partition is fetched no further for now.
    fn is_hindered(&mut self, context: &FollowerContext) -> bool {
        fetches_from(&self.appends(context)).is_none()
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

#[tokio::test]
async fn a_follower_that_has_found_no_room_or_no_descriptor_fetches_on_once_there_is_one() {
    for errno in [ENOSPC, EMFILE] {
        let fs = FaultyFs::default();
        let context = FollowerContext::following_on(fs.clone(), REPLICATED);
        let mut fetcher = context.fetchers().await.remove(0);
        assert_eq!(fetches_from(&fetcher.take()), Some(Offset(0)));
        fs.inject(Fault::always(Operation::Write, "orders-0", errno));
        for _ in 0..20 {
            assert!(fetcher.is_hindered(&context));
            assert_eq!(fetches_from(&fetcher.wait()), Some(Offset(0)));
        }
        assert_eq!(fetcher.core.set_aside(), 0);
        assert_eq!(context.partition.condition().take_out_of_space(), errno == ENOSPC);
        fs.heal();
        assert!(!fetcher.is_hindered(&context));
        assert_eq!(context.partition.marks().log_end, Offset(1));
    }
}

#[tokio::test]
async fn a_follower_whose_log_somebody_uses_while_its_disk_is_slow_fetches_on() {
    let context = FollowerContext::following(REPLICATED);
    let mut fetcher = context.fetchers().await.remove(0);
    fetcher.take();
    context.partition.condition().set_stalled(true);
    let used = context.partition.lock();
    assert!(fetcher.is_hindered(&context));
    drop(used);
    assert_eq!(fetches_from(&fetcher.wait()), Some(Offset(0)));
    assert!(!fetcher.is_hindered(&context));
}

#[tokio::test]
async fn what_a_log_refuses_by_its_settings_it_takes_once_they_have_changed() {
    let segment_bytes = |bytes| Arc::new(LogConfig { segment_bytes: bytes, ..LogConfig::default() });
    let context = FollowerContext::following(REPLICATED);
    let set = |bytes| {
        let config = PartitionConfig { log: segment_bytes(bytes), ..(*context.partition.config()).clone() };
        context.partition.set_config(config);
    };
    set(60);
    let mut fetcher = context.fetchers().await.remove(0);
    fetcher.take();
    let refused = fetcher.appends(&context);
    assert!(refused.iter().any(|effect| matches!(effect, Effect::SetAside { .. })), "{refused:?}");
    set(1 << 20);
    fetcher.take();
    assert_eq!(fetches_from(&fetcher.answered_nothing()), Some(Offset(0)));
    assert!(!fetcher.is_hindered(&context));
}
