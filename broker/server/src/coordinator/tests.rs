//! A shard's task over a partition in memory that keeps, holds back or refuses what it is given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use barnabas_coordinator::group::{Context, Request, Response};
use barnabas_log::fs::{Disk, RealFs};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use barnabas_protocol::messages::offset_fetch::OffsetFetchRequestGroup;
use barnabas_protocol::messages::{HeartbeatRequest, JoinGroupRequest, join_group::JoinGroupRequestProtocol};
use barnabas_recording::{Kind, read, replay};
use barnabas_records::batches;
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp, Uuid};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::driver::{Message, Phase, ShardHandle};
use super::{CoordinatorConfig, GroupCoordinators, Led, OffsetsPartition};
use crate::recordings::{LeftRecordings, RecordingFiles};
use crate::runtime::Runtime;

/// A partition in memory.
#[derive(Clone, Default)]
struct MemoryPartition {
    state: Arc<Mutex<State>>,
    moved: Arc<Notify>,
}

#[derive(Default)]
struct State {
    log: Vec<Vec<u8>>,
    end: i64,
    kept: i64,
    /// Appends are in the log but not kept until this is lifted.
    held_back: bool,
    /// Too few replicas are in sync.
    under_min_isr: bool,
    refuse_appends: Option<ErrorCode>,
    refuse_reads: Option<ErrorCode>,
}

impl MemoryPartition {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        if !state.held_back && !state.under_min_isr {
            state.kept = state.end;
        }
        drop(state);
        self.moved.notify_waiters();
    }

    fn waits(
        &self,
        is_reached: impl Fn(&State) -> Result<bool, ErrorCode> + Send + 'static,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<(), ErrorCode>> {
        let this = self.clone();
        async move {
            loop {
                let moved = this.moved.notified();
                if is_reached(&this.state.lock().unwrap())? {
                    return Ok(());
                }
                if tokio::time::timeout_at(deadline, moved).await.is_err() {
                    return Err(ErrorCode::REQUEST_TIMED_OUT);
                }
            }
        }
        .boxed()
    }
}

impl OffsetsPartition for MemoryPartition {
    fn append(&self, batch: &[u8], _now: Timestamp) -> Result<Offset, ErrorCode> {
        let refusal = self.state.lock().unwrap().refuse_appends;
        if let Some(code) = refusal {
            return Err(code);
        }
        if !self.has_min_isr() {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        self.change(|state| {
            let mut batch = batch.to_vec();
            batch[..8].copy_from_slice(&state.end.to_be_bytes());
            state.end = batches(&batch).next().unwrap().unwrap().header().next_offset().0;
            state.log.push(batch);
        });
        Ok(Offset(self.state.lock().unwrap().end))
    }

    fn replicated(&self, end: Offset, deadline: Instant) -> BoxFuture<'static, Result<(), ErrorCode>> {
        let is_kept = move |state: &State| match (state.kept >= end.0, state.under_min_isr) {
            (true, true) => Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
            (is_kept, _) => Ok(is_kept),
        };
        self.waits(is_kept, deadline)
    }

    fn settled(&self, end: Offset, deadline: Instant) -> BoxFuture<'static, Result<(), ErrorCode>> {
        self.waits(move |state| Ok(state.kept >= end.0 || state.under_min_isr), deadline)
    }

    fn has_min_isr(&self) -> bool {
        !self.state.lock().unwrap().under_min_isr
    }

    fn ends(&self) -> Result<(Offset, Offset), ErrorCode> {
        Ok((Offset(0), Offset(self.state.lock().unwrap().end)))
    }

    fn read(&self, offset: Offset, _max_bytes: u32) -> Result<Vec<u8>, ErrorCode> {
        let state = self.state.lock().unwrap();
        if let Some(code) = state.refuse_reads {
            return Err(code);
        }
        // One batch at a time, so that a load takes several reads, and some of the next, as a log gives it.
        let mut rest = state.log.iter().filter(|batch| end_of(batch) > offset);
        let mut bytes = rest.next().cloned().unwrap_or_default();
        bytes.extend(rest.next().map_or(&[][..], |next| &next[..next.len() / 2]));
        Ok(bytes)
    }
}

fn end_of(batch: &[u8]) -> Offset {
    batches(batch).next().unwrap().unwrap().header().next_offset()
}

fn start(partition: &MemoryPartition) -> ShardHandle {
    let config = CoordinatorConfig { commit_timeout: Duration::from_secs(5), ..Default::default() };
    ShardHandle::start(Runtime::current(), partition.clone(), 0, config, None)
}

async fn active(shard: &ShardHandle) {
    shard.phases().wait_for(|phase| *phase == Phase::Active).await.unwrap();
}

async fn ask(shard: &ShardHandle, request: Request) -> oneshot::Receiver<Result<Response, ErrorCode>> {
    let (reply, answer) = oneshot::channel();
    shard.queue().send(Message::Ask { request: Box::new(request), reply }).await.ok().unwrap();
    answer
}

fn commit(offset: i64) -> Request {
    let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic = OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() };
    Request::OffsetCommit { context: Context::default(), request }
}

fn join() -> Request {
    let protocols = vec![JoinGroupRequestProtocol { name: "range".into(), ..Default::default() }];
    let request = JoinGroupRequest {
        group_id: "members".into(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols,
        ..Default::default()
    };
    Request::JoinGroup { context: Context::default(), request, member_uuid: Uuid::from_u128(1) }
}

fn fetch() -> Request {
    let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
    Request::OffsetFetch { group, require_stable: false }
}

async fn committed(shard: &ShardHandle) -> Vec<i64> {
    match ask(shard, fetch()).await.await.unwrap().unwrap() {
        Response::OffsetFetch(group) => {
            group.topics.iter().flat_map(|topic| &topic.partitions).map(|found| found.committed_offset).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn assert_pending(answer: &mut oneshot::Receiver<Result<Response, ErrorCode>>) {
    assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_answered_when_it_is_kept_and_not_before() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    partition.change(|state| state.held_back = true);
    let mut answer = ask(&shard, commit(5)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_pending(&mut answer);
    // What is asked later has seen the commit, and is held back with it.
    let mut later = ask(&shard, fetch()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_pending(&mut later);
    partition.change(|state| state.held_back = false);
    assert!(matches!(answer.await.unwrap(), Ok(Response::OffsetCommit(_))));
    assert!(later.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_not_kept_in_time_says_so_and_may_still_count() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    partition.change(|state| state.held_back = true);
    let begun = Instant::now();
    let answer = ask(&shard, commit(5)).await.await.unwrap();
    assert_eq!(answer.unwrap_err(), ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    partition.change(|state| state.held_back = false);
    assert_eq!(committed(&shard).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn what_a_shard_was_told_plays_to_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::new(Arc::new(RealFs), 4));
    let files = RecordingFiles::new(&disk, directory.path(), BrokerId(1));
    let recordings = Some(LeftRecordings::new(files, Runtime::current()));
    let config = CoordinatorConfig { recordings, ..Default::default() };
    let partition = MemoryPartition::default();
    let shard = ShardHandle::start(Runtime::current(), partition, 3, config, None);
    active(&shard).await;
    for offset in 0..600 {
        ask(&shard, commit(offset)).await.await.unwrap().unwrap();
    }
    assert_eq!(committed(&shard).await, [599]);
    let _parked = ask(&shard, join()).await;
    let (reply, file) = oneshot::channel();
    shard.queue().send(Message::Record(reply)).await.ok().unwrap();
    let recording = read(&file.await.unwrap().unwrap()).unwrap();
    assert_eq!((recording.head.core, &*recording.head.name), (Kind::Coordinator, "__consumer_offsets-3"));
    let replayed = replay(&recording, 0, &mut String::new()).unwrap();
    assert!(replayed.is_well() && (257..=512).contains(&replayed.inputs), "{replayed}");
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_is_there_after_a_restart() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    for offset in [5, 6, 7] {
        assert!(ask(&shard, commit(offset)).await.await.unwrap().is_ok());
    }
    let next = ShardHandle::start(Runtime::current(), partition, 0, CoordinatorConfig::default(), Some(shard));
    active(&next).await;
    assert_eq!(committed(&next).await, [7]);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_compressed_is_read_back() {
    let partition = MemoryPartition::default();
    let compression = barnabas_records::Compression::Zstd { level: 3 };
    let config = CoordinatorConfig { compression, ..Default::default() };
    let shard = ShardHandle::start(Runtime::current(), partition.clone(), 0, config.clone(), None);
    active(&shard).await;
    assert!(ask(&shard, commit(5)).await.await.unwrap().is_ok());
    let codec = partition.state.lock().unwrap().log.first().map(|batch| batch[22] & 7);
    assert_eq!(codec, Some(4));
    let next = ShardHandle::start(Runtime::current(), partition, 0, config, Some(shard));
    active(&next).await;
    assert_eq!(committed(&next).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_answers_everybody_and_starts_over_from_the_log() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    assert!(ask(&shard, commit(5)).await.await.unwrap().is_ok());
    let parked = ask(&shard, join()).await;
    assert_eq!(committed(&shard).await, [5]);
    partition.change(|state| state.refuse_appends = Some(ErrorCode::KAFKA_STORAGE_ERROR));
    let refused = ask(&shard, commit(6)).await.await.unwrap();
    assert_eq!(refused.unwrap_err(), ErrorCode::NOT_COORDINATOR);
    assert_eq!(parked.await.unwrap().unwrap_err(), ErrorCode::NOT_COORDINATOR);
    partition.change(|state| state.refuse_appends = None);
    active(&shard).await;
    // The refused commit has left no trace.
    assert_eq!(committed(&shard).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_cannot_be_read_tries_again() {
    let partition = MemoryPartition::default();
    let first = start(&partition);
    active(&first).await;
    assert!(ask(&first, commit(5)).await.await.unwrap().is_ok());
    partition.change(|state| state.refuse_reads = Some(ErrorCode::KAFKA_STORAGE_ERROR));
    let next = ShardHandle::start(Runtime::current(), partition.clone(), 0, CoordinatorConfig::default(), Some(first));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(next.phase(), Phase::Retrying);
    partition.change(|state| state.refuse_reads = None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    active(&next).await;
    assert_eq!(committed(&next).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_no_coordinator_wrote_does_not_stop_the_others() {
    let partition = MemoryPartition::default();
    let mut batch = barnabas_records::BatchBuilder::new(Offset(0), barnabas_records::Compression::None);
    let key: &[u8] = &[0, 1, 9];
    batch.append(Timestamp(1), Some(key), Some(b"?"), &[]).unwrap();
    batch.append(Timestamp(1), Some(&[0, 99]), Some(b"?"), &[]).unwrap();
    partition.append(&batch.build().unwrap(), Timestamp(1)).unwrap();
    let shard = start(&partition);
    active(&shard).await;
    assert!(ask(&shard, commit(5)).await.await.unwrap().is_ok());
    assert_eq!(committed(&shard).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn deadlines_of_a_group_are_kept() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    let begun = Instant::now();
    let answer = ask(&shard, join()).await.await.unwrap().unwrap();
    let Response::JoinGroup(joined) = answer else { panic!("{answer:?}") };
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::NONE, 1));
    assert_eq!(begun.elapsed().as_secs(), 3);
    let heartbeat = HeartbeatRequest {
        group_id: "members".into(),
        member_id: joined.member_id,
        generation_id: 1,
        ..Default::default()
    };
    let alive = ask(&shard, Request::Heartbeat(heartbeat)).await.await.unwrap().unwrap();
    assert!(matches!(alive, Response::Heartbeat(response) if response.error_code == ErrorCode::NONE));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_resigns_answers_what_is_under_way() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    let parked = ask(&shard, join()).await;
    assert_eq!(committed(&shard).await, Vec::<i64>::new());
    partition.change(|state| state.held_back = true);
    let under_way = ask(&shard, commit(5)).await;
    let resigned = tokio::spawn(shard.resign());
    assert_eq!(parked.await.unwrap().unwrap_err(), ErrorCode::NOT_COORDINATOR);
    assert!(!resigned.is_finished());
    partition.change(|state| state.held_back = false);
    assert!(matches!(under_way.await.unwrap(), Ok(Response::OffsetCommit(_))));
    resigned.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_stopped_leaves_nobody_waiting() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    let parked = ask(&shard, join()).await;
    assert_eq!(committed(&shard).await, Vec::<i64>::new());
    drop(shard);
    assert!(parked.await.is_err());
}

fn heartbeat() -> Request {
    Request::Heartbeat(HeartbeatRequest { group_id: "g".into(), member_id: "nobody".into(), ..Default::default() })
}

/// What is asked is answered without any time going by.
async fn at_once(shard: &ShardHandle, request: Request) -> Result<Response, ErrorCode> {
    let begun = Instant::now();
    let answer = ask(shard, request).await.await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    answer
}

#[tokio::test(start_paused = true)]
async fn under_min_isr_a_shard_stays_and_answers_what_writes_nothing() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    assert!(ask(&shard, commit(5)).await.await.unwrap().is_ok());
    let mut parked = ask(&shard, join()).await;
    assert_eq!(committed(&shard).await, [5]);
    partition.change(|state| state.under_min_isr = true);
    assert!(matches!(at_once(&shard, heartbeat()).await, Ok(Response::Heartbeat(_))));
    assert!(matches!(at_once(&shard, fetch()).await, Ok(Response::OffsetFetch(_))));
    // What would write is refused, again and again, and leaves no trace.
    for _ in 0..2 {
        assert_eq!(at_once(&shard, commit(6)).await.unwrap_err(), ErrorCode::COORDINATOR_NOT_AVAILABLE);
        assert_eq!(committed(&shard).await, [5]);
    }
    shard.deletions().add(&[("t".into(), Uuid::ZERO)].into()).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((shard.phase(), committed(&shard).await), (Phase::Active, vec![5]));
    assert_pending(&mut parked);
    partition.change(|state| state.under_min_isr = false);
    // Who waited for the group has its answer, and the topic is gone.
    assert!(matches!(parked.await.unwrap(), Ok(Response::JoinGroup(joined)) if joined.generation_id == 1));
    while !committed(&shard).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(ask(&shard, commit(7)).await.await.unwrap().is_ok());
    assert_eq!(committed(&shard).await, [7]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_too_few_have_is_doubted_and_the_shard_stays() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    let mut parked = ask(&shard, join()).await;
    partition.change(|state| state.held_back = true);
    let under_way = ask(&shard, commit(5)).await;
    let later = ask(&shard, fetch()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Everybody has it, but those are too few by now.
    partition.change(|state| (state.kept, state.under_min_isr) = (state.end, true));
    assert_eq!(under_way.await.unwrap().unwrap_err(), ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert!(later.await.unwrap().is_ok());
    assert_pending(&mut parked);
    assert_eq!(committed(&shard).await, [5]);
    partition.change(|state| (state.held_back, state.under_min_isr) = (false, false));
    assert!(parked.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_not_kept_when_the_isr_fell_holds_up_nobody_else() {
    let partition = MemoryPartition::default();
    let shard = start(&partition);
    active(&shard).await;
    partition.change(|state| state.held_back = true);
    let begun = Instant::now();
    let under_way = ask(&shard, commit(5)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    partition.change(|state| state.under_min_isr = true);
    assert!(at_once(&shard, heartbeat()).await.is_ok());
    assert_eq!(committed(&shard).await, [5]);
    assert_eq!(under_way.await.unwrap().unwrap_err(), ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!((shard.phase(), committed(&shard).await), (Phase::Active, vec![5]));
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_loaded_above_a_watermark_that_stands_still() {
    let partition = MemoryPartition::default();
    let first = start(&partition);
    active(&first).await;
    assert!(ask(&first, commit(5)).await.await.unwrap().is_ok());
    partition.change(|state| state.held_back = true);
    let mut under_way = ask(&first, commit(6)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_pending(&mut under_way);
    partition.change(|state| state.under_min_isr = true);
    let begun = Instant::now();
    let next = ShardHandle::start(Runtime::current(), partition.clone(), 0, CoordinatorConfig::default(), Some(first));
    active(&next).await;
    assert!(under_way.await.is_err());
    assert_eq!(committed(&next).await, [6]);
    assert!(at_once(&next, heartbeat()).await.is_ok());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_is_told_when_it_is_kept_where_that_can_still_happen() {
    let partition = MemoryPartition::default();
    let first = start(&partition);
    active(&first).await;
    partition.change(|state| state.held_back = true);
    let _under_way = ask(&first, commit(6)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let next = ShardHandle::start(Runtime::current(), partition.clone(), 0, CoordinatorConfig::default(), Some(first));
    active(&next).await;
    let mut answer = ask(&next, fetch()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_pending(&mut answer);
    partition.change(|state| state.held_back = false);
    assert!(answer.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn deleted_topics_wait_for_no_shard_and_are_forgotten_once_it_has_loaded() {
    let partition = MemoryPartition::default();
    let first = start(&partition);
    active(&first).await;
    assert!(ask(&first, commit(5)).await.await.unwrap().is_ok());
    partition.change(|state| state.refuse_reads = Some(ErrorCode::KAFKA_STORAGE_ERROR));
    let handle =
        ShardHandle::start(Runtime::current(), partition.clone(), 0, CoordinatorConfig::default(), Some(first));
    let groups = GroupCoordinators::new(Runtime::current(), CoordinatorConfig::default());
    let led = Led { topic_id: Uuid::ZERO, epoch: LeaderEpoch(0), handle };
    groups.shards.write().unwrap().led.insert(0, led);
    for topic in 0..1_100 {
        groups.topics_deleted(vec![(topic.to_string().into(), Uuid::from_u128(topic))]);
    }
    groups.topics_deleted(vec![("t".into(), Uuid::ZERO)]);
    // FindCoordinator need not wait for a shard that cannot be read.
    let begun = Instant::now();
    groups.active(0, begun + Duration::from_secs(5)).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    partition.change(|state| state.refuse_reads = None);
    let handle = groups.shards.write().unwrap().led.remove(&0).unwrap().handle;
    let forgotten = async {
        active(&handle).await;
        while !committed(&handle).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), forgotten).await.expect("the offset goes with its topic");
}

#[tokio::test(start_paused = true)]
async fn deleted_topics_that_a_shard_did_not_get_to_are_forgotten_by_the_next() {
    let partition = MemoryPartition::default();
    let first = start(&partition);
    active(&first).await;
    assert!(ask(&first, commit(5)).await.await.unwrap().is_ok());
    // The first one gets no turn between this and its end.
    first.deletions().add(&[("t".into(), Uuid::ZERO)].into()).unwrap();
    let next = ShardHandle::start(Runtime::current(), partition, 0, CoordinatorConfig::default(), Some(first));
    active(&next).await;
    while !committed(&next).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
