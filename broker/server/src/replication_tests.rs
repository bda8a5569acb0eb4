//! Partitions of three replicas on three whole nodes in one process: written, read, led by another. What is killed is killed elsewhere, in
//! processes.

use std::time::Duration;

use barnabas_metadata::Image;
use barnabas_protocol::ErrorCode;
use barnabas_protocol::Records;
use barnabas_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use barnabas_protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use barnabas_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use barnabas_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use barnabas_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use barnabas_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use barnabas_recording::{read, replay};
use barnabas_records::{BatchBuilder, Compression, batches};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicIdPartition, Uuid};

use crate::quorum_tests::{Nodes, create};
use crate::testing::Client;

pub(crate) fn is_in_sync(image: &Image, name: &str, replicas: usize) -> bool {
    let topic = image.topics.named(name);
    topic.is_some_and(|topic| topic.partitions.values().all(|partition| partition.isr.len() == replicas))
}

impl Nodes {
    /// The topic's id, once every node knows it with all of its replicas in sync.
    pub(crate) async fn in_sync(&self, name: &str, replicas: usize) -> Uuid {
        for index in 0..3 {
            let Some(running) = &self.running[index] else { continue };
            let mut applied = running.node.controller.applied().watch();
            let mut is_whole = false;
            // The image is there before its partitions are: one more step, and they are, too.
            while !std::mem::replace(&mut is_whole, is_in_sync(&running.node.image(), name, replicas)) || !is_whole {
                tokio::time::timeout(Duration::from_secs(30), applied.changed())
                    .await
                    .expect("in sync in time")
                    .unwrap();
            }
        }
        self.running.iter().flatten().next().unwrap().node.image().topics.named(name).unwrap().id
    }

    /// The index of the node that leads the partition, as the node at `index` knows.
    pub(crate) fn leader(&self, index: usize, key: TopicIdPartition) -> Option<usize> {
        let image = self.node(index).node.image();
        let leader = image.topics.partition(key)?.leader;
        (leader != BrokerId::NONE).then(|| usize::try_from(leader.0 - 1).unwrap())
    }

    pub(crate) async fn produce(&self, leader: usize, key: TopicIdPartition, value: &str) -> (ErrorCode, i64) {
        try_produce(&mut self.client(leader).await, key, value).await.unwrap()
    }

    /// What was recorded at a node plays to the same.
    async fn assert_recordings_replay(&self, index: usize, key: TopicIdPartition) {
        let node = &self.node(index).node;
        let quorum = node.controller.recording().await.unwrap().unwrap();
        let partition = node.replicas.get(key).unwrap().recording().expect("a partition with others is recorded");
        for file in [&quorum, &partition] {
            let replayed = replay(&read(file).unwrap(), 0, &mut String::new()).unwrap();
            assert!(replayed.is_well() && replayed.inputs > 5, "node {}: {replayed}", index + 1);
        }
    }

    pub(crate) async fn offsets(&self, leader: usize, key: TopicIdPartition) -> Vec<Offset> {
        let partition = FetchPartition {
            partition: key.partition,
            current_leader_epoch: -1,
            fetch_offset: 0,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic = FetchTopic { topic_id: key.topic_id, partitions: vec![partition], ..Default::default() };
        let request = FetchRequest {
            max_wait_ms: 1000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            topics: vec![topic],
            ..Default::default()
        };
        let response = self.client(leader).await.call(16, &request).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, ErrorCode::NONE);
        let Some(Records::Borrowed(_) | Records::Bytes(_)) = &data.records else { panic!("{data:?}") };
        let bytes = match data.records.as_ref().unwrap() {
            Records::Borrowed(bytes) => bytes.to_vec(),
            Records::Bytes(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        };
        batches(&bytes).map(|batch| batch.unwrap().header().base_offset).collect()
    }
}

/// The code and offset that a record with `value` gets.
pub(crate) async fn try_produce(
    client: &mut Client,
    key: TopicIdPartition,
    value: &str,
) -> std::io::Result<(ErrorCode, i64)> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(Timestamp(1), None, Some(value.as_bytes()), &[]).unwrap();
    let batch = builder.build().unwrap();
    let partition =
        PartitionProduceData { index: key.partition, records: Some(Records::Borrowed(&batch)), ..Default::default() };
    let topic = TopicProduceData { topic_id: key.topic_id, partition_data: vec![partition], ..Default::default() };
    let request = ProduceRequest { acks: -1, timeout_ms: 20_000, topic_data: vec![topic], ..Default::default() };
    let response = client.try_call(13, &request).await?;
    let answered = &response.responses[0].partition_responses[0];
    Ok((answered.error_code, answered.base_offset))
}

#[tokio::test]
async fn what_is_acknowledged_is_on_every_replica_and_outlives_its_leader() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "copied", 3).await, ErrorCode::NONE);
    let topic_id = nodes.in_sync("copied", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    for number in 0..5 {
        assert_eq!(nodes.produce(leader, key, &format!("record {number}")).await, (ErrorCode::NONE, number));
    }
    for index in 0..3 {
        let hosted = nodes.node(index).node.replicas.get(key).unwrap();
        assert_eq!(hosted.marks().log_end, Offset(5), "node {}", index + 1);
    }
    nodes.running[leader].take().unwrap().stop().await.unwrap();
    let other = (leader + 1) % 3;
    let next = nodes.leader(other, key).expect("another leader");
    assert_ne!(next, leader);
    assert_eq!(nodes.produce(next, key, "record 5").await, (ErrorCode::NONE, 5));
    assert_eq!(nodes.offsets(next, key).await, (0..6).map(Offset).collect::<Vec<_>>());
    let back = nodes.start_one(leader).await;
    nodes.running[leader] = Some(back);
    nodes.in_sync("copied", 3).await;
    assert_eq!(nodes.produce(nodes.leader(other, key).unwrap(), key, "record 6").await, (ErrorCode::NONE, 6));
    let hosted = nodes.node(leader).node.replicas.get(key).unwrap();
    assert_eq!(hosted.marks().log_end, Offset(7));
    for index in 0..3 {
        nodes.assert_recordings_replay(index, key).await;
    }
    nodes.stop().await;
}

#[tokio::test]
async fn records_that_are_deleted_are_deleted_on_every_replica_when_that_is_answered() {
    let nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "deleted", 3).await, ErrorCode::NONE);
    let topic_id = nodes.in_sync("deleted", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    for number in 0..5 {
        assert_eq!(nodes.produce(leader, key, "value").await, (ErrorCode::NONE, number));
    }
    for (offset, first) in [(2, 2), (4, 4), (3, 4), (-1, 5)] {
        let partition = DeleteRecordsPartition { partition_index: 0, offset, ..Default::default() };
        let topic = DeleteRecordsTopic { name: "deleted".into(), partitions: vec![partition], ..Default::default() };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let response = nodes.client(leader).await.call(2, &request).await;
        let answer = &response.topics[0].partitions[0];
        assert_eq!((answer.error_code, answer.low_watermark), (ErrorCode::NONE, first));
        for index in 0..3 {
            let hosted = nodes.node(index).node.replicas.get(key).unwrap();
            assert_eq!(hosted.marks().log_start, Offset(first), "node {}", index + 1);
        }
    }
    nodes.stop().await;
}

#[tokio::test]
async fn the_offsets_of_groups_are_on_three_nodes_where_nothing_is_said_of_it() {
    let nodes = Nodes::start().await;
    let mut client = nodes.client(1).await;
    let request = FindCoordinatorRequest { coordinator_keys: vec!["group".into()], ..Default::default() };
    let found: FindCoordinatorResponse<'_> = client.call(4, &request).await;
    assert_eq!(found.coordinators[0].error_code, ErrorCode::NONE, "{found:?}");
    let image = nodes.node(1).node.image();
    let topic = image.topics.named("__consumer_offsets").unwrap();
    assert!(topic.partitions.values().all(|partition| partition.replicas.len() == 3));
    nodes.stop().await;
}

#[tokio::test]
async fn a_broker_that_was_away_is_ready_once_it_is_in_sync_again_and_no_sooner() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "copied", 3).await, ErrorCode::NONE);
    let topic_id = nodes.in_sync("copied", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    let away = (leader + 1) % 3;
    nodes.running[away].take().unwrap().stop().await.unwrap();
    for number in 0..20 {
        assert_eq!(nodes.produce(leader, key, &"record ".repeat(1000)).await, (ErrorCode::NONE, number));
    }
    let back = nodes.start_one(away).await;
    let mut applied = back.node.controller.applied().watch();
    let id = BrokerId(i32::try_from(away).unwrap() + 1);
    let is_in_sync = || {
        let image = back.node.image();
        let topic = image.topics.named("copied").unwrap();
        topic.partitions.values().all(|partition| partition.isr.contains(&id))
    };
    loop {
        // Asked in this order: in between it may have come into sync.
        let ready = back.ready();
        match ready {
            Ok(()) => break assert!(is_in_sync(), "ready before it is in sync"),
            Err(reason) => assert!(reason.starts_with("catching up: not in sync with"), "{reason}"),
        }
        if !is_in_sync() {
            tokio::time::timeout(Duration::from_secs(30), applied.changed()).await.expect("in time").unwrap();
        }
    }
    nodes.running[away] = Some(back);
    nodes.running[leader].take().unwrap().stop().await.unwrap();
    assert_eq!(nodes.node(away).ready(), Ok(()), "what becomes of others afterwards changes nothing");
    nodes.stop().await;
}

#[tokio::test]
async fn a_broker_that_has_lost_its_disk_is_ready_once_it_has_copied_what_it_had() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "copied", 3).await, ErrorCode::NONE);
    let topic_id = nodes.in_sync("copied", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    let lost = (leader + 1) % 3;
    nodes.running[lost].take().unwrap().stop().await.unwrap();
    nodes.directories[lost] = tempfile::tempdir().unwrap();
    for number in 0..20 {
        assert_eq!(nodes.produce(leader, key, &"record ".repeat(1000)).await, (ErrorCode::NONE, number));
    }
    let back = nodes.start_one(lost).await;
    let mut applied = back.node.controller.applied().watch();
    let id = BrokerId(i32::try_from(lost).unwrap() + 1);
    loop {
        // Asked in this order: in between it may have come into sync.
        let ready = back.ready();
        let image = back.node.image();
        let in_sync =
            |topic: &barnabas_metadata::Topic| topic.partitions.values().all(|partition| partition.isr.contains(&id));
        let is_in_sync = image.topics.named("copied").is_some_and(|topic| in_sync(topic));
        match ready {
            Ok(()) => break assert!(is_in_sync, "ready before it is in sync"),
            Err(reason) => assert!(reason.starts_with("catching up: "), "{reason}"),
        }
        if !is_in_sync {
            tokio::time::timeout(Duration::from_secs(30), applied.changed()).await.expect("in time").unwrap();
        }
    }
    nodes.running[lost] = Some(back);
    nodes.stop().await;
}

impl Nodes {
    async fn elect(&self, index: usize, election_type: i8, name: &'static str, partition: i32) -> ErrorCode {
        let topic = TopicPartitions { topic: name.into(), partitions: vec![partition], ..Default::default() };
        let request = ElectLeadersRequest {
            election_type,
            topic_partitions: Some(vec![topic]),
            timeout_ms: 20_000,
            ..Default::default()
        };
        let response = self.client(index).await.call(2, &request).await;
        assert_eq!(response.error_code, ErrorCode::NONE);
        response.replica_election_results[0].partition_result[0].error_code
    }
}

#[tokio::test]
async fn the_first_replica_leads_again_when_a_user_asks_and_a_consumer_that_waits_is_told_so_at_once() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "led", 3).await, ErrorCode::NONE);
    let topic_id = nodes.in_sync("led", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let preferred = nodes.leader(0, key).unwrap();
    assert_eq!(nodes.elect(0, 0, "led", 0).await, ErrorCode::ELECTION_NOT_NEEDED);
    assert_eq!(nodes.elect(1, 1, "led", 0).await, ErrorCode::ELECTION_NOT_NEEDED);
    assert_eq!(nodes.elect(2, 0, "led", 9).await, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    nodes.running[preferred].take().unwrap().stop().await.unwrap();
    let other = (preferred + 1) % 3;
    let acting = nodes.leader(other, key).expect("another leader");
    assert_eq!(nodes.elect(other, 0, "led", 0).await, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    let back = nodes.start_one(preferred).await;
    nodes.running[preferred] = Some(back);
    nodes.in_sync("led", 3).await;

    let partition = FetchPartition { current_leader_epoch: -1, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic_id, partitions: vec![partition], ..Default::default() };
    let waiting = FetchRequest {
        max_wait_ms: 600_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic],
        ..Default::default()
    };
    let mut consumer = nodes.client(acting).await;
    let elect = async {
        let hosted = nodes.node(acting).node.replicas.get(key).unwrap();
        while !hosted.is_waited_for() {
            tokio::task::yield_now().await;
        }
        nodes.elect(other, 0, "led", 0).await
    };
    let (fetched, elected) = tokio::join!(consumer.call(16, &waiting), elect);
    assert_eq!(elected, ErrorCode::NONE);
    let data = &fetched.responses[0].partitions[0];
    assert_eq!(data.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(data.current_leader.leader_id, i32::try_from(preferred).unwrap() + 1);
    let said = &fetched.node_endpoints[0];
    assert_eq!(nodes.node(preferred).advertised()[0], format!("PLAINTEXT://{}:{}", said.host, said.port));
    // It may hear of its leadership a little later than who was asked.
    let next = &nodes.node(preferred).node;
    let mut applied = next.controller.applied().watch();
    while next.replicas.get(key).unwrap().led_since() == LeaderEpoch::NONE {
        tokio::time::timeout(Duration::from_secs(30), applied.changed()).await.expect("it leads in time").unwrap();
    }
    let (code, base_offset) = nodes.produce(preferred, key, "to whom the hint says").await;
    assert_eq!((code, base_offset), (ErrorCode::NONE, 0));
    nodes.stop().await;
}

#[tokio::test]
async fn a_batch_larger_than_an_answer_to_a_follower_should_be_is_replicated_like_any_other() {
    let nodes = Nodes::start_with("replica.fetch.response.max.bytes=1\nmessage.max.bytes=30000000\n").await;
    assert_eq!(create(&mut nodes.client(0).await, "large", 3).await, ErrorCode::NONE);
    let key = TopicIdPartition { topic_id: nodes.in_sync("large", 3).await, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    let value = "v".repeat(20_000_000);
    assert_eq!(nodes.produce(leader, key, &value).await, (ErrorCode::NONE, 0));
    nodes.stop().await;
}

#[tokio::test]
async fn nobody_is_sent_to_a_leader_that_has_not_the_listener_by_which_he_came() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "led", 3).await, ErrorCode::NONE);
    let key = TopicIdPartition { topic_id: nodes.in_sync("led", 3).await, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    let other = (leader + 1) % 3;
    nodes.running[other].take().unwrap().stop().await.unwrap();
    nodes.properties = format!(
        "listeners=PLAINTEXT://127.0.0.1:0,NEW://127.0.0.1:0,CONTROLLER://127.0.0.1:{}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:0,NEW://127.0.0.1:0\ninter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,NEW:PLAINTEXT,CONTROLLER:PLAINTEXT\n",
        nodes.ports[other]
    );
    nodes.running[other] = Some(nodes.start_one(other).await);
    nodes.in_sync("led", 3).await;
    let addresses = nodes.node(other).advertised();
    let (_, address) = addresses.iter().find(|address| address.starts_with("NEW:")).unwrap().split_once("://").unwrap();
    let mut client = Client::to(address).await;
    let topic = MetadataRequestTopic { name: Some("led".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    for (version, code) in [(5, ErrorCode::LEADER_NOT_AVAILABLE), (12, ErrorCode::LISTENER_NOT_FOUND)] {
        let answered = client.call(version, &request).await;
        assert_eq!(answered.brokers.iter().map(|broker| broker.node_id).collect::<Vec<_>>(), [other as i32 + 1]);
        let partition = &answered.topics[0].partitions[0];
        assert_eq!((partition.error_code, partition.leader_id), (code, -1), "version {version}");
        assert_eq!(partition.offline_replicas.iter().count(), 2);
    }
    nodes.stop().await;
}
