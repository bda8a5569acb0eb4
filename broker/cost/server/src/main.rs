//! The workloads that need a broker: whole requests to one in this process, over a connection of this machine, one after the other: all
//! that the broker does for them in user mode, from the socket's readiness to the reply's send. The client's part is a write and a read of
//! the same bytes each time. The kernel's part is in none of them. A program of its own, so that the compiler's choices for the protocol's
//! workloads do not depend on the broker's code.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use barnabas_cost::counted::counted;
use barnabas_cost::workloads::{self, Workload};
use barnabas_protocol::messages::{fetch, produce};
use barnabas_protocol::{ErrorCode, Message, Reader, Records, Request, ResponseHeader, encode_request};
use barnabas_records::{BatchBuilder, Compression};
use barnabas_server::FormatPolicy;
use barnabas_server::config::{BootInput, HostFacts, SourceFile, boot};
use barnabas_server::logging::LogLevel;
use barnabas_server::node::Running;
use barnabas_server::runtime::Runtime;
use barnabas_types::{Offset, Segment, Timestamp};
use tokio::runtime::Builder;

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 100;
/// Requests of a workload: enough that chance, as in hash tables, evens out.
const REQUESTS: usize = 100;
/// Requests before the count begins, so that buffers have their size.
const WARM_UP: usize = 200;
/// What produces in these versions needs no topic ids.
const PRODUCE_VERSION: i16 = 12;
const FETCH_VERSION: i16 = 12;

/// A broker and a connection to it, both served by the thread that calls.
struct Connected {
    runtime: tokio::runtime::Runtime,
    running: Running,
    stream: TcpStream,
    buffer: Vec<u8>,
    _directory: tempfile::TempDir,
}

fn start() -> anyhow::Result<Connected> {
    let directory = tempfile::tempdir()?;
    let text = format!(
        "node.id=1\nlisteners=PLAINTEXT://127.0.0.1:0\nadvertised.listeners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n\
         barnabas.admin.listener=\nbarnabas.durability=replicated\n",
        directory.path().display()
    );
    let environment = BTreeMap::from([("KAFKA_CREATE_TOPICS".to_owned(), format!("{TOPIC}:{PARTITIONS}:1"))]);
    let booted = boot(BootInput {
        files: &[SourceFile { name: "workload".to_owned(), text }],
        environment: &environment,
        overrides: &[],
        strict: true,
        host: &HostFacts { host_name: "localhost".to_owned(), ..HostFacts::default() },
    })?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let level = LogLevel::detached("off")?;
    let running =
        runtime.block_on(async { Running::start(booted, FormatPolicy::IfEmpty, level, Runtime::current()).await })?;
    let address = running.advertised().first().and_then(|one| one.split_once("://"));
    let (_, address) = address.ok_or_else(|| anyhow::anyhow!("the broker says not where it listens"))?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let buffer = vec![0; 64 * 1024];
    Ok(Connected { runtime, running, stream, buffer, _directory: directory })
}

impl Connected {
    /// Sends `frame` and reads the reply into `reply`, its length taken off. The broker runs while the reply is awaited.
    fn exchange(&mut self, frame: &[u8], reply: &mut Vec<u8>) -> std::io::Result<()> {
        self.stream.write_all(frame)?;
        reply.clear();
        loop {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => reply.extend_from_slice(self.buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.runtime.block_on(tokio::task::yield_now());
                }
                Err(error) => return Err(error),
            }
            if let Some((prefix, body)) = reply.split_first_chunk::<4>()
                && usize::try_from(i32::from_be_bytes(*prefix)).is_ok_and(|length| body.len() >= length)
            {
                reply.drain(..4);
                return Ok(());
            }
        }
    }

    /// Counts `REQUESTS` exchanges of `frame`, and stops the broker.
    fn count(mut self, frame: &[u8]) -> Result<(), String> {
        let mut reply = Vec::with_capacity(64 * 1024);
        for _ in 0..WARM_UP {
            self.exchange(frame, &mut reply).map_err(|error| error.to_string())?;
        }
        counted(|| (0..REQUESTS).try_for_each(|_| self.exchange(frame, &mut reply)));
        self.runtime.block_on(self.running.stop()).map_err(|error| error.to_string())
    }
}

fn frame_of<Q: Request>(version: i16, request: &Q) -> Result<Vec<u8>, String> {
    let segments = encode_request(1, version, Some("workload"), request).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(more) => bytes.extend_from_slice(&more),
            Segment::File(_) => return Err("a request has a region of a file".to_owned()),
        }
    }
    Ok(bytes)
}

/// A request with one batch of `records` records of `bytes` bytes for the first `partitions` partitions each.
fn produce_frame(partitions: i32, records: usize, bytes: usize) -> Result<Vec<u8>, String> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    let value = vec![7; bytes];
    for _ in 0..records {
        builder.append(Timestamp(1_700_000_000_000), None, Some(&value), &[]).map_err(|error| error.to_string())?;
    }
    let batch = builder.build().map_err(|error| error.to_string())?;
    let partition = |index| produce::PartitionProduceData {
        index,
        records: Some(Records::Bytes(batch.clone().into())),
        ..Default::default()
    };
    let topic = produce::TopicProduceData {
        name: TOPIC.into(),
        partition_data: (0..partitions).map(partition).collect(),
        ..Default::default()
    };
    let request =
        produce::ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
    frame_of(PRODUCE_VERSION, &request)
}

fn produce(partitions: i32, records: usize, bytes: usize) -> Result<(), String> {
    let mut connected = start().map_err(|error| error.to_string())?;
    let frame = produce_frame(partitions, records, bytes)?;
    let mut reply = Vec::new();
    connected.exchange(&frame, &mut reply).map_err(|error| error.to_string())?;
    let mut reader = Reader::new(&reply);
    ResponseHeader::decode(&mut reader, produce::ProduceRequest::KEY, PRODUCE_VERSION)
        .map_err(|error| error.to_string())?;
    let response = produce::ProduceResponse::decode(&mut reader, PRODUCE_VERSION).map_err(|error| error.to_string())?;
    let mut answers = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    if let Some(bad) = answers.find(|answer| answer.error_code != ErrorCode::NONE) {
        return Err(format!("partition {} answered {:?}", bad.index, bad.error_code));
    }
    connected.count(&frame)
}

/// Reads one batch of each of the first `partitions` partitions, without a session.
fn fetch(partitions: i32) -> Result<(), String> {
    let mut connected = start().map_err(|error| error.to_string())?;
    let mut reply = Vec::new();
    connected.exchange(&produce_frame(partitions, 1, 100)?, &mut reply).map_err(|error| error.to_string())?;
    let partition = |partition| fetch::FetchPartition { partition, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = fetch::FetchTopic {
        topic: TOPIC.into(),
        partitions: (0..partitions).map(partition).collect(),
        ..Default::default()
    };
    let request = fetch::FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let frame = frame_of(FETCH_VERSION, &request)?;
    connected.exchange(&frame, &mut reply).map_err(|error| error.to_string())?;
    let mut reader = Reader::new(&reply);
    ResponseHeader::decode(&mut reader, fetch::FetchRequest::KEY, FETCH_VERSION).map_err(|error| error.to_string())?;
    let response = fetch::FetchResponse::decode(&mut reader, FETCH_VERSION).map_err(|error| error.to_string())?;
    let answers = response.responses.iter().flat_map(|topic| &topic.partitions);
    let full = answers.filter(|answer| answer.records.as_ref().is_some_and(|records| records.len() > 100)).count();
    if i32::try_from(full) != Ok(partitions) {
        return Err(format!("{full} of {partitions} partitions had records"));
    }
    connected.count(&frame)
}

const ALL: &[Workload] = &[
    Workload { name: "100-produce-requests-of-100-b", run: || produce(1, 1, 100) },
    Workload { name: "100-produce-requests-of-16-kib", run: || produce(1, 16, 1024) },
    Workload { name: "100-produce-requests-to-100-partitions", run: || produce(PARTITIONS, 1, 100) },
    Workload { name: "100-fetch-requests-of-1-partition", run: || fetch(1) },
    Workload { name: "100-fetch-requests-of-100-partitions", run: || fetch(PARTITIONS) },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["list"] => {
            ALL.iter().for_each(|workload| println!("{}", workload.name));
            Ok(())
        }
        ["run", name] => workloads::run(ALL.iter().copied(), name),
        _ => Err("expected list or run WORKLOAD; barnabas-cost check calls this".to_owned()),
    };
    result.map_or_else(
        |error| {
            eprintln!("barnabas-cost-server: {error}");
            ExitCode::from(2)
        },
        |()| ExitCode::SUCCESS,
    )
}
