//! A broker and a bare connection to it, for tests that speak to a running node over a socket.

use std::collections::BTreeMap;
use std::path::Path;

use barnabas_protocol::{ApiKey, IntoOwned, Message, Reader, Request, ResponseHeader, encode_request};
use barnabas_types::Segment;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::{Boot, BootInput, HostFacts, SourceFile, boot};
use crate::format::formatted_node_id;
use crate::logging::LogLevel;
use crate::node::{FormatPolicy, Running};
use crate::runtime::Runtime;

/// A broker that runs in this process, on a directory and a port of its own.
pub struct Broker {
    /// The broker.
    pub running: Running,
    _directory: TempDir,
}

impl Broker {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts one with further lines in its properties.
    pub async fn start_with(properties: &str) -> Self {
        Self::start_on(Runtime::current(), properties).await
    }

    /// As `start_with`, on other threads.
    pub async fn start_on(runtime: Runtime, properties: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let booted = booted(directory.path(), properties);
        let level = LogLevel::detached("off").unwrap();
        let running = Running::start(booted, FormatPolicy::IfEmpty, level, runtime);
        Self { running: running.await.unwrap(), _directory: directory }
    }

    /// Where it listens, as host and port.
    pub fn address(&self) -> String {
        let (_, address) = self.running.advertised().first().unwrap().split_once("://").unwrap();
        address.to_owned()
    }

    /// A connection to it.
    pub async fn connect(&self) -> Client {
        Client::to(&self.address()).await
    }
}

/// A connection that speaks the protocol and nothing else: no retries, no negotiation.
pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

/// The version of an API that goes with `version` of the others.
pub fn served(key: ApiKey, version: i16) -> i16 {
    let versions = key.answered_versions();
    version.clamp(versions.min, versions.max)
}

/// The configuration of a broker on `directory`, with further lines in its properties, where `{data}` stands for the directory.
pub fn booted(directory: &Path, properties: &str) -> Boot {
    booted_without_id(directory, &format!("node.id=1\n{properties}"))
}

/// As [`booted`], with nothing that says which node it is but what `directory` keeps.
pub fn booted_without_id(directory: &Path, properties: &str) -> Boot {
    let (directory, properties) = (directory.display().to_string(), properties);
    let properties = properties.replace("{data}", &directory);
    let text = format!(
        "listeners=PLAINTEXT://127.0.0.1:0\nadvertised.listeners=PLAINTEXT://127.0.0.1:0\n\
         log.dirs={}\noffsets.topic.num.partitions=3\n\
         group.initial.rebalance.delay.ms=0\nbarnabas.admin.listener=\n{properties}",
        directory
    );
    boot(BootInput {
        files: &[SourceFile { name: "test".into(), text }],
        environment: &BTreeMap::new(),
        overrides: &[],
        strict: true,
        host: &HostFacts { host_name: "localhost".into(), formatted_node_id, ..HostFacts::default() },
    })
    .unwrap()
}

impl Client {
    /// A connection to `address`, host and port.
    pub async fn to(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), correlation_id: 0 }
    }

    /// Calls in `version`, or the nearest that is served.
    pub async fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response<'static> {
        self.try_call(version, request).await.unwrap()
    }

    /// As `call`; fails if the broker closes the connection.
    pub async fn try_call<Q: Request>(&mut self, version: i16, request: &Q) -> std::io::Result<Q::Response<'static>> {
        let version = served(Q::KEY, version);
        let reply = self.exchange(version, request).await?;
        let mut reader = Reader::new(&reply);
        let header = ResponseHeader::decode(&mut reader, Q::KEY, version).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        let response = <Q::Response<'_> as Message>::decode(&mut reader, version).unwrap();
        reader.finish().unwrap();
        Ok(response.into_owned())
    }

    /// The reply to `request` in exactly `version`, length taken off; fails if the broker closes the connection.
    pub async fn exchange<Q: Request>(&mut self, version: i16, request: &Q) -> std::io::Result<Vec<u8>> {
        self.send(version, request).await?;
        self.receive().await
    }

    /// Sends `request` in exactly `version` without waiting for its reply.
    pub async fn send<Q: Request>(&mut self, version: i16, request: &Q) -> std::io::Result<()> {
        self.correlation_id += 1;
        let frame = encode_request(self.correlation_id, version, Some("tester"), request).unwrap();
        for segment in &frame {
            match segment {
                Segment::Bytes(bytes) => self.stream.write_all(bytes).await?,
                Segment::File(_) => panic!("no file in a request"),
            }
        }
        Ok(())
    }

    /// The next reply, length taken off; fails if the broker closes the connection.
    pub async fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let length = self.stream.read_i32().await?;
        let mut reply = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut reply).await?;
        Ok(reply)
    }
}
