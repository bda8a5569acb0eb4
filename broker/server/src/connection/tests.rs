//! Connections whose clients do not do their part, to a node in this process: they read no reply, or send no more than the beginning of a
//! request. What others may still ask then, and how soon the node stops.

use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::messages::describe_configs::DescribeConfigsResource;
use barnabas_protocol::messages::fetch::{FetchPartition, FetchTopic, ReplicaState};
use barnabas_protocol::messages::join_group::JoinGroupRequestProtocol;
use barnabas_protocol::messages::metadata::MetadataRequestTopic;
use barnabas_protocol::messages::{
    ApiVersionsRequest, DescribeConfigsRequest, FetchRequest, FindCoordinatorRequest, JoinGroupRequest,
    JoinGroupResponse, MetadataRequest,
};
use barnabas_protocol::{ApiKey, ErrorCode, encode_request};
use barnabas_types::{Segment, Uuid};
use futures::FutureExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::serve::MAX_OUTSTANDING;
use crate::memory::FIRST_STEP_BYTES;
use crate::metrics::ListenerMetrics;
use crate::testing::{Broker, Client, served};

/// Far longer than what is waited for takes, and far shorter than a connection may be idle.
const LONG: Duration = Duration::from_secs(60);
/// The resource type of a broker.
const BROKER: i8 = 4;
/// Requests of another connection, after which whoever could go on has gone on.
const ROUND_TRIPS: usize = 50;

async fn in_time<T>(what: &str, waited: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, waited).await.unwrap_or_else(|_| panic!("{what}: not within {LONG:?}"))
}

/// A small request with a large answer, tens of kilobytes.
fn all_settings() -> DescribeConfigsRequest<'static> {
    let resource = DescribeConfigsResource { resource_type: BROKER, resource_name: "1".into(), ..Default::default() };
    DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
        ..Default::default()
    }
}

async fn ask_for_all_settings(client: &mut Client, times: usize) {
    for _ in 0..times {
        client.send(served(ApiKey::DescribeConfigs, 4), &all_settings()).await.unwrap();
    }
}

impl Broker {
    fn figures(&self) -> ListenerMetrics {
        self.running.node.metrics.connections.listener("PLAINTEXT")
    }

    /// Returns once nothing is sent any more but what `other` asks for: whoever could go on has gone on.
    async fn is_stuck(&self, other: &mut Client) {
        let mut sent_bytes = 0;
        let mut own_bytes = 0;
        loop {
            for _ in 0..ROUND_TRIPS {
                own_bytes = other.exchange(2, &ApiVersionsRequest::default()).await.unwrap().len() as u64 + 4;
            }
            let before = std::mem::replace(&mut sent_bytes, self.figures().sent_bytes.get());
            if sent_bytes - before == own_bytes * ROUND_TRIPS as u64 {
                return;
            }
        }
    }

    /// A connection that asks for more than sockets hold, and reads nothing; the broker cannot go on sending.
    async fn with_deaf_client(&self) -> Client {
        let (mut deaf, mut other) = (self.connect().await, self.connect().await);
        ask_for_all_settings(&mut deaf, 500).await;
        in_time("the sockets are full", self.is_stuck(&mut other)).await;
        deaf
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_no_stop_and_a_stopping_node_refuses_others() {
    let broker = Broker::start().await;
    let (address, mut deaf) = (broker.address(), broker.with_deaf_client().await);
    let (figures, asked) = (broker.figures(), broker.running.node.metrics.requests.begun(ApiKey::DescribeConfigs));
    let stopping = tokio::spawn(broker.running.stop());
    let refused = async {
        loop {
            match TcpStream::connect(&address).await {
                // Made before it stopped accepting: it is closed.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => return error.kind(),
            }
        }
    };
    assert_eq!(in_time("connections are refused", refused).await, ErrorKind::ConnectionRefused);
    let others_end = async {
        while figures.open.get() != 1 {
            tokio::task::yield_now().await
        }
    };
    in_time("only the one that reads nothing is given time", others_end).await;
    assert!(!stopping.is_finished());
    in_time("it stops", stopping).await.unwrap().unwrap();
    let mut replies = 0;
    while deaf.receive().await.is_ok() {
        replies += 1;
    }
    assert!(replies < asked, "what was not read was not sent either: {replies} of {asked}");
}

#[tokio::test]
async fn a_client_that_reads_no_reply_is_closed_as_an_idle_one() {
    let broker = Broker::start_with("connections.max.idle.ms=1000\n").await;
    let _deaf = broker.with_deaf_client().await;
    let figures = broker.figures();
    in_time("all connections end", async {
        while figures.open.get() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    in_time("it stops", broker.running.stop()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_always_has_asked_for_more_holds_up_no_stop() {
    let broker = Broker::start().await;
    let mut flooding = std::net::TcpStream::connect(broker.address()).unwrap();
    let mut reading = flooding.try_clone().unwrap();
    let frame = encode_request(1, 3, None, &ApiVersionsRequest::default()).unwrap();
    let requests: Vec<u8> = (0..1000)
        .flat_map(|_| frame.iter())
        .flat_map(|segment| match segment {
            Segment::Bytes(bytes) => bytes.to_vec(),
            Segment::File(_) => panic!("no file in a request"),
        })
        .collect();
    let writer = std::thread::spawn(move || while std::io::Write::write_all(&mut flooding, &requests).is_ok() {});
    let reader = std::thread::spawn(move || std::io::copy(&mut reading, &mut std::io::sink()));
    let begun = || broker.running.node.metrics.requests.begun(ApiKey::ApiVersions);
    in_time("it asks", async {
        while begun() < 1000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    in_time("it stops", broker.running.stop()).await.unwrap();
    writer.join().unwrap();
    _ = reader.join().unwrap();
}

/// Connections to `address` that say how long their request is, and no more.
async fn begin_requests(address: &str, count: usize, length: u32) -> Vec<TcpStream> {
    let mut begun = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        begun.push(stream);
    }
    begun
}

async fn many_round_trips(client: &mut Client) {
    for _ in 0..ROUND_TRIPS {
        assert_eq!(client.call(2, &ApiVersionsRequest::default()).await.error_code, ErrorCode::NONE);
    }
}

#[tokio::test]
async fn four_bytes_take_no_memory_from_what_the_controllers_listener_serves() {
    // Free for now, and nobody else is likely to be given it at once.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let properties = format!(
        "process.roles=broker,controller\ncontroller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{port}\n"
    );
    let broker = Broker::start_with(&properties).await;
    let address = format!("127.0.0.1:{port}");
    let _longest = begin_requests(&address, 1, 0x0600_0000).await;
    in_time("others are served", async { many_round_trips(&mut Client::to(&address).await).await }).await;
    let _many = begin_requests(&address, 20, 4 << 20).await;
    in_time("others are served", async { many_round_trips(&mut Client::to(&address).await).await }).await;
    in_time("it stops", broker.running.stop()).await.unwrap();
}

#[tokio::test]
async fn requests_that_only_begin_take_no_memory_from_those_that_come_whole() {
    let broker = Broker::start_with("queued.max.request.bytes=4194304\n").await;
    let _begun = begin_requests(&broker.address(), 20, 1 << 20).await;
    let mut client = broker.connect().await;
    in_time("a small request is served", many_round_trips(&mut client)).await;
    let topic =
        |number| MetadataRequestTopic { name: Some(format!("absent-{number:0200}").into()), ..Default::default() };
    let large = MetadataRequest {
        topics: Some((0..10_000).map(topic).collect()),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let answered = in_time("one of two megabytes is served", client.call(12, &large)).await;
    assert_eq!(answered.topics.len(), 10_000);
    in_time("it stops", broker.running.stop()).await.unwrap();
}

/// A Fetch of some kilobytes, by a broker or a consumer (-1).
fn large_fetch(replica_id: i32) -> FetchRequest<'static> {
    let partition = |partition| FetchPartition { partition, ..Default::default() };
    let topic = FetchTopic {
        topic_id: Uuid::from_u128(7 << 100),
        partitions: (0..1000).map(partition).collect(),
        ..Default::default()
    };
    FetchRequest {
        replica_state: ReplicaState { replica_id, replica_epoch: -1, ..Default::default() },
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

#[tokio::test]
async fn what_followers_fetch_waits_for_no_memory_of_clients() {
    let broker = Broker::start_with("queued.max.request.bytes=4194304\n").await;
    let node = Arc::clone(&broker.running.node);
    let (mut follower, mut consumer, mut other) =
        (broker.connect().await, broker.connect().await, broker.connect().await);
    follower.call(16, &large_fetch(1)).await;
    consumer.call(16, &large_fetch(-1)).await;
    let mut held = Vec::new();
    while let Some(step) = node.request_memory.begin(FIRST_STEP_BYTES).now_or_never() {
        held.push(step);
    }
    consumer.send(16, &large_fetch(-1)).await.unwrap();
    in_time("small requests are served", many_round_trips(&mut other)).await;
    assert_eq!(node.metrics.requests.begun(ApiKey::Fetch), 2, "the consumer's waits");
    in_time("the follower's is served", follower.call(16, &large_fetch(1))).await;
    assert_eq!(node.metrics.requests.begun(ApiKey::Fetch), 3, "the consumer's waits");
    drop(held);
    in_time("the consumer's is served", consumer.receive()).await.unwrap();
    in_time("it stops", broker.running.stop()).await.unwrap();
}

fn join(member_id: &str) -> JoinGroupRequest<'static> {
    JoinGroupRequest {
        group_id: "parked".into(),
        session_timeout_ms: 300_000,
        rebalance_timeout_ms: 600_000,
        member_id: member_id.to_owned().into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), ..Default::default() }],
        ..Default::default()
    }
}

/// The last version in which a member needs no id to join.
const JOIN_VERSION: i16 = 3;

impl Client {
    async fn join_parked(&mut self, member_id: &str) -> JoinGroupResponse<'static> {
        self.call(JOIN_VERSION, &join(member_id)).await
    }
}

#[tokio::test]
async fn replies_that_wait_for_their_turn_are_bounded_in_bytes() {
    const ASKED: usize = MAX_OUTSTANDING - 1;
    let broker = Broker::start().await;
    let mut member = broker.connect().await;
    let find = FindCoordinatorRequest { coordinator_keys: vec!["parked".into()], ..Default::default() };
    in_time("the coordinator is there", async {
        while !member.call(4, &find).await.coordinators[0].error_code.is_none() {}
    })
    .await;
    let mut joined = in_time("it has loaded its groups", member.join_parked("")).await;
    while !joined.error_code.is_none() {
        joined = member.join_parked("").await;
    }
    // Parked until the member joins again.
    let mut asking = broker.connect().await;
    asking.send(JOIN_VERSION, &join("")).await.unwrap();
    ask_for_all_settings(&mut asking, ASKED).await;
    let begun = || broker.running.node.metrics.requests.begun(ApiKey::DescribeConfigs);
    let mut before = u64::MAX;
    while before != begun() {
        before = begun();
        many_round_trips(&mut member).await;
    }
    assert!((2..ASKED as u64).contains(&before), "{before} of {ASKED} were executed");
    assert_eq!(member.join_parked(&joined.member_id).await.error_code, ErrorCode::NONE);
    let mut sizes = Vec::new();
    for _ in 0..=ASKED {
        sizes.push(in_time("all are answered", asking.receive()).await.unwrap().len());
    }
    assert!(sizes[0] < sizes[1] && sizes[1..].iter().all(|size| *size == sizes[1]), "{sizes:?}");
    assert!(sizes[1] * ASKED > 2 << 20, "large enough to tell: {sizes:?}");
    in_time("it stops", broker.running.stop()).await.unwrap();
}
