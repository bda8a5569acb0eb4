//! Whole runs against a scripted broker: stalls, refusals, broken connections. The broker keeps sequences as Kafka does, so that what is sent
//! again must come in order and once.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barnabas_protocol::messages::api_versions::ApiVersion;
use barnabas_protocol::messages::metadata::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use barnabas_protocol::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, ErrorCode, Message, Reader, Records, RequestHeader, Response, encode_response};
use barnabas_records::BatchView;
use barnabas_types::Segment;
use clap::Parser;

use super::ProduceArguments;

/// What the broker does with a Produce request.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Keep,
    /// Stands still first, with all its connections.
    Stall(Duration),
    Refuse(ErrorCode),
    /// Keeps the records, and closes instead of answering.
    KeepAndClose,
    Close,
}

#[derive(Default)]
struct Kept {
    requests: usize,
    records: u64,
    /// The next sequence by producer and partition.
    next: HashMap<(i64, i32), i32>,
}

struct Broker {
    port: u16,
    script: fn(usize) -> Act,
    kept: Arc<Mutex<Kept>>,
}

impl Broker {
    /// One that leads three partitions of topic t and acts on its nth Produce request, from 1, as `script` says.
    fn start(script: fn(usize) -> Act) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = Arc::new(Self { port, script, kept: Arc::default() });
        let serving = Arc::clone(&broker);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let broker = Arc::clone(&serving);
                // A client that is done closes, which ends the thread.
                std::thread::spawn(move || broker.serve(stream.unwrap()));
            }
        });
        broker
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut frame)?;
            let mut reader = Reader::new(&frame);
            let header = RequestHeader::decode(&mut reader).unwrap();
            let answer = match header.api_key {
                ApiKey::ApiVersions => Some(answer(&header, &versions())),
                ApiKey::Metadata => Some(answer(&header, &self.metadata())),
                ApiKey::InitProducerId => {
                    Some(answer(&header, &InitProducerIdResponse { producer_id: 7, ..Default::default() }))
                }
                ApiKey::Produce => self.produce(&header, &mut reader),
                other => panic!("{other} is not scripted"),
            };
            let Some(answer) = answer else { return Ok(()) };
            stream.write_all(&answer)?;
        }
    }

    fn metadata(&self) -> MetadataResponse<'static> {
        let partition =
            |index| MetadataResponsePartition { partition_index: index, leader_id: 1, ..Default::default() };
        let topic = MetadataResponseTopic {
            name: Some("t".into()),
            partitions: (0..3).map(partition).collect(),
            ..Default::default()
        };
        let broker = MetadataResponseBroker {
            node_id: 1,
            host: "127.0.0.1".into(),
            port: i32::from(self.port),
            ..Default::default()
        };
        MetadataResponse { brokers: vec![broker], topics: vec![topic], ..Default::default() }
    }

    fn produce(&self, header: &RequestHeader<'_>, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
        let request = <ProduceRequest<'_> as Message>::decode(reader, header.api_version).unwrap();
        let mut kept = self.kept.lock().unwrap();
        kept.requests += 1;
        let act = (self.script)(kept.requests);
        if let Act::Stall(duration) = act {
            std::thread::sleep(duration);
        }
        let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
        let results = partitions.map(|partition| {
            let Some(Records::Borrowed(bytes)) = &partition.records else { panic!("no records") };
            let error_code = match act {
                Act::Refuse(code) => code,
                Act::Close => ErrorCode::NONE,
                Act::Keep | Act::Stall(_) | Act::KeepAndClose => kept.keep(partition.index, bytes),
            };
            PartitionProduceResponse { index: partition.index, error_code, ..Default::default() }
        });
        let partition_responses = results.collect();
        let responses = vec![TopicProduceResponse { name: "t".into(), partition_responses, ..Default::default() }];
        let closes = matches!(act, Act::Close | Act::KeepAndClose);
        // Nobody waits for an answer without acks.
        if request.acks == 0 {
            return Some(Vec::new());
        }
        (!closes).then(|| answer(header, &ProduceResponse { responses, ..Default::default() }))
    }
}

impl Kept {
    fn keep(&mut self, partition: i32, bytes: &[u8]) -> ErrorCode {
        let batch = BatchView::parse(bytes).unwrap();
        batch.check_crc().unwrap();
        let header = batch.header();
        if header.has_producer() {
            let next = self.next.entry((header.producer_id.0, partition)).or_default();
            if header.base_sequence < *next {
                return ErrorCode::DUPLICATE_SEQUENCE_NUMBER;
            }
            if header.base_sequence > *next {
                return ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
            }
            *next += header.record_count;
        }
        self.records += u64::from(header.record_count.unsigned_abs());
        ErrorCode::NONE
    }
}

fn versions() -> ApiVersionsResponse<'static> {
    let api = |(key, max_version): (ApiKey, i16)| ApiVersion {
        api_key: key.number(),
        min_version: 0,
        max_version,
        ..Default::default()
    };
    let apis = [(ApiKey::ApiVersions, 3), (ApiKey::Metadata, 12), (ApiKey::InitProducerId, 4), (ApiKey::Produce, 9)];
    ApiVersionsResponse { api_keys: apis.into_iter().map(api).collect(), ..Default::default() }
}

fn answer<R: Response>(header: &RequestHeader<'_>, response: &R) -> Vec<u8> {
    // A client asks for ApiVersions in its newest version before it knows better; the scripted broker answers in that.
    let segments = encode_response(header.correlation_id, header.api_version, response).unwrap();
    let bytes = segments.into_iter().map(|segment| match segment {
        Segment::Bytes(bytes) => bytes.to_vec(),
        Segment::File(_) => panic!("no file in an answer"),
    });
    bytes.collect::<Vec<_>>().concat()
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    produce: ProduceArguments,
}

/// Runs `perf produce` and gives its verdict and report.
fn produce(broker: &Broker, flags: &str) -> (bool, serde_json::Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let line =
        format!("x --topic t --bootstrap-server 127.0.0.1:{} --quiet --output json {}", broker.port, file.display());
    let line = line.split(' ').chain(flags.split(' '));
    let verdict = super::run(&Line::try_parse_from(line).unwrap().produce).unwrap();
    (verdict, serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

#[test]
fn a_broker_that_stands_still_is_charged_for_every_record_that_was_due() {
    let broker =
        Broker::start(|request| if request == 100 { Act::Stall(Duration::from_millis(400)) } else { Act::Keep });
    let flags = "--rate 1000 --duration-seconds 1 --linger-ms 0 --record-size 50 --connections 2";
    let (verdict, report) = produce(&broker, flags);
    assert!(verdict);
    assert_eq!((&report["records"], &report["latency_us"]["count"]), (&1_000.into(), &1_000.into()));
    assert_eq!(broker.kept.lock().unwrap().records, 1_000);
    // 400 of 1,000 records were due in the stall, so that the slowest tenth waited for most of it.
    let p90_us = report["latency_us"]["p90"].as_f64().unwrap();
    assert!(p90_us > 250_000.0, "p90 {p90_us} µs");
}

#[test]
fn refused_requests_are_sent_again_in_order() {
    let broker = Broker::start(|request| match request {
        3 | 4 | 9 => Act::Refuse(ErrorCode::REQUEST_TIMED_OUT),
        _ => Act::Keep,
    });
    let (verdict, report) = produce(&broker, "--num-records 2000 --batch-size 1000 --record-size 50 --idempotent");
    assert!(verdict);
    assert_eq!(broker.kept.lock().unwrap().records, 2_000);
    assert_eq!(report["errors_by_code"]["REQUEST_TIMED_OUT"], 3);
    assert!(report["retries"].as_u64().unwrap() >= 3);
    assert_eq!((&report["failed_records"], &report["records"]), (&0.into(), &2_000.into()));
}

#[test]
fn a_broken_connection_loses_nothing_and_repeats_nothing() {
    let broker = Broker::start(|request| match request {
        5 => Act::Close,
        12 => Act::KeepAndClose,
        _ => Act::Keep,
    });
    let flags = "--num-records 3000 --batch-size 1000 --record-size 50 --idempotent --keyed";
    let (verdict, report) = produce(&broker, flags);
    assert!(verdict);
    assert_eq!(broker.kept.lock().unwrap().records, 3_000);
    assert_eq!((&report["reconnects"], &report["records"]), (&2.into(), &3_000.into()));
}

#[test]
fn records_that_are_refused_for_good_are_given_up_and_fail_the_run() {
    let broker =
        Broker::start(|request| if request == 2 { Act::Refuse(ErrorCode::MESSAGE_TOO_LARGE) } else { Act::Keep });
    let (verdict, report) = produce(&broker, "--num-records 100 --batch-size 0 --record-size 50");
    assert!(!verdict);
    assert_eq!((&report["failed_records"], &report["records"]), (&1.into(), &99.into()));
    assert_eq!(report["errors_by_code"]["MESSAGE_TOO_LARGE"], 1);
}

#[test]
fn a_leader_that_moved_is_looked_up_again() {
    let broker = Broker::start(|request| match request {
        2 => Act::Refuse(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        _ => Act::Keep,
    });
    let (verdict, report) = produce(&broker, "--num-records 500 --batch-size 1000 --record-size 50");
    assert!(verdict);
    assert_eq!((&report["reconnects"], &report["records"]), (&1.into(), &500.into()));
}

#[test]
fn without_acks_records_count_once_the_socket_has_them() {
    let broker = Broker::start(|_| Act::Keep);
    let (verdict, report) = produce(&broker, "--num-records 2000 --record-size 50 --acks 0 --connections 3");
    assert!(verdict);
    assert_eq!((&report["records"], &report["errors"]), (&2_000.into(), &0.into()));
}
