//! What clients are told that ask a broker which leads no more, over a socket.

use std::sync::Arc;

use barnabas_protocol::Records;
use barnabas_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use barnabas_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::{Offset, Timestamp};

use super::*;
use crate::replica::Partition;
use crate::testing::{Broker, Client};

/// A topic of one partition on a broker that is told, beside the metadata, of a second replica that never fetches.
struct HalfReplicated {
    broker: Broker,
    client: Client,
    topic_id: Uuid,
    hosted: Arc<Partition>,
}

impl HalfReplicated {
    async fn start() -> Self {
        let broker = Broker::start().await;
        let mut client = broker.connect().await;
        let topic_id = client.make_topic("t", 1).await;
        let hosted = broker.running.node.replicas.get(TopicIdPartition { topic_id, partition: 0 }).unwrap();
        let context = Self { broker, client, topic_id, hosted };
        context.assign(BrokerId(1), 5);
        context
    }

    fn assign(&self, leader: BrokerId, epoch: i32) {
        let both = [BrokerId(1), BrokerId(2)];
        self.hosted.assign_to(LeaderEpoch(epoch), leader, &both);
    }

    /// Another broker leads, once a request waits for the high watermark.
    async fn moves_once_somebody_waits(&self) {
        while !self.hosted.is_waited_for() {
            tokio::task::yield_now().await;
        }
        self.assign(BrokerId(2), 6);
    }

    /// What the metadata says of the leader: it has not heard of the second replica.
    fn port(&self) -> i32 {
        self.broker.address().rsplit_once(':').unwrap().1.parse().unwrap()
    }
}

fn batch() -> bytes::Bytes {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(Timestamp(1), None, Some(b"value"), &[]).unwrap();
    builder.build().unwrap().into()
}

#[tokio::test]
async fn a_produce_that_waits_for_replicas_ends_with_the_leadership_and_says_who_has_it() {
    for (version, is_told) in [(9, false), (12, true), (13, true)] {
        let mut context = HalfReplicated::start().await;
        let batch = batch();
        let partition = PartitionProduceData { records: Some(Records::Borrowed(&batch)), ..Default::default() };
        let topic = TopicProduceData {
            name: if version >= 13 { "".into() } else { "t".into() },
            topic_id: if version >= 13 { context.topic_id } else { Uuid::ZERO },
            partition_data: vec![partition],
            ..Default::default()
        };
        let request = ProduceRequest { acks: -1, timeout_ms: 600_000, topic_data: vec![topic], ..Default::default() };
        let mut client = context.broker.connect().await;
        let (response, ()) = tokio::join!(client.call(version, &request), context.moves_once_somebody_waits());
        let answered = &response.responses[0].partition_responses[0];
        assert_eq!(answered.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let told = (answered.current_leader.leader_id, answered.current_leader.leader_epoch);
        let nodes: Vec<_> = response.node_endpoints.iter().map(|node| (node.node_id, &*node.host, node.port)).collect();
        match is_told {
            true => assert_eq!((told, nodes), ((1, 0), vec![(1, "127.0.0.1", context.port())])),
            false => assert_eq!((told, nodes), ((-1, -1), vec![])),
        }
        // What comes after is refused at once, and told the same.
        let refused = context.client.call(version, &request).await;
        let again = &refused.responses[0].partition_responses[0];
        assert_eq!((again.error_code, &again.current_leader), (answered.error_code, &answered.current_leader));
        assert_eq!(refused.node_endpoints, response.node_endpoints);
    }
}

#[tokio::test]
async fn a_fetch_that_waits_for_records_ends_with_the_leadership_and_says_who_has_it() {
    for (version, is_told) in [(15, false), (16, true)] {
        let mut context = HalfReplicated::start().await;
        let fetch = |current_leader_epoch| {
            let partition = FetchPartition { current_leader_epoch, partition_max_bytes: 1000, ..Default::default() };
            let topic = FetchTopic { topic_id: context.topic_id, partitions: vec![partition], ..Default::default() };
            FetchRequest {
                max_wait_ms: 600_000,
                min_bytes: 1,
                max_bytes: 1000,
                topics: vec![topic],
                ..Default::default()
            }
        };
        let (waiting, fenced) = (fetch(5), fetch(4));
        let mut client = context.broker.connect().await;
        let (response, ()) = tokio::join!(client.call(version, &waiting), context.moves_once_somebody_waits());
        let fenced = context.client.call(version, &fenced).await;
        for response in [response, fenced] {
            let data = &response.responses[0].partitions[0];
            assert_eq!(data.error_code, ErrorCode::FENCED_LEADER_EPOCH);
            let told = (data.current_leader.leader_id, data.current_leader.leader_epoch);
            let nodes: Vec<_> = response.node_endpoints.iter().map(|node| (node.node_id, node.port)).collect();
            match is_told {
                true => assert_eq!((told, nodes), ((1, 0), vec![(1, context.port())])),
                false => assert_eq!((told, nodes), ((-1, -1), vec![])),
            }
        }
    }
}

#[tokio::test]
async fn a_partition_that_is_elsewhere_has_moved_and_one_that_does_not_exist_is_unknown() {
    let context = HalfReplicated::start().await;
    let image = context.broker.running.node.image();
    let key = |partition| TopicIdPartition { topic_id: context.topic_id, partition };
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(moved_or(&image, key(0), unknown), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(moved_or(&image, key(1), unknown), unknown);
    assert_eq!(moved_or(&image, key(0), ErrorCode::KAFKA_STORAGE_ERROR), ErrorCode::KAFKA_STORAGE_ERROR);
}
