//! Every configuration of a topic, changed while the topic is in use: a case a key, which sees that the change does what the key
//! says. Which values a key takes is not tested here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barnabas_protocol::messages::ProduceRequest;
use barnabas_protocol::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use barnabas_protocol::{ErrorCode, Records as WireRecords};
use barnabas_records::{
    BatchBuilder, BatchHeader, BatchView, Codec, Compression, DecompressLimits, Records, TimestampType,
};
use barnabas_types::{Offset, Timestamp};
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::config::keys::{topic_key, topic_keys};
use crate::replica::{FetchFrom, Isolation, Partition};
use crate::testing::{Broker, Client};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 24 * 60 * 60 * SECOND_MS;

/// What changing a key at run time does.
enum Case {
    /// This can be seen.
    Seen(for<'a> fn(&'a mut Topic) -> LocalBoxFuture<'a, ()>),
    /// Nothing on a single broker without tiered storage: the value, which is taken and shown, and why that is all.
    Kept(&'static str, &'static str),
    /// The value is refused, and why.
    Refused(&'static str, &'static str),
}

use Case::{Kept, Refused, Seen};

const ONE_REPLICA: &str =
    "on one broker a partition has one replica, which is always in sync and leads; there is nobody to replicate to";
const NO_TIERS: &str = "there is no tiered storage: all records are local";

#[rustfmt::skip]
const CASES: &[(&str, Case)] = &[
    ("barnabas.durability", Seen(|topic| topic.durability().boxed_local())),
    ("cleanup.policy", Seen(|topic| topic.cleanup_policy().boxed_local())),
    ("compression.gzip.level", Seen(|topic| topic.compression_level("gzip", "1", "9").boxed_local())),
    ("compression.lz4.level", Seen(|topic| topic.compression_level("lz4", "9", "12").boxed_local())),
    ("compression.type", Seen(|topic| topic.compression_type().boxed_local())),
    ("compression.zstd.level", Seen(|topic| topic.compression_level("zstd", "1", "19").boxed_local())),
    ("delete.retention.ms", Seen(|topic| topic.delete_retention_ms().boxed_local())),
    ("file.delete.delay.ms", Seen(|topic| topic.file_delete_delay_ms().boxed_local())),
    ("flush.messages", Seen(|topic| topic.flush_messages().boxed_local())),
    ("flush.ms", Seen(|topic| topic.flush_ms().boxed_local())),
    ("follower.replication.throttled.replicas", Kept("0:1", ONE_REPLICA)),
    ("index.interval.bytes", Seen(|topic| topic.index_interval_bytes().boxed_local())),
    ("internal.segment.bytes", Seen(|topic| topic.internal_segment_bytes().boxed_local())),
    ("leader.replication.throttled.replicas", Kept("*", ONE_REPLICA)),
    ("local.retention.bytes", Kept("1000", NO_TIERS)),
    ("local.retention.ms", Kept("1000", NO_TIERS)),
    ("max.compaction.lag.ms", Seen(|topic| topic.max_compaction_lag_ms().boxed_local())),
    ("max.message.bytes", Seen(|topic| topic.max_message_bytes().boxed_local())),
    ("message.timestamp.after.max.ms", Seen(|topic| topic.message_timestamp_after_max_ms().boxed_local())),
    ("message.timestamp.before.max.ms", Seen(|topic| topic.message_timestamp_before_max_ms().boxed_local())),
    ("message.timestamp.type", Seen(|topic| topic.message_timestamp_type().boxed_local())),
    ("min.cleanable.dirty.ratio", Seen(|topic| topic.min_cleanable_dirty_ratio().boxed_local())),
    ("min.compaction.lag.ms", Seen(|topic| topic.min_compaction_lag_ms().boxed_local())),
    ("min.insync.replicas", Kept("2", ONE_REPLICA)),
    ("preallocate", Seen(|topic| topic.preallocate().boxed_local())),
    ("remote.log.copy.disable", Kept("true", NO_TIERS)),
    ("remote.log.delete.on.disable", Kept("true", NO_TIERS)),
    ("remote.storage.enable", Refused("true", NO_TIERS)),
    ("retention.bytes", Seen(|topic| topic.retention_bytes().boxed_local())),
    ("retention.ms", Seen(|topic| topic.retention_ms().boxed_local())),
    ("segment.bytes", Seen(|topic| topic.segment_bytes().boxed_local())),
    ("segment.index.bytes", Seen(|topic| topic.segment_index_bytes().boxed_local())),
    ("segment.jitter.ms", Seen(|topic| topic.segment_jitter_ms().boxed_local())),
    ("segment.ms", Seen(|topic| topic.segment_ms().boxed_local())),
    ("unclean.leader.election.enable", Kept("true", ONE_REPLICA)),
];

/// A topic of one partition that is in use, and a client.
struct Topic {
    name: String,
    client: Client,
    partition: Arc<Partition>,
    directory: PathBuf,
    /// The time of the next record; far enough in the past for any to come.
    time: i64,
}

/// A record as it was stored.
#[derive(Debug, PartialEq, Eq)]
struct Stored {
    offset: i64,
    key: Option<Vec<u8>>,
    is_tombstone: bool,
}

impl Topic {
    async fn make(broker: &Broker, name: &str) -> Self {
        let mut client = broker.connect().await;
        let topic_id = client.make_topic(name, 1).await;
        let node = &broker.running.node;
        let hosted = node.replicas.all().into_iter().find(|partition| partition.key.topic_id == topic_id);
        let directory = node.directories.all()[0].path.join(format!("{name}-0"));
        let time = node.runtime.wall().0 - 3 * DAY_MS;
        Self { name: name.to_owned(), client, partition: hosted.unwrap(), directory, time }
    }

    /// Sets a configuration of the topic.
    async fn set(&mut self, key: &str, value: &str) {
        let code = self.client.change(1, TOPIC, &self.name, (key, 0, Some(value))).await;
        assert_eq!(code, ErrorCode::NONE, "{key}={value}");
    }

    /// Produces one record of `value` bytes or, with none, a tombstone, and waits until it is kept.
    async fn try_produce(&mut self, key: Option<&str>, value: Option<&[u8]>) -> PartitionProduceResponse<'static> {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        builder.append(Timestamp(self.time), key.map(str::as_bytes), value, &[]).unwrap();
        let bytes = builder.build().unwrap();
        let data = PartitionProduceData { records: Some(WireRecords::Borrowed(&bytes)), ..Default::default() };
        let name = self.name.clone().into();
        let topic_data = vec![TopicProduceData { name, partition_data: vec![data], ..Default::default() }];
        let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() };
        self.client.call(12, &request).await.responses.remove(0).partition_responses.remove(0)
    }

    async fn produce_under(&mut self, key: Option<&str>, value: Option<&[u8]>) {
        let produced = self.try_produce(key, value).await;
        assert_eq!(produced.error_code, ErrorCode::NONE, "{:?}", produced.error_message);
    }

    async fn produce(&mut self) {
        self.produce_under(Some("key"), Some(b"value")).await;
    }

    /// Lets so much time pass between two records.
    fn pass(&mut self, ms: i64) {
        self.time += ms;
    }

    fn segments(&self) -> usize {
        self.partition.with_log(|log| log.segments())
    }

    /// Where the active segment begins.
    fn active(&self) -> Offset {
        self.partition.with_log(|log| log.segment_base_offsets().last()).unwrap()
    }

    /// How many records are not synced.
    fn unsynced(&self) -> i64 {
        self.partition.with_log(|log| log.log_end().0 - log.durable_end().0)
    }

    /// The sizes of the topic's files whose names end in `ending`, by name.
    fn files(&self, ending: &str) -> Vec<(String, u64)> {
        let entries = std::fs::read_dir(&self.directory).unwrap().map_while(Result::ok);
        let named = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            // What is being removed may be gone.
            let size = entry.metadata().ok()?.len();
            name.ends_with(ending).then_some((name, size))
        });
        let mut files: Vec<_> = named.collect();
        files.sort();
        files
    }

    /// All batches, with the records in them.
    fn read(&self) -> Vec<(BatchHeader, Vec<Stored>)> {
        let mut offset = self.partition.marks().log_start;
        let mut read = Vec::new();
        loop {
            let from = FetchFrom::batches(offset, 1 << 20, Isolation::ReadUncommitted);
            let Some(region) = self.partition.fetch(from).unwrap().region else { return read };
            let bytes = region.bytes().unwrap();
            for batch in barnabas_records::batches(&bytes).map_while(Result::ok) {
                offset = batch.header().next_offset();
                let view = BatchView::parse(batch.bytes()).unwrap();
                let mut records = Records::new(&view, DecompressLimits::default()).unwrap();
                let mut stored = Vec::new();
                while let Some(record) = records.next().unwrap() {
                    let (key, is_tombstone) = (record.key.map(<[u8]>::to_vec), record.value.is_none());
                    stored.push(Stored { offset: record.offset.0, key, is_tombstone });
                }
                read.push((*batch.header(), stored));
            }
        }
    }

    fn newest_batch(&self) -> BatchHeader {
        self.read().pop().unwrap().0
    }

    /// The cleaner and retention come round by themselves.
    async fn until(&self, what: &str, happened: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !happened(self) {
            assert!(began.elapsed() < Duration::from_secs(30), "{}: {what}", self.name);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Records under one key, each in a segment of its own, and one that is the active segment.
    async fn overwrite_in_segments(&mut self) {
        self.set("segment.ms", "1").await;
        for _ in 0..4 {
            self.pass(SECOND_MS);
            self.produce().await;
        }
    }

    /// Whether the cleaner would find anything to do.
    fn is_due(&self) -> bool {
        let stable = self.partition.marks().last_stable_offset;
        let now = Timestamp(self.time + 3 * DAY_MS);
        let cleanable = self.partition.with_log(|log| log.cleanable(stable, now));
        cleanable.is_some_and(|cleanable| cleanable.is_due(cleanable.overdue_ms().unwrap()))
    }

    /// Waits until all sealed segments are compacted.
    async fn compacted(&self) {
        self.until("compacted", |topic| {
            topic.partition.with_log(|log| Some(log.cleaned_to()) == log.segment_base_offsets().last())
        })
        .await;
    }

    async fn durability(&mut self) {
        self.set("barnabas.durability", "replicated").await;
        self.produce().await;
        assert_eq!((self.unsynced(), self.partition.marks().high_watermark), (1, Offset(1)));
        self.set("barnabas.durability", "fsync").await;
        self.produce().await;
        assert_eq!(self.unsynced(), 0);
    }

    async fn cleanup_policy(&mut self) {
        self.overwrite_in_segments().await;
        self.produce_under(None, Some(b"no key")).await;
        assert!(!self.is_due());
        self.set("cleanup.policy", "compact").await;
        assert_eq!(self.try_produce(None, Some(b"no key")).await.error_code, ErrorCode::INVALID_RECORD);
        self.compacted().await;
        assert_eq!(
            self.read().iter().map(|(_, records)| records.len()).sum::<usize>(),
            3,
            "one is in no sealed segment"
        );
        self.set("retention.bytes", "0").await;
        let doomed = crate::storage::retention::apply(&self.partition, Timestamp(self.time + 3 * DAY_MS)).unwrap();
        assert_eq!(doomed.len(), 0, "what is compacted only is not let go");
        self.set("cleanup.policy", "compact,delete").await;
        self.until("let go", |topic| topic.segments() == 1).await;
    }

    async fn compression_type(&mut self) {
        for (name, codec) in [
            ("gzip", Codec::Gzip),
            ("snappy", Codec::Snappy),
            ("lz4", Codec::Lz4),
            ("zstd", Codec::Zstd),
            ("uncompressed", Codec::None),
            ("producer", Codec::None),
        ] {
            self.set("compression.type", name).await;
            self.produce_under(None, Some(&[7; 1000])).await;
            assert_eq!(self.newest_batch().codec().unwrap(), codec);
        }
    }

    /// The better level makes smaller batches of the same text.
    async fn compression_level(&mut self, codec: &str, fast: &str, good: &str) {
        self.set("compression.type", codec).await;
        let words = ["castle", "village", "messenger", "letter", "bridge", "snow", "inn", "surveyor"];
        let mut seed = 1_u64;
        let text: String = (0..20_000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                words[(seed >> 61) as usize]
            })
            .collect();
        let mut sizes = Vec::new();
        for level in [fast, good] {
            self.set(&format!("compression.{codec}.level"), level).await;
            self.produce_under(None, Some(text.as_bytes())).await;
            sizes.push(self.newest_batch().size_bytes());
        }
        assert!(sizes[1] < sizes[0], "{sizes:?}");
    }

    async fn delete_retention_ms(&mut self) {
        self.set("cleanup.policy", "compact").await;
        self.set("min.cleanable.dirty.ratio", "0").await;
        self.set("segment.ms", "1").await;
        let tombstones = |topic: &Self| {
            let records = topic.read().into_iter().flat_map(|(_, records)| records);
            records.filter(|record| record.is_tombstone).map(|record| record.key.unwrap()).collect::<Vec<_>>()
        };
        self.produce_under(Some("kept"), None).await;
        self.overwrite_in_segments().await;
        self.compacted().await;
        self.set("delete.retention.ms", "0").await;
        self.pass(SECOND_MS);
        self.produce_under(Some("gone"), None).await;
        // The first pass that meets a tombstone writes down its time; a later one lets it go.
        while tombstones(self) != [b"kept"] {
            self.overwrite_in_segments().await;
            self.compacted().await;
        }
    }

    async fn file_delete_delay_ms(&mut self) {
        self.set("file.delete.delay.ms", &DAY_MS.to_string()).await;
        self.overwrite_in_segments().await;
        self.set("retention.bytes", "0").await;
        self.until("let go", |topic| topic.segments() == 1).await;
        let waiting = self.files(".deleted");
        assert!(waiting.len() >= 3, "{waiting:?}");
        self.set("file.delete.delay.ms", "0").await;
        self.overwrite_in_segments().await;
        self.until("let go and removed", |topic| topic.segments() == 1 && topic.files(".deleted") == waiting).await;
    }

    async fn flush_messages(&mut self) {
        self.set("barnabas.durability", "replicated").await;
        self.produce().await;
        assert_eq!(self.unsynced(), 1);
        self.set("flush.messages", "3").await;
        self.produce().await;
        assert_eq!(self.unsynced(), 2);
        self.produce().await;
        assert_eq!(self.unsynced(), 0);
    }

    async fn flush_ms(&mut self) {
        self.set("barnabas.durability", "replicated").await;
        self.produce().await;
        assert_eq!(self.unsynced(), 1);
        self.set("flush.ms", "1").await;
        self.produce().await;
        self.until("synced", |topic| topic.unsynced() == 0).await;
    }

    async fn index_interval_bytes(&mut self) {
        for (interval, entries) in [("4096", 0), ("0", 10)] {
            self.set("index.interval.bytes", interval).await;
            for _ in 0..11 {
                self.produce().await;
            }
            self.set("segment.ms", "1").await;
            self.pass(SECOND_MS);
            self.produce().await;
            self.set("segment.ms", &DAY_MS.to_string()).await;
            let sealed = self.files(".index").into_iter().rev().nth(1).unwrap();
            // The first batch of a segment needs no entry; the one that the segment before ended with is the first here.
            assert!((entries..entries + 2).contains(&(sealed.1 / 8)), "{interval}: {sealed:?}");
        }
    }

    async fn internal_segment_bytes(&mut self) {
        self.produce().await;
        self.produce().await;
        assert_eq!(self.segments(), 1);
        self.set("internal.segment.bytes", "100").await;
        self.produce().await;
        self.produce().await;
        assert_eq!(self.segments(), 3);
    }

    async fn max_compaction_lag_ms(&mut self) {
        self.set("cleanup.policy", "compact").await;
        self.set("min.cleanable.dirty.ratio", "1").await;
        self.overwrite_in_segments().await;
        assert!(!self.is_due());
        self.set("max.compaction.lag.ms", "1").await;
        self.compacted().await;
        self.set("segment.ms", &DAY_MS.to_string()).await;
        let active = self.active();
        self.pass(SECOND_MS);
        self.produce().await;
        assert_eq!(self.active(), active.plus(1), "what must be compacted in time is sealed in time");
    }

    async fn max_message_bytes(&mut self) {
        self.produce_under(None, Some(&[7; 2000])).await;
        self.set("max.message.bytes", "1000").await;
        assert_eq!(self.try_produce(None, Some(&[7; 2000])).await.error_code, ErrorCode::MESSAGE_TOO_LARGE);
        self.set("max.message.bytes", "3000").await;
        self.produce_under(None, Some(&[7; 2000])).await;
    }

    async fn message_timestamp_after_max_ms(&mut self) {
        // An hour and two minutes from now.
        self.pass(3 * DAY_MS + 3_720 * SECOND_MS);
        assert_eq!(self.try_produce(None, Some(b"value")).await.error_code, ErrorCode::INVALID_TIMESTAMP);
        self.set("message.timestamp.after.max.ms", &DAY_MS.to_string()).await;
        self.produce().await;
    }

    async fn message_timestamp_before_max_ms(&mut self) {
        self.produce().await;
        self.set("message.timestamp.before.max.ms", &DAY_MS.to_string()).await;
        assert_eq!(self.try_produce(None, Some(b"value")).await.error_code, ErrorCode::INVALID_TIMESTAMP);
    }

    async fn message_timestamp_type(&mut self) {
        self.produce().await;
        assert_eq!(self.newest_batch().max_timestamp, Timestamp(self.time));
        self.set("message.timestamp.type", "LogAppendTime").await;
        let produced = self.try_produce(None, Some(b"value")).await;
        let newest = self.newest_batch();
        assert_eq!(newest.attributes.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(newest.max_timestamp, Timestamp(produced.log_append_time_ms));
        assert!(newest.max_timestamp > Timestamp(self.time + DAY_MS));
    }

    async fn min_cleanable_dirty_ratio(&mut self) {
        self.set("cleanup.policy", "compact").await;
        self.set("min.cleanable.dirty.ratio", "1").await;
        self.overwrite_in_segments().await;
        assert!(!self.is_due());
        self.set("min.cleanable.dirty.ratio", "0.9").await;
        self.compacted().await;
    }

    async fn min_compaction_lag_ms(&mut self) {
        self.set("cleanup.policy", "compact").await;
        self.set("min.compaction.lag.ms", &(30 * DAY_MS).to_string()).await;
        self.overwrite_in_segments().await;
        assert!(!self.is_due());
        self.set("min.compaction.lag.ms", &DAY_MS.to_string()).await;
        self.compacted().await;
    }

    async fn preallocate(&mut self) {
        self.set("segment.bytes", "1048576").await;
        self.produce().await;
        assert!(self.files(".log")[0].1 < 1 << 20);
        self.set("preallocate", "true").await;
        self.produce().await;
        assert_eq!(self.files(".log")[0].1, 1 << 20);
    }

    async fn retention_bytes(&mut self) {
        self.overwrite_in_segments().await;
        let size = self.newest_batch().size_bytes() as u64;
        self.set("retention.bytes", &(2 * size).to_string()).await;
        self.until("let go", |topic| topic.partition.size_bytes() == 2 * size).await;
        assert_eq!(self.partition.marks().log_start, Offset(2));
    }

    async fn retention_ms(&mut self) {
        self.produce().await;
        self.set("retention.ms", &DAY_MS.to_string()).await;
        self.until("let go", |topic| topic.partition.marks().log_start == Offset(1)).await;
        self.set("retention.ms", "-1").await;
        self.produce().await;
        assert_eq!(self.read().len(), 1);
    }

    async fn segment_bytes(&mut self) {
        for (value, segments) in [("1073741824", 1), ("1048576", 3)] {
            self.set("segment.bytes", value).await;
            for _ in 0..2 {
                self.produce_under(None, Some(&[7; 700_000])).await;
            }
            assert_eq!(self.segments(), segments);
        }
    }

    async fn segment_index_bytes(&mut self) {
        self.set("index.interval.bytes", "0").await;
        for (value, segments) in [("10485760", 1), ("16", 5)] {
            self.set("segment.index.bytes", value).await;
            for _ in 0..4 {
                self.produce().await;
            }
            assert_eq!(self.segments(), segments);
        }
    }

    /// By how much the jitter shortens a segment is in its name; it is not as little as two of 86,400,000.
    async fn segment_jitter_ms(&mut self) {
        self.set("segment.ms", &DAY_MS.to_string()).await;
        self.produce().await;
        self.pass(DAY_MS - 1);
        self.produce().await;
        assert_eq!(self.segments(), 1);
        self.set("segment.jitter.ms", &DAY_MS.to_string()).await;
        self.produce().await;
        assert_eq!(self.segments(), 2);
    }

    async fn segment_ms(&mut self) {
        self.produce().await;
        self.pass(DAY_MS);
        self.produce().await;
        assert_eq!(self.segments(), 1);
        self.set("segment.ms", &(DAY_MS - 1).to_string()).await;
        self.produce().await;
        assert_eq!(self.segments(), 2);
    }
}

async fn broker() -> Broker {
    Broker::start_with("log.retention.check.interval.ms=10\nlog.cleaner.backoff.ms=5\n").await
}

#[tokio::test]
async fn every_key_of_a_topic_takes_effect_while_the_topic_is_in_use() {
    let broker = broker().await;
    for (key, case) in CASES {
        let began = Instant::now();
        let mut topic = Topic::make(&broker, key).await;
        match case {
            Seen(case) => case(&mut topic).await,
            Kept(value, _why) => {
                topic.set(key, value).await;
                topic.produce().await;
                assert_eq!(topic.client.value(TOPIC, key, key).await, ((*value).to_owned(), 1));
            }
            Refused(value, _why) => {
                let code = topic.client.change(1, TOPIC, key, (key, 0, Some(value))).await;
                assert_eq!(code, ErrorCode::INVALID_CONFIG, "{key}={value}");
            }
        }
        // Shown when the test fails, or is run with --nocapture.
        println!("{key}: {:?}", began.elapsed());
    }
}

#[test]
fn every_key_of_a_topic_has_a_case_and_says_so_in_its_row() {
    let rows = topic_keys().iter().filter(|row| row.is_served()).map(|row| row.name);
    assert_eq!(CASES.iter().map(|(key, _)| *key).collect::<Vec<_>>(), rows.collect::<Vec<_>>());
    for (key, case) in CASES {
        let has_effect = topic_key(key).unwrap().has_effect();
        match case {
            Seen(_) => assert!(has_effect, "{key}"),
            Kept(_, why) if *why == ONE_REPLICA => {}
            Kept(..) | Refused(..) => assert!(!has_effect, "{key}"),
        }
    }
}

#[tokio::test]
async fn what_topics_inherit_changes_for_topics_in_use() {
    let broker = broker().await;
    let mut topic = Topic::make(&broker, "t").await;
    // Set on all brokers, and over that on this one.
    for (resource, value, expected) in
        [("", "2000", ErrorCode::MESSAGE_TOO_LARGE), ("1", "4000", ErrorCode::NONE), ("", "1000", ErrorCode::NONE)]
    {
        let set = ("message.max.bytes", 0, Some(value));
        assert_eq!(topic.client.change(1, BROKER, resource, set).await, ErrorCode::NONE);
        assert_eq!(topic.try_produce(None, Some(&[7; 3000])).await.error_code, expected, "{resource}: {value}");
    }
    topic.set("max.message.bytes", "2000").await;
    assert_eq!(topic.try_produce(None, Some(&[7; 3000])).await.error_code, ErrorCode::MESSAGE_TOO_LARGE);
}
