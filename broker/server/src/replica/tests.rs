//! A hosted partition seen from its requests: appended, durable, read.

use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::{Disk, Fs, RealFs};
use barnabas_log::{Log, OpenOptions};
use barnabas_protocol::ErrorCode;
use barnabas_recording::{read, replay};
use barnabas_records::control::{ControlRecord, EndTransactionMarker, transaction_marker_batch};
use barnabas_records::{AppendRules, BatchBuilder, Compression, TimestampType};
use barnabas_types::{
    BrokerId, LeaderEpoch, Now, Offset, ProducerEpoch, ProducerId, Timestamp, TopicIdPartition, TopicPartition, Uuid,
};
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::recordings::{LeftRecordings, RecordingFiles};
use crate::runtime::Runtime;
use crate::storage::Flusher;

pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

struct PartitionContext {
    partition: Arc<Partition>,
    flusher: Arc<Flusher>,
    thread: Option<std::thread::JoinHandle<()>>,
    _directory: TempDir,
}

/// Those of broker 1, which knows no other.
pub(crate) fn surroundings() -> Arc<Surroundings> {
    let now = Now { monotonic: Duration::from_secs(9), wall: NOW };
    Surroundings::new(move || now, BrokerId(1), 30_000)
}

/// An empty partition that is led in epoch 3; nobody runs its flusher yet.
pub(crate) fn partition(flusher: Arc<Flusher>, config: PartitionConfig) -> (TempDir, Arc<Partition>) {
    partition_on(RealFs, flusher, config)
}

/// As `partition`, on a disk of its own.
pub(crate) fn partition_on(
    fs: impl Fs + 'static,
    flusher: Arc<Flusher>,
    config: PartitionConfig,
) -> (TempDir, Arc<Partition>) {
    let directory = TempDir::new().unwrap();
    let disk = Arc::new(Disk::new(Arc::new(fs), 16));
    let options = OpenOptions {
        directory: directory.path().join("orders-0"),
        config: Arc::clone(&config.log),
        recovery_point: Offset(0),
        log_start: Offset(0),
        clean: false,
        known_empty: None,
        now: NOW,
    };
    let (log, _) = Log::open(&disk, &options).unwrap();
    let key = TopicIdPartition { topic_id: Uuid::from_u128(7), partition: 0 };
    let name = TopicPartition::new("orders", 0);
    let log = (log, Offset(0), LeaderEpoch::NONE);
    let partition = Partition::new((key, name), Uuid::ZERO, log, config, flusher, surroundings());
    partition.lead(LeaderEpoch(3));
    (directory, partition)
}

/// Appends a batch of one record.
pub(crate) fn append_one(partition: &Arc<Partition>) {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(NOW, None, Some(b"value"), &[]).unwrap();
    partition.append(&builder.build().unwrap(), Acks::AllInSync, NOW).unwrap();
}

impl PartitionContext {
    /// Leads in epoch 3 and syncs on a thread of its own.
    fn new(durability: Durability) -> Self {
        Self::with_rules(durability, AppendRules::default())
    }

    fn with_rules(durability: Durability, rules: AppendRules) -> Self {
        let flusher = Arc::new(Flusher::default());
        let config = PartitionConfig { rules, durability, file_delete_delay_ms: 0, ..Default::default() };
        let (directory, partition) = partition(Arc::clone(&flusher), config);
        let running = Arc::clone(&flusher);
        let thread = Some(std::thread::spawn(move || {
            let began = std::time::Instant::now();
            running.run(|| began.elapsed());
        }));
        Self { partition, flusher, thread, _directory: directory }
    }

    /// Leads in epoch 3 and syncs nothing.
    fn without_syncs(durability: Durability) -> Self {
        let flusher = Arc::new(Flusher::default());
        let (directory, partition) =
            partition(Arc::clone(&flusher), PartitionConfig { durability, ..PartitionConfig::default() });
        Self { partition, flusher, thread: None, _directory: directory }
    }

    fn produce(&self, values: &[&str]) -> Result<Appended, AppendError> {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        for value in values {
            builder.append(NOW, None, Some(value.as_bytes()), &[]).unwrap();
        }
        self.partition.append(&builder.build().unwrap(), Acks::AllInSync, NOW)
    }

    fn fetch(&self, offset: i64, epoch: i32) -> Result<Fetched, ErrorCode> {
        self.partition.fetch(FetchFrom {
            current_leader_epoch: epoch,
            ..FetchFrom::batches(Offset(offset), 1 << 20, Isolation::ReadUncommitted)
        })
    }
}

impl Drop for PartitionContext {
    fn drop(&mut self) {
        self.flusher.stop();
        let _ended = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn an_append_is_kept_once_it_is_synced_and_is_read_only_then() {
    let context = PartitionContext::new(Durability::Fsync);
    let appended = context.produce(&["a", "b"]).unwrap();
    assert_eq!((appended.base_offset, appended.end_offset), (Offset(0), Offset(2)));
    Arc::clone(&context.partition)
        .replicated(appended.end_offset, context.partition.led_since(), soon())
        .await
        .unwrap();
    let marks = context.partition.marks();
    assert_eq!((marks.high_watermark, marks.log_end), (Offset(2), Offset(2)));
    let region = context.fetch(0, 3).unwrap().region.unwrap();
    let bytes = region.bytes().unwrap();
    let batch = barnabas_records::single_batch(&bytes).unwrap();
    assert_eq!((batch.header().base_offset, batch.header().partition_leader_epoch), (Offset(0), LeaderEpoch(3)));
    batch.check_crc().unwrap();
}

#[tokio::test]
async fn without_a_sync_nothing_is_read_and_acks_all_times_out() {
    let context = PartitionContext::without_syncs(Durability::Fsync);
    let appended = context.produce(&["a"]).unwrap();
    assert!(!appended.replicated);
    assert!(context.fetch(0, -1).unwrap().region.is_none());
    let waited = Arc::clone(&context.partition)
        .replicated(appended.end_offset, context.partition.led_since(), Instant::now())
        .await;
    assert_eq!(waited, Err(ErrorCode::REQUEST_TIMED_OUT));
}

#[tokio::test]
async fn the_replicated_policy_waits_for_no_sync() {
    let context = PartitionContext::without_syncs(Durability::Replicated);
    assert!(context.produce(&["a"]).unwrap().replicated);
    assert!(context.fetch(0, -1).unwrap().region.is_some());
}

#[tokio::test]
async fn who_waits_is_told_when_leadership_is_lost() {
    let context = PartitionContext::without_syncs(Durability::Fsync);
    let end = context.produce(&["a"]).unwrap().end_offset;
    let waiting = tokio::spawn(Arc::clone(&context.partition).replicated(end, context.partition.led_since(), soon()));
    context.partition.follow(LeaderEpoch(4), BrokerId(9));
    assert_eq!(waiting.await.unwrap(), Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(matches!(context.produce(&["b"]), Err(AppendError::NotLeading(ErrorCode::NOT_LEADER_OR_FOLLOWER))));
}

#[tokio::test]
async fn epochs_of_clients_are_compared() {
    let context = PartitionContext::new(Durability::Replicated);
    assert_eq!(context.fetch(0, 2).unwrap_err(), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(context.fetch(0, 4).unwrap_err(), ErrorCode::UNKNOWN_LEADER_EPOCH);
    assert_eq!(context.fetch(1, 3).unwrap_err(), ErrorCode::OFFSET_OUT_OF_RANGE);
    assert!(context.fetch(0, 3).is_ok());
}

#[tokio::test]
async fn log_append_time_is_set_and_told() {
    let rules = AppendRules { timestamp_type: TimestampType::LogAppendTime, ..AppendRules::default() };
    let context = PartitionContext::with_rules(Durability::Replicated, rules);
    assert_eq!(context.produce(&["a"]).unwrap().log_append_time, NOW);
    let bytes = context.fetch(0, 3).unwrap().region.unwrap().bytes().unwrap();
    let batch = barnabas_records::single_batch(&bytes).unwrap();
    batch.check_crc().unwrap();
    assert_eq!(batch.header().max_timestamp, NOW);
}

#[tokio::test]
async fn deleted_records_are_out_of_range() {
    let context = PartitionContext::new(Durability::Replicated);
    context.produce(&["a"]).unwrap();
    context.produce(&["b"]).unwrap();
    assert_eq!(context.partition.delete_records(Offset(3)), Err(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(context.partition.delete_records(Offset(1)).map(|deletion| deletion.before), Ok(Offset(1)));
    assert_eq!(context.fetch(0, 3).unwrap_err(), ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(context.partition.delete_records(Offset(-1)).map(|deletion| deletion.before), Ok(Offset(2)));
}

#[test]
fn records_that_stay_until_they_are_compacted_away_are_not_deleted() {
    let log = Arc::new(barnabas_log::LogConfig { delete: false, ..Default::default() });
    let config = PartitionConfig { log, ..PartitionConfig::default() };
    let (_directory, partition) = partition(Arc::default(), config);
    append_one(&partition);
    assert_eq!(partition.delete_records(Offset(0)), Err(ErrorCode::POLICY_VIOLATION));
}

#[tokio::test]
async fn a_deletion_is_done_when_every_replica_that_is_alive_has_deleted_as_much_or_this_broker_leads_no_longer() {
    let context = PartitionContext::new(Durability::Replicated);
    let (partition, [own, other]) = (&context.partition, [1, 2].map(BrokerId));
    let brokers = |is_fenced| {
        let state = |is_fenced| barnabas_replica::BrokerState { epoch: 9, is_fenced, ..Default::default() };
        partition.surroundings.set_brokers([(own, state(false)), (other, state(is_fenced))].into_iter());
        partition.look_again(Again::BrokersChanged);
    };
    brokers(false);
    partition.assign_to(LeaderEpoch(4), own, &[own, other]);
    for _ in 0..3 {
        context.produce(&["a"]).unwrap();
    }
    let fetch = |log_start| {
        let reader = Reader::Follower { broker: other, broker_epoch: 9, log_start: Offset(log_start) };
        let from = FetchFrom::batches(Offset(3), 1 << 20, Isolation::ReadUncommitted);
        partition.fetch(FetchFrom { reader, ..from }).unwrap();
    };
    fetch(0);
    let delete = |before| partition.delete_records(Offset(before)).unwrap();
    let waits = |deletion| {
        let mut waits = Box::pin(Arc::clone(partition).deleted(deletion, soon()));
        assert!(futures::FutureExt::now_or_never(&mut waits).is_none());
        waits
    };
    let late = Arc::clone(partition).deleted(delete(1), Instant::now()).await;
    assert_eq!(late, Err(ErrorCode::REQUEST_TIMED_OUT));
    let waiting = waits(delete(1));
    fetch(1);
    assert_eq!(waiting.await, Ok(Offset(1)));
    let waiting = waits(delete(2));
    brokers(true);
    assert_eq!(waiting.await, Ok(Offset(2)), "who is fenced is not waited for");
    brokers(false);
    let waiting = waits(delete(3));
    partition.follow(LeaderEpoch(5), other);
    assert_eq!(waiting.await, Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
}

#[tokio::test]
async fn a_timestamp_leads_to_the_first_record_that_is_not_older() {
    let context = PartitionContext::new(Durability::Replicated);
    context.produce(&["a"]).unwrap();
    context.produce(&["b"]).unwrap();
    let found = context.partition.offset_of(-1, Sought::From(NOW), Isolation::ReadUncommitted).unwrap().unwrap();
    assert_eq!((found.offset, found.timestamp, found.leader_epoch), (Offset(0), NOW, LeaderEpoch(3)));
    assert_eq!(
        context.partition.offset_of(-1, Sought::From(Timestamp(NOW.0 + 1)), Isolation::ReadUncommitted).unwrap(),
        None
    );
    assert_eq!(
        context.partition.offset_of(3, Sought::Largest, Isolation::ReadUncommitted).unwrap().unwrap().timestamp,
        NOW
    );
}

#[tokio::test]
async fn many_who_append_at_once_share_syncs_and_all_are_answered() {
    let context = PartitionContext::new(Durability::Fsync);
    let mut waits = tokio::task::JoinSet::new();
    for number in 0..200 {
        let end = context.produce(&[&number.to_string()]).unwrap().end_offset;
        waits.spawn(Arc::clone(&context.partition).replicated(end, context.partition.led_since(), soon()));
    }
    while let Some(waited) = waits.join_next().await {
        waited.unwrap().unwrap();
    }
    assert_eq!(context.partition.marks().high_watermark, Offset(200));
}

#[tokio::test]
async fn read_committed_consumers_stop_before_an_open_transaction_and_hear_of_aborted_ones() {
    let context = PartitionContext::new(Durability::Replicated);
    context.produce(&["outside"]).unwrap();
    let (id, epoch) = (ProducerId(7), ProducerEpoch(0));
    let mut builder = BatchBuilder::new(Offset(0), Compression::None).producer(id, epoch, 0).transactional();
    builder.append(NOW, None, Some(b"inside"), &[]).unwrap();
    context.partition.append(&builder.build().unwrap(), Acks::AllInSync, NOW).unwrap();
    let fetch = |isolation| {
        let from = FetchFrom::batches(Offset(0), 1 << 20, isolation);
        context.partition.fetch(from).unwrap()
    };
    let open = fetch(Isolation::ReadCommitted);
    assert_eq!((open.marks.last_stable_offset, open.marks.high_watermark), (Offset(1), Offset(2)));
    assert!(open.region.unwrap().length < fetch(Isolation::ReadUncommitted).region.unwrap().length);
    let newest = context.partition.offset_of(-1, Sought::Largest, Isolation::ReadCommitted).unwrap();
    assert_eq!(newest.map(|found| found.offset), Some(Offset(0)));

    let marker = ControlRecord::Abort(EndTransactionMarker { coordinator_epoch: 0 });
    let marker = transaction_marker_batch(NOW, id, epoch, &marker).unwrap();
    context.partition.append_internal(&marker, NOW).unwrap();
    let aborted = fetch(Isolation::ReadCommitted);
    assert_eq!(aborted.marks.last_stable_offset, Offset(3));
    assert_eq!(
        aborted.aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect::<Vec<_>>(),
        [(id, Offset(1))]
    );
    assert!(fetch(Isolation::ReadUncommitted).aborted.is_empty());
}

#[test]
fn a_leader_knows_where_older_epochs_ended_before_it_appends_anything_in_its_own() {
    let context = PartitionContext::new(Durability::Replicated);
    let partition = &context.partition;
    let end = |current, asked| partition.epoch_end(current, LeaderEpoch(asked)).unwrap();
    let ended = |epoch, offset| Some(EpochEnd { epoch: LeaderEpoch(epoch), end_offset: Offset(offset) });
    assert_eq!(end(3, 3), ended(3, 0));
    context.produce(&["a"]).unwrap();
    partition.assign_to(LeaderEpoch(6), BrokerId(1), &[BrokerId(1)]);
    assert_eq!((end(6, 3), end(6, 5), end(6, 6)), (ended(3, 1), ended(3, 1), ended(6, 1)));
    context.produce(&["b"]).unwrap();
    assert_eq!((end(6, 5), end(6, 6)), (ended(3, 1), ended(6, 2)));
    partition.assign_to(LeaderEpoch(8), BrokerId(1), &[BrokerId(1)]);
    assert_eq!(end(8, 7), ended(6, 2));
    partition.follow(LeaderEpoch(9), BrokerId(2));
    let latest = partition.with_log(|log| log.leader_epochs().latest().map(|entry| entry.epoch));
    assert_eq!(latest, Some(LeaderEpoch(6)), "who leads now does not know of 8");
    let path = partition.with_log(|log| log.directory().join("leader-epoch-checkpoint"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "0\n2\n3 0\n6 1\n");
}

/// It has a record of an epoch between two in which this broker led, and as many as this broker: nobody may have appended since.
#[test]
fn a_follower_whose_newest_epoch_the_leader_missed_is_told_where_they_part_though_the_leader_has_appended_nothing() {
    let context = PartitionContext::new(Durability::Replicated);
    let (partition, [own, gone, follower]) = (&context.partition, [1, 2, 3].map(BrokerId));
    context.produce(&["on all of them"]).unwrap();
    context.produce(&["here only"]).unwrap();
    partition.follow(LeaderEpoch(4), gone);
    partition.assign_to(LeaderEpoch(5), own, &[own, gone, follower]);
    let fetched = partition.fetch(FetchFrom {
        current_leader_epoch: 5,
        last_fetched_epoch: 4,
        reader: Reader::Follower { broker: follower, broker_epoch: -1, log_start: Offset(0) },
        ..FetchFrom::batches(Offset(2), 1 << 20, Isolation::ReadUncommitted)
    });
    let parts = EpochEnd { epoch: LeaderEpoch(3), end_offset: Offset(2) };
    assert_eq!(fetched.map(|fetched| fetched.diverging), Ok(Some(parts)));
}

/// Prints how long it takes; no file is made.
#[test]
fn a_thousand_leaderships_that_begin_write_no_file() {
    let flusher = Arc::new(Flusher::default());
    let partitions: Vec<_> = (0..1000).map(|_| partition(Arc::clone(&flusher), PartitionConfig::default())).collect();
    let began = std::time::Instant::now();
    for (_, partition) in &partitions {
        partition.assign_to(LeaderEpoch(7), BrokerId(1), &[BrokerId(1), BrokerId(2)]);
    }
    println!("1,000 leaderships begin in {:?}", began.elapsed());
    for (directory, partition) in &partitions {
        assert!(partition.epoch_end(7, LeaderEpoch(7)).unwrap().is_some());
        assert!(!directory.path().join("orders-0/leader-epoch-checkpoint").exists());
    }
}

#[test]
fn a_proposal_that_comes_after_a_newer_one_does_not_take_its_place() {
    let (surroundings, key) = (surroundings(), TopicIdPartition { topic_id: Uuid::from_u128(7), partition: 0 });
    let propose = |number| {
        let (leader_epoch, recovery) = (LeaderEpoch(1), barnabas_replica::LeaderRecoveryState::Recovered);
        let proposal = surroundings::Proposal { number, leader_epoch, partition_epoch: 4, isr: Vec::new(), recovery };
        surroundings.propose(key, proposal);
    };
    let asked = || {
        let proposals = futures::FutureExt::now_or_never(surroundings.proposals()).unwrap();
        proposals.into_values().map(|proposal| proposal.number).collect::<Vec<_>>()
    };
    [6, 5].into_iter().for_each(propose);
    assert_eq!(asked(), [6]);
    [7, 8].into_iter().for_each(propose);
    assert_eq!(asked(), [8]);
}

/// A partition whose records replication keeps, with settings of its own; nobody syncs before the flusher is run.
fn replicated(config: PartitionConfig) -> (TempDir, Arc<Partition>, Arc<Flusher>) {
    let flusher = Arc::new(Flusher::default());
    let config = PartitionConfig { durability: Durability::Replicated, ..config };
    let (directory, partition) = partition(Arc::clone(&flusher), config);
    (directory, partition, flusher)
}

fn one_record() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(NOW, None, Some(b"value"), &[]).unwrap();
    builder.build().unwrap()
}

#[tokio::test]
async fn with_flush_messages_nobody_is_answered_while_so_many_records_are_not_synced() {
    let (_directory, partition, flusher) = replicated(PartitionConfig { flush_messages: 3, ..Default::default() });
    for _ in 0..2 {
        let appended = partition.append(&one_record(), Acks::AllInSync, NOW).unwrap();
        assert!(appended.replicated && !appended.is_flush_due);
    }
    let third = partition.append(&one_record(), Acks::AllInSync, NOW).unwrap();
    assert!(!third.replicated && third.is_flush_due);
    assert_eq!(partition.marks().high_watermark, Offset(2));
    let thread = std::thread::spawn({
        let flusher = Arc::clone(&flusher);
        move || flusher.run(|| Duration::ZERO)
    });
    Arc::clone(&partition).replicated(third.end_offset, third.led_since, soon()).await.unwrap();
    assert_eq!(partition.with_log(|log| log.durable_end()), Offset(3));
    flusher.stop();
    thread.join().unwrap();
    let fourth = partition.append(&one_record(), Acks::AllInSync, NOW).unwrap();
    assert!(fourth.replicated, "counted anew from the sync on");
}

#[tokio::test]
async fn flush_messages_may_be_set_while_the_topic_is_in_use() {
    let (_directory, partition, _flusher) = replicated(PartitionConfig::default());
    assert!(partition.append(&one_record(), Acks::AllInSync, NOW).unwrap().replicated);
    partition.set_config(PartitionConfig { flush_messages: 1, ..(*partition.config()).clone() });
    assert!(!partition.append(&one_record(), Acks::AllInSync, NOW).unwrap().replicated);
    partition.set_config(PartitionConfig { flush_messages: i64::MAX, ..(*partition.config()).clone() });
    assert_eq!(partition.marks().high_watermark, Offset(2));
}

#[tokio::test]
async fn with_flush_ms_records_are_synced_when_that_has_passed_and_nobody_waits_for_it() {
    let (_directory, partition, flusher) = replicated(PartitionConfig { flush_ms: 30, ..Default::default() });
    assert!(partition.append(&one_record(), Acks::AllInSync, NOW).unwrap().replicated);
    let began = std::time::Instant::now();
    let thread = std::thread::spawn({
        let flusher = Arc::clone(&flusher);
        move || flusher.run(|| began.elapsed())
    });
    while partition.with_log(|log| log.durable_end()) < Offset(1) {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(30));
    flusher.stop();
    thread.join().unwrap();
}

#[test]
fn a_new_leader_tells_no_end_before_it_knows_what_was_committed_before_it() {
    let context = PartitionContext::without_syncs(Durability::Replicated);
    let partition = &context.partition;
    context.produce(&["committed"]).unwrap();
    let both = [BrokerId(1), BrokerId(2)];
    partition.assign_to(LeaderEpoch(4), BrokerId(1), &both);
    context.produce(&["on its way"]).unwrap();
    partition.assign_to(LeaderEpoch(6), BrokerId(1), &both);
    let offset = |sought| partition.offset_of(-1, sought, Isolation::ReadUncommitted);
    let later = Sought::From(Timestamp(NOW.0 + 1));
    assert_eq!(partition.settled_marks_in(-1), Err(ErrorCode::OFFSET_NOT_AVAILABLE));
    assert_eq!(offset(later).unwrap_err(), ErrorCode::OFFSET_NOT_AVAILABLE);
    assert_eq!(offset(Sought::From(NOW)).unwrap().unwrap().offset, Offset(0), "nothing changes that");
    let marks = partition.marks_in(-1).unwrap();
    assert_eq!((marks.high_watermark, marks.log_end), (Offset(1), Offset(2)), "what followers and Fetch are told");
    assert_eq!(partition.epoch_end(6, LeaderEpoch(4)).unwrap().unwrap().end_offset, Offset(2));
    partition.fetched_by(BrokerId(2), Offset(2));
    assert_eq!(partition.settled_marks_in(-1).unwrap().high_watermark, Offset(2));
    assert!(offset(later).unwrap().is_none());
}

/// What an idle one fetched would make its leader count it as in sync.
#[tokio::test]
async fn a_follower_whose_log_is_offline_fetches_nothing_whoever_leads() {
    let context = PartitionContext::without_syncs(Durability::Replicated);
    let followed = || context.partition.surroundings.following().partitions;
    context.partition.follow(LeaderEpoch(4), BrokerId(2));
    assert_eq!(followed(), 1);
    context.partition.take_offline();
    assert_eq!(followed(), 0);
    context.partition.follow(LeaderEpoch(5), BrokerId(3));
    assert_eq!(followed(), 0);
}

#[tokio::test]
async fn a_partition_that_breaks_off_leaves_what_its_replica_was_told_and_one_that_is_alone_records_nothing() {
    let flusher = Arc::new(Flusher::default());
    let (directory, partition) = partition(flusher, PartitionConfig::default());
    let recordings = directory.path().join("recordings");
    let files = RecordingFiles::new(&Arc::new(Disk::new(Arc::new(RealFs), 4)), &recordings, BrokerId(1));
    partition.surroundings.leave_recordings(LeftRecordings::new(files, Runtime::current()));
    append_one(&partition);
    assert!(partition.recording().is_none(), "it is alone");
    let replicas = [BrokerId(1), BrokerId(2)];
    partition.assign_to(LeaderEpoch(4), BrokerId(2), &replicas);
    partition.assign_to(LeaderEpoch(5), BrokerId(1), &replicas);
    append_one(&partition);
    let replayed = |file: &[u8]| replay(&read(file).unwrap(), 0, &mut String::new()).unwrap();
    let asked = replayed(&partition.recording().unwrap());
    assert!(asked.is_well() && asked.inputs >= 3, "{asked}");
    let broken =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| partition.with_log(|_| panic!("on purpose"))));
    assert!(broken.is_err() && partition.size_bytes() > 0);
    // The thread that writes it is on its way: the file is renamed when it is whole.
    let is_whole = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with("-replica-orders-0.barnabas");
    let found =
        || Some(std::fs::read_dir(&recordings).ok()?.flatten().find(|entry| is_whole(&entry.file_name()))?.path());
    let left = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match found() {
                Some(path) => return std::fs::read(path).unwrap(),
                None => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(replayed(&left.await.unwrap()), asked);
    assert!(partition.recording().is_none(), "it is left once");
}

/// A broker may have 100,000 that nobody uses; an allocation is a multiple of 16 bytes, its head of 8 and the counts of the `Arc` included.
#[test]
fn a_partition_that_nobody_uses_is_one_small_allocation() {
    assert!((8 + 16 + size_of::<Partition>()).next_multiple_of(16) <= 832, "{}", size_of::<Partition>());
}

#[tokio::test]
async fn who_promises_nothing_waits_for_a_watermark_only_as_long_as_it_can_move() {
    let flusher = Arc::new(Flusher::default());
    let config =
        PartitionConfig { durability: Durability::Replicated, min_insync_replicas: 2, ..PartitionConfig::default() };
    let (_directory, partition) = partition(flusher, config);
    let replicas = [BrokerId(1), BrokerId(2)];
    partition.assign_to(LeaderEpoch(4), BrokerId(1), &replicas);
    append_one(&partition);
    let end = Offset(1);
    let since = partition.led_since();
    assert!(partition.has_min_isr());
    let waiting = tokio::spawn(Arc::clone(&partition).settled(end, since, soon()));
    let at_once = Arc::clone(&partition).settled(end, since, Instant::now()).await;
    assert_eq!(at_once.unwrap_err(), ErrorCode::REQUEST_TIMED_OUT);
    let begun = Instant::now();
    partition.shrink_to(LeaderEpoch(4), &replicas);
    assert!(!partition.has_min_isr());
    waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "who waits is told that it stands still");
    assert_eq!(Arc::clone(&partition).settled(end, since, Instant::now()).await, Ok(()));
    let kept = Arc::clone(&partition).replicated(end, since, Instant::now()).await;
    assert_eq!(kept.unwrap_err(), ErrorCode::REQUEST_TIMED_OUT);
    partition.follow(LeaderEpoch(5), BrokerId(2));
    let deposed = Arc::clone(&partition).settled(end, since, soon()).await;
    assert_eq!(deposed.unwrap_err(), ErrorCode::NOT_LEADER_OR_FOLLOWER);
}
