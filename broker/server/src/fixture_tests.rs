//! Directories that earlier versions have left stay readable: each in `fixtures/`, named after its version, opens with all that was
//! put into it. `BARNABAS_FIXTURE=<directory> cargo test -p barnabas-server fixture` writes one for the version that is checked out;
//! it is done once for a version, and what is there is never written again.

use std::path::Path;
use std::time::Duration;

use barnabas_client::{ConfigChange, ConfigResource, Settings};
use barnabas_protocol::messages::create_topics::CreatableTopic;
use barnabas_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use barnabas_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use barnabas_protocol::messages::{FindCoordinatorRequest, OffsetCommitRequest, ProduceRequest};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_records::{BatchBuilder, Compression, DecompressLimits, batches};
use barnabas_types::{Offset, ProducerEpoch, ProducerId, Timestamp};
use tempfile::TempDir;

use crate::replica::{FetchFrom, Isolation, Partition};
use crate::testing::{Broker, Client};

const TOPIC: &str = "orders";
const GROUP: &str = "keepers";
const COMMITTED: i64 = 7;
const RETENTION_MS: &str = "-1";
const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip { level: 6 },
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd { level: 3 },
];

/// The value at `offset`; each batch has two records.
fn value(offset: i64) -> String {
    format!("value of offset {offset}")
}

fn client(broker: &Broker) -> barnabas_client::Client {
    let mut settings = Settings::new(vec![broker.address()], "fixture");
    settings.call_timeout = Duration::from_secs(30);
    barnabas_client::Client::new(settings).unwrap()
}

/// A batch of two records by an idempotent producer, the `number`th.
fn batch(number: i64) -> Vec<u8> {
    let codec = CODECS[usize::try_from(number).unwrap()];
    let sequence = i32::try_from(number * 2).unwrap();
    let mut builder = BatchBuilder::new(Offset(0), codec).producer(ProducerId(4242), ProducerEpoch(0), sequence);
    for offset in [number * 2, number * 2 + 1] {
        builder.append(Timestamp(1_000 + offset), Some(b"key"), Some(value(offset).as_bytes()), &[]).unwrap();
    }
    builder.build().unwrap()
}

impl Client {
    async fn produce_batch(&mut self, number: i64) -> i64 {
        let bytes = batch(number);
        let records = Some(Records::Borrowed(&bytes));
        let data = PartitionProduceData { index: 0, records, ..Default::default() };
        let topic = TopicProduceData { name: TOPIC.into(), partition_data: vec![data], ..Default::default() };
        let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let produced = self.call(12, &request).await.responses.remove(0).partition_responses.remove(0);
        assert_eq!(produced.error_code, ErrorCode::NONE);
        produced.base_offset
    }

    async fn commit_for_group(&mut self) {
        let request = FindCoordinatorRequest { coordinator_keys: vec![GROUP.into()], ..Default::default() };
        while self.call(4, &request).await.coordinators.remove(0).error_code != ErrorCode::NONE {
            tokio::task::yield_now().await;
        }
        let partition = OffsetCommitRequestPartition { committed_offset: COMMITTED, ..Default::default() };
        let topic = OffsetCommitRequestTopic { name: TOPIC.into(), partitions: vec![partition], ..Default::default() };
        let request = OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        while self.call(8, &request).await.topics.remove(0).partitions.remove(0).error_code != ErrorCode::NONE {
            tokio::task::yield_now().await;
        }
    }
}

async fn fill(broker: &Broker) {
    let admin = client(broker);
    let topic = CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    admin.create_topic(&topic, false).await.unwrap();
    let changes = [("retention.ms".to_owned(), ConfigChange::Set(RETENTION_MS.to_owned()))];
    admin.incremental_alter_configs(&ConfigResource::Topic(TOPIC.to_owned()), &changes, false).await.unwrap();
    let mut connection = broker.connect().await;
    for number in 0..CODECS.len() as i64 {
        assert_eq!(connection.produce_batch(number).await, number * 2);
    }
    connection.commit_for_group().await;
}

fn values(partition: &Partition) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    let mut offset = Offset(0);
    loop {
        let from = FetchFrom::batches(offset, 1 << 20, Isolation::ReadUncommitted);
        let Some(region) = partition.fetch(from).unwrap().region else { return found };
        let bytes = region.bytes().unwrap();
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            let mut records = barnabas_records::Records::new(&batch, DecompressLimits::default()).unwrap();
            while let Some(record) = records.next().unwrap() {
                found.push((record.offset.0, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
            }
            offset = batch.header().next_offset();
        }
    }
}

async fn check(broker: &Broker, fixture: &Path) {
    let partition = broker.running.node.replicas.all().into_iter().find(|hosted| *hosted.name.topic == *TOPIC);
    let partition = partition.unwrap_or_else(|| panic!("{} has no {TOPIC}", fixture.display()));
    let expected: Vec<(i64, String)> = (0..CODECS.len() as i64 * 2).map(|offset| (offset, value(offset))).collect();
    assert_eq!(values(&partition), expected, "{}", fixture.display());
    let admin = client(broker);
    let resource = ConfigResource::Topic(TOPIC.to_owned());
    let configs = admin.describe_configs(&resource, Some(&["retention.ms"])).await.unwrap();
    assert_eq!(configs[0].value.as_deref(), Some(RETENTION_MS));
    let committed = loop {
        match admin.offset_fetch(GROUP).await {
            Ok(committed) => break committed,
            Err(error) => assert!(error.code().is_some(), "{error}"),
        }
    };
    assert!(format!("{committed:?}").contains(&COMMITTED.to_string()), "{committed:?}");
    let mut connection = broker.connect().await;
    let last = CODECS.len() as i64 - 1;
    assert_eq!(connection.produce_batch(last).await, last * 2, "the producer's last batch is known");
}

/// All of `from`, into `to`.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

fn properties(data: &Path) -> String {
    format!("log.dirs={}\noffsets.topic.num.partitions=1\n", data.display())
}

async fn start_on_copy(fixture: &Path) -> (Broker, TempDir) {
    let data = tempfile::tempdir().unwrap();
    copy(fixture, data.path());
    (Broker::start_with(&properties(data.path())).await, data)
}

#[tokio::test]
async fn every_fixture_opens_with_all_that_was_put_into_it() {
    if let Ok(target) = std::env::var("BARNABAS_FIXTURE") {
        write(Path::new(&target)).await;
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut count = 0;
    for entry in std::fs::read_dir(&fixtures).unwrap() {
        let path = entry.unwrap().path();
        let (broker, _data) = start_on_copy(&path).await;
        check(&broker, &path).await;
        broker.running.stop().await.unwrap();
        count += 1;
    }
    assert!(count > 0, "{} is empty", fixtures.display());
}

async fn write(target: &Path) {
    std::fs::create_dir_all(target).unwrap();
    assert!(std::fs::read_dir(target).unwrap().next().is_none(), "{} is there already", target.display());
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(&properties(data.path())).await;
    fill(&broker).await;
    broker.running.stop().await.unwrap();
    copy(data.path(), target);
}
