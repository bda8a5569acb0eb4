//! What a session that is fetched again and again costs, counted in partitions that are looked at, over a socket.

use std::sync::Arc;

use barnabas_protocol::messages::fetch::{FetchPartition, FetchTopic, ReplicaState};
use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::{LeaderEpoch, Timestamp, Uuid};

use super::*;
use crate::replica::Acks;
use crate::testing::{Broker, Client};
use barnabas_types::BrokerId;

const PARTITIONS: i32 = 100;

struct SessionContext {
    broker: Broker,
    client: Client,
    topic_id: Uuid,
    replica_id: i32,
    session_id: i32,
    epoch: i32,
}

impl SessionContext {
    async fn start(replica_id: i32) -> Self {
        let broker = Broker::start_with("barnabas.durability=replicated\n").await;
        let mut client = broker.connect().await;
        let topic_id = client.make_topic("t", PARTITIONS).await;
        let mut context = Self { broker, client, topic_id, replica_id, session_id: 0, epoch: 0 };
        if replica_id >= 0 {
            (0..PARTITIONS).for_each(|partition| context.replicate(partition, 1));
        }
        let all: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        assert_eq!(context.fetch(&all, 0).await.1, u64::try_from(PARTITIONS).unwrap());
        context
    }

    fn partition(&self, partition: i32) -> Arc<Partition> {
        let key = TopicIdPartition { topic_id: self.topic_id, partition };
        self.broker.running.node.replicas.get(key).unwrap()
    }

    /// Another broker is a replica, too.
    fn replicate(&self, partition: i32, epoch: i32) {
        let both = [BrokerId(1), BrokerId(2)];
        self.partition(partition).assign_to(LeaderEpoch(epoch), BrokerId(1), &both);
    }

    fn append(&self, partition: i32) {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        builder.append(Timestamp(1), None, Some(b"value"), &[]).unwrap();
        self.partition(partition).append(&builder.build().unwrap(), Acks::Leader, Timestamp(1)).unwrap();
    }

    /// Fetches with partitions whose offset the session does not know. Returns those that are told, with the bytes of their records, and how
    /// many were looked at.
    async fn fetch(&mut self, changed: &[(i32, i64)], max_wait_ms: i32) -> (Vec<(i32, ErrorCode, bool)>, u64) {
        let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
            partition,
            fetch_offset,
            current_leader_epoch: -1,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic = FetchTopic {
            topic_id: self.topic_id,
            partitions: changed.iter().map(partition).collect(),
            ..Default::default()
        };
        let request = FetchRequest {
            replica_state: ReplicaState { replica_id: self.replica_id, replica_epoch: -1, ..Default::default() },
            max_wait_ms,
            min_bytes: 1,
            max_bytes: 1 << 20,
            session_id: self.session_id,
            session_epoch: self.epoch,
            topics: if changed.is_empty() { Vec::new() } else { vec![topic] },
            ..Default::default()
        };
        let sessions = &self.broker.running.node.fetch_sessions;
        let before = sessions.visited();
        let response = self.client.call(17, &request).await;
        assert_eq!(response.error_code, ErrorCode::NONE);
        (self.session_id, self.epoch) = (response.session_id, self.epoch + 1);
        let told = response.responses.iter().flat_map(|topic| &topic.partitions).map(|data| {
            let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
            (data.partition_index, data.error_code, has_records)
        });
        (told.collect(), sessions.visited() - before)
    }
}

#[tokio::test]
async fn a_consumer_s_idle_partitions_are_not_looked_at() {
    let mut context = SessionContext::start(-1).await;
    assert_eq!(context.fetch(&[], 50).await, (vec![], 0));
    context.append(70);
    assert_eq!(context.fetch(&[], 50).await, (vec![(70, ErrorCode::NONE, true)], 1));
    assert_eq!(context.fetch(&[(70, 1)], 50).await, (vec![], 1));
    assert_eq!(context.fetch(&[], 50).await, (vec![], 0));
    // Deleted records are told of, without anybody waiting for that.
    context.partition(70).delete_records(Offset(1)).unwrap();
    assert_eq!(context.fetch(&[], 0).await, (vec![(70, ErrorCode::NONE, false)], 1));
    assert_eq!(context.fetch(&[], 0).await, (vec![], 0));
}

#[tokio::test]
async fn a_follower_s_idle_partitions_are_not_looked_at() {
    let mut context = SessionContext::start(2).await;
    assert_eq!(context.fetch(&[], 50).await, (vec![], 0));
    context.append(7);
    assert_eq!(
        context.fetch(&[], 600_000).await,
        (vec![(7, ErrorCode::NONE, true)], 1),
        "not committed, and a follower's"
    );
    // Who has it makes it committed, which it is told.
    assert_eq!(context.fetch(&[(7, 1)], 0).await.1, 1);
    assert_eq!(context.partition(7).marks().high_watermark, Offset(1));
    assert!(context.fetch(&[], 50).await.1 <= 1, "its watermark has moved while it was read");
    assert_eq!(context.fetch(&[], 50).await, (vec![], 0));
    // A new epoch is told at once, though nothing was written.
    context.replicate(9, 2);
    assert_eq!(context.fetch(&[], 50).await, (vec![], 1));
}

#[tokio::test]
async fn a_waiting_session_is_woken_by_one_of_its_idle_partitions() {
    for replica_id in [-1, 2] {
        let mut context = SessionContext::start(replica_id).await;
        let mut waiting = context.broker.connect().await;
        let partition = context.partition(42);
        let request = FetchRequest {
            replica_state: ReplicaState { replica_id, replica_epoch: -1, ..Default::default() },
            max_wait_ms: 600_000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            session_id: context.session_id,
            session_epoch: context.epoch,
            ..Default::default()
        };
        let append = async {
            // One that waits for a follower is not to be seen from outside; where it comes sooner it finds nothing to wait for.
            while replica_id < 0 && !partition.is_waited_for() {
                tokio::task::yield_now().await;
            }
            context.append(42);
        };
        let (response, ()) = tokio::join!(waiting.call(17, &request), append);
        assert_eq!(response.responses[0].partitions[0].partition_index, 42);
        context.epoch += 1;
        let offline = async {
            while replica_id < 0 && !partition.is_waited_for() {
                tokio::task::yield_now().await;
            }
            partition.take_offline();
        };
        // What was read is read again until the client says that it has it: it asks from the end.
        let end = FetchPartition {
            partition: 42,
            fetch_offset: 1,
            partition_max_bytes: 1 << 20,
            current_leader_epoch: -1,
            ..Default::default()
        };
        let topic = FetchTopic { topic_id: context.topic_id, partitions: vec![end], ..Default::default() };
        let request = FetchRequest { session_epoch: context.epoch, topics: vec![topic], ..request };
        let (response, ()) = tokio::join!(waiting.call(17, &request), offline);
        assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    }
}

#[tokio::test]
async fn a_fetch_that_waits_ends_with_its_session_and_tells_of_nothing_that_came_later() {
    let mut context = SessionContext::start(2).await;
    let (session_id, epoch) = (context.session_id, context.epoch);
    let mut other = context.broker.connect().await;
    // The follower has left that connection, whose end nobody sees while its Fetch waits.
    let waits = async {
        let topics = Vec::new();
        let replica_state = ReplicaState { replica_id: 2, replica_epoch: -1, ..Default::default() };
        let request = FetchRequest {
            replica_state,
            max_wait_ms: 600_000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            session_id,
            session_epoch: epoch,
            topics,
            ..Default::default()
        };
        other.call(17, &request).await
    };
    let sessions = Arc::clone(&context.broker.running.node);
    let news = sessions.fetch_sessions.news(session_id).unwrap();
    let replaces = async {
        while !news.is_waited_for() {
            tokio::task::yield_now().await;
        }
        context.epoch = 0;
        let all: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        context.fetch(&all, 0).await
    };
    let (given_up, (told, _)) = tokio::join!(waits, replaces);
    assert!(given_up.responses.is_empty(), "{given_up:?}");
    assert_eq!(told.len(), usize::try_from(PARTITIONS).unwrap());
    assert_eq!(context.broker.running.node.fetch_sessions.len(), 1);
}
