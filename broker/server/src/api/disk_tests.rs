//! What clients see of full, failed and damaged disks, against a running node over a socket.

use barnabas_protocol::messages::create_topics::CreatableTopic;
use barnabas_protocol::messages::fetch::{FetchPartition, FetchTopic};
use barnabas_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use barnabas_protocol::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use barnabas_protocol::messages::*;
use barnabas_protocol::{ErrorCode, Records};
use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::{Offset, Timestamp, Uuid};

use crate::testing::{Broker, Client};

const ALL: i16 = -1;
const LEADER: i16 = 1;

impl Client {
    pub(super) async fn make_topic(&mut self, name: &str, partitions: i32) -> Uuid {
        let topic = CreatableTopic {
            name: name.to_owned().into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let created = self.call(7, &request).await.topics.remove(0);
        assert_eq!(created.error_code, ErrorCode::NONE);
        created.topic_id
    }

    async fn produce_one(&mut self, topic: &str, partition: i32, acks: i16) -> PartitionProduceResponse<'static> {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        builder.append(Timestamp(1_000_000), None, Some(b"value"), &[]).unwrap();
        let bytes = builder.build().unwrap();
        let data =
            PartitionProduceData { index: partition, records: Some(Records::Borrowed(&bytes)), ..Default::default() };
        let topic =
            TopicProduceData { name: topic.to_owned().into(), partition_data: vec![data], ..Default::default() };
        let request = ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        self.call(12, &request).await.responses.remove(0).partition_responses.remove(0)
    }

    async fn fetch_code(&mut self, topic_id: Uuid, partition: i32) -> ErrorCode {
        let partition = FetchPartition { partition, partition_max_bytes: 1 << 20, ..Default::default() };
        let topic = FetchTopic { topic_id, partitions: vec![partition], ..Default::default() };
        let request = FetchRequest { max_bytes: 1 << 20, topics: vec![topic], ..Default::default() };
        let mut response = self.call(13, &request).await;
        response.responses.remove(0).partitions.remove(0).error_code
    }

    async fn latest(&mut self, topic: &str, partition: i32) -> (ErrorCode, i64) {
        let partition = ListOffsetsPartition { partition_index: partition, timestamp: -1, ..Default::default() };
        let topic =
            ListOffsetsTopic { name: topic.to_owned().into(), partitions: vec![partition], ..Default::default() };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let found = self.call(7, &request).await.topics.remove(0).partitions.remove(0);
        (found.error_code, found.offset)
    }
}

#[tokio::test]
async fn below_the_reserve_produce_is_refused_with_the_reason_and_the_rest_is_served() {
    let broker = Broker::start_with("barnabas.log.dir.reserve.bytes=9223372036854775807\n").await;
    let mut client = broker.connect().await;
    let topic_id = client.make_topic("t", 1).await;
    for acks in [ALL, LEADER] {
        let refused = client.produce_one("t", 0, acks).await;
        assert_eq!((refused.error_code, refused.base_offset), (ErrorCode::KAFKA_STORAGE_ERROR, -1));
        assert!(refused.error_message.unwrap().contains("disk is full"));
    }
    assert_eq!(client.fetch_code(topic_id, 0).await, ErrorCode::NONE);
    assert_eq!(client.latest("t", 0).await, (ErrorCode::NONE, 0));
    let page = String::from_utf8(broker.running.node.metrics.render().unwrap()).unwrap();
    for line in ["barnabas_log_directory_full{", "barnabas_log_directory_full_total{", "barnabas_log_directory_online{"]
    {
        let figure = page.lines().find(|found| found.starts_with(line)).unwrap();
        assert!(figure.ends_with(" 1"), "{figure}");
    }
}

#[tokio::test]
async fn a_failed_directory_is_told_of_and_the_other_one_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let second = root.path().join("second");
    let broker = Broker::start_with(&format!("log.dirs={{data}},{}\n", second.display())).await;
    let mut client = broker.connect().await;
    let topic_id = client.make_topic("t", 2).await;
    for partition in 0..2 {
        assert_eq!(client.produce_one("t", partition, ALL).await.error_code, ErrorCode::NONE);
    }
    let node = &broker.running.node;
    let failing = node.directories.all().iter().find(|directory| directory.path == second).unwrap();
    let lost = node.replicas.all().iter().find(|hosted| hosted.directory == failing.id).unwrap().name.partition;
    failing.condition.fail(&std::io::Error::from_raw_os_error(5));
    while client.fetch_code(topic_id, lost).await != ErrorCode::KAFKA_STORAGE_ERROR {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.produce_one("t", lost, ALL).await.error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(client.latest("t", lost).await.0, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(client.produce_one("t", 1 - lost, ALL).await.error_code, ErrorCode::NONE);
    assert_eq!(client.latest("t", 1 - lost).await, (ErrorCode::NONE, 2));
    let everything = DescribeLogDirsRequest { topics: None, ..Default::default() };
    for version in 1..=5 {
        let described = client.call(version, &everything).await.results;
        let found = |failed: bool| {
            described.iter().find(|result| (*result.log_dir == *second.to_str().unwrap()) == failed).unwrap()
        };
        assert_eq!((found(true).error_code, found(true).topics.len()), (ErrorCode::KAFKA_STORAGE_ERROR, 0));
        let sound = found(false);
        assert_eq!((sound.error_code, sound.topics[0].partitions.len()), (ErrorCode::NONE, 1));
        assert!(sound.topics[0].partitions[0].partition_size > 0 && !sound.topics[0].partitions[0].is_future_key);
        assert!(version < 4 || sound.total_bytes >= sound.usable_bytes && sound.usable_bytes > 0);
    }
}

#[tokio::test]
async fn nothing_new_is_placed_in_a_cordoned_directory_and_it_is_told_of() {
    let root = tempfile::tempdir().unwrap();
    let second = root.path().join("second");
    let properties = format!("log.dirs={{data}},{0}\ncordoned.log.dirs={0}\n", second.display());
    let broker = Broker::start_with(&properties).await;
    let mut client = broker.connect().await;
    client.make_topic("t", 3).await;
    let everything = DescribeLogDirsRequest { topics: None, ..Default::default() };
    for result in client.call(5, &everything).await.results {
        let is_second = *result.log_dir == *second.to_str().unwrap();
        let partitions: usize = result.topics.iter().map(|topic| topic.partitions.len()).sum();
        assert_eq!((result.is_cordoned, partitions), (is_second, if is_second { 0 } else { 3 }));
    }
}

#[tokio::test]
async fn a_node_ends_when_the_disk_of_its_metadata_fails() {
    let broker = Broker::start().await;
    let directory = &broker.running.node.directories.all()[0];
    directory.condition.fail(&std::io::Error::from_raw_os_error(5));
    broker.running.failed().await;
}

#[tokio::test]
async fn a_directory_whose_quorum_stopped_by_itself_is_not_called_clean() {
    let root = tempfile::tempdir().unwrap();
    let sign = |name: &str| root.path().join(name).join(".kafka_cleanshutdown").exists();
    let path = |name: &str| root.path().join(name).display().to_string();
    for (stops_by_itself, data) in [(false, "sound"), (true, "failed")] {
        let broker = Broker::start_with(&format!("log.dirs={},{}\n", path(data), path(&format!("{data}-too")))).await;
        if stops_by_itself {
            broker.running.node.controller.stop().await;
            broker.running.failed().await;
        }
        let _stopped = broker.running.stop().await;
        assert_eq!((sign(data), sign(&format!("{data}-too"))), (!stops_by_itself, true));
    }
}

#[tokio::test]
async fn flush_messages_holds_back_the_answer_of_every_acks_until_a_sync() {
    let broker = Broker::start_with("log.flush.interval.messages=1\nbarnabas.durability=replicated\n").await;
    let mut client = broker.connect().await;
    let _topic_id = client.make_topic("t", 1).await;
    for acks in [LEADER, ALL] {
        let produced = client.produce_one("t", 0, acks).await;
        assert_eq!(produced.error_code, ErrorCode::NONE);
        let partition = broker.running.node.replicas.all().remove(0);
        assert_eq!(partition.with_log(|log| log.durable_end()), Offset(produced.base_offset + 1));
    }
}
