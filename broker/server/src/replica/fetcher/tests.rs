//! What a follower asks its leader for, as it is configured, and what it does while a leader is silent.

use barnabas_net::{FrameReader, InPlace, write_segments};
use barnabas_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use barnabas_protocol::messages::broker_registration::Listener;
use barnabas_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use barnabas_protocol::messages::fetch::FetchableTopicResponse;
use barnabas_protocol::messages::{BrokerHeartbeatRequest, BrokerRegistrationRequest, CreateTopicsRequest};
use barnabas_protocol::{RequestHeader, encode_response};
use barnabas_replica::fetcher::{FetchPartition as WantedPartition, FetchRequest as WantedRequest};
use barnabas_types::{Segments, Uuid};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::node::registration;
use crate::testing::Broker;

/// Far less than `PATIENCE`.
const SOON: Duration = Duration::from_secs(15);

/// What a [`SilentPeer`] saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// A Fetch of these partitions.
    Fetch(Vec<i32>),
    /// It was asked for the ends of a log.
    ListOffsets,
    /// The connection on which it was asked for them has ended.
    HungUp,
}

/// A peer that has nothing to fetch, calls every offset of partition 0 out of range, and never says where its logs begin and end.
struct SilentPeer {
    port: u16,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl SilentPeer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (saw, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, saw.clone()));
            }
        });
        Self { port, seen }
    }

    async fn serve(stream: TcpStream, saw: mpsc::UnboundedSender<Seen>) {
        let (read, mut write) = stream.into_split();
        let mut frames = FrameReader::new(read, 1 << 20);
        let mut was_asked = false;
        while let Ok(Some(frame)) = frames.next().await {
            let mut reader = WireReader::new(&frame);
            let header = RequestHeader::decode(&mut reader).unwrap();
            let reply = match header.api_key {
                ApiKey::ApiVersions => {
                    let row = |key: ApiKey| ApiVersion {
                        api_key: key.number(),
                        min_version: key.versions().min,
                        max_version: key.versions().max,
                        ..Default::default()
                    };
                    let served = [ApiKey::ApiVersions, ApiKey::Fetch, ApiKey::ListOffsets].map(row);
                    let response = ApiVersionsResponse { api_keys: served.to_vec(), ..Default::default() };
                    encode_response(header.correlation_id, header.api_version, &response).unwrap()
                }
                ApiKey::Fetch => {
                    let request = FetchRequest::decode(&mut reader, header.api_version).unwrap();
                    let asked = request.topics.iter().flat_map(|topic| &topic.partitions);
                    saw.send(Seen::Fetch(asked.map(|one| one.partition).collect())).unwrap();
                    tokio::time::sleep(Duration::from_millis(request.max_wait_ms.try_into().unwrap())).await;
                    Self::nothing(&header, &request)
                }
                ApiKey::ListOffsets => {
                    was_asked = true;
                    saw.send(Seen::ListOffsets).unwrap();
                    continue;
                }
                key => panic!("{key}"),
            };
            if write_segments(&mut write, reply, &InPlace).await.is_err() {
                break;
            }
        }
        if was_asked {
            saw.send(Seen::HungUp).unwrap();
        }
    }

    /// The answer to a Fetch, without a session.
    fn nothing(header: &RequestHeader<'_>, request: &FetchRequest<'_>) -> Segments {
        let of_partition = |partition: &FetchPartition<'_>| PartitionData {
            partition_index: partition.partition,
            error_code: if partition.partition == 0 { ErrorCode::OFFSET_OUT_OF_RANGE } else { ErrorCode::NONE },
            ..Default::default()
        };
        let of_topic = |topic: &FetchTopic<'_>| FetchableTopicResponse {
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(of_partition).collect(),
            ..Default::default()
        };
        let responses = request.topics.iter().map(of_topic).collect();
        let response = FetchResponse { responses, ..Default::default() };
        encode_response(header.correlation_id, header.api_version, &response).unwrap()
    }

    /// Waits until it has seen that.
    async fn sees(&mut self, expected: impl Fn(&Seen) -> bool) {
        let found = async { while !expected(&self.seen.recv().await.unwrap()) {} };
        tokio::time::timeout(SOON, found).await.expect("seen in time");
    }

    /// Registers it as broker 2, lets it in, and returns its epoch.
    async fn join(&self, node: &Arc<Node>) -> i64 {
        let listener = Listener {
            name: node.config.inter_broker_listener_name.to_string().into(),
            host: "127.0.0.1".into(),
            port: self.port,
            ..Default::default()
        };
        let request = BrokerRegistrationRequest {
            broker_id: 2,
            cluster_id: node.cluster_id.to_string().into(),
            incarnation_id: Uuid::from_u128(9 << 100),
            listeners: vec![listener],
            log_dirs: vec![Uuid::from_u128(7 << 100)],
            ..registration::of_nobody(&node.config, &[])
        };
        let deadline = node.runtime.deadline(SOON);
        let registered = node.ask_controller(deadline, &request, |response| response.error_code).await.unwrap();
        assert_eq!(registered.error_code, ErrorCode::NONE);
        self.beat(node, registered.broker_epoch, false).await;
        registered.broker_epoch
    }

    async fn beat(&self, node: &Arc<Node>, broker_epoch: i64, want_fence: bool) {
        let request = BrokerHeartbeatRequest {
            broker_id: 2,
            broker_epoch,
            current_metadata_offset: broker_epoch,
            want_fence,
            ..Default::default()
        };
        let deadline = node.runtime.deadline(SOON);
        let told = node.ask_controller(deadline, &request, |response| response.error_code).await.unwrap();
        assert_eq!((told.error_code, told.is_fenced), (ErrorCode::NONE, want_fence));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_say_where_its_log_ends_holds_up_nothing_else() {
    let properties =
        "broker.session.timeout.ms=600000\nreplica.fetch.wait.max.ms=20\nbarnabas.failure.detection=kafka\n";
    let broker = Broker::start_with(properties).await;
    let node = Arc::clone(&broker.running.node);
    let mut peer = SilentPeer::start().await;
    let epoch = peer.join(&node).await;
    let assignments = (0..2).map(|partition_index| CreatableReplicaAssignment {
        partition_index,
        broker_ids: vec![2, 1],
        ..Default::default()
    });
    let topic = CreatableTopic {
        name: "t".into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: assignments.collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, ..Default::default() };
    let created = broker.connect().await.call(7, &request).await.topics.remove(0);
    assert_eq!(created.error_code, ErrorCode::NONE, "{:?}", created.error_message);
    peer.sees(|seen| *seen == Seen::ListOffsets).await;
    for _ in 0..3 {
        peer.sees(|seen| *seen == Seen::Fetch(vec![1])).await;
    }
    // Led by this broker, they are followed nowhere: nobody waits for what the peer may say.
    peer.beat(&node, epoch, true).await;
    peer.sees(|seen| *seen == Seen::HungUp).await;
    broker.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_follower_fetches_as_its_configuration_says() {
    let broker = Broker::start_with(
        "replica.fetch.max.bytes=2001\nreplica.fetch.min.bytes=7\nreplica.fetch.response.max.bytes=3001\nreplica.fetch.wait.max.ms=123\n",
    )
    .await;
    let node = &broker.running.node;
    let partition = WantedPartition {
        partition: TopicIdPartition { topic_id: Uuid::from_u128(7), partition: 3 },
        leader_epoch: LeaderEpoch(4),
        offset: Offset(5),
        last_epoch: None,
        log_start: Offset(1),
    };
    let mut wanted = WantedRequest {
        session_id: 0,
        session_epoch: 0,
        partitions: vec![partition],
        forgotten: Vec::new(),
        may_wait_ms: u64::MAX,
    };
    let asked = request(node, &wanted);
    assert_eq!((asked.max_wait_ms, asked.min_bytes, asked.max_bytes), (123, 7, 3001));
    let partition = &asked.topics[0].partitions[0];
    assert_eq!((partition.partition_max_bytes, partition.fetch_offset, partition.last_fetched_epoch), (2001, 5, -1));
    assert_eq!(
        (asked.replica_state.replica_id, asked.replica_state.replica_epoch),
        (1, node.replicas.surroundings().own_epoch())
    );
    wanted.may_wait_ms = 40;
    assert_eq!(request(node, &wanted).max_wait_ms, 40, "partitions wait to be fetched again");
}

#[tokio::test]
async fn a_peer_that_is_still_connected_to_while_it_ends_is_looked_at_until_it_refuses() {
    let broker = Broker::start_with("broker.session.timeout.ms=600000\nbarnabas.failure.detection=kafka\n").await;
    let node = Arc::clone(&broker.running.node);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = SilentPeer { port: listener.local_addr().unwrap().port(), seen: mpsc::unbounded_channel().1 };
    peer.join(&node).await;
    let ending = tokio::spawn(async move {
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
    });
    let departures = node.replicas.surroundings().departures();
    let told = departures.watch();
    look(&node, BrokerId(2)).await;
    ending.await.unwrap();
    assert!(told.has_changed().unwrap() && departures.leaves(BrokerId(2), || node.runtime.now().monotonic));
}

#[tokio::test]
async fn a_peer_that_only_ended_a_connection_has_not_left() {
    let broker = Broker::start_with("broker.session.timeout.ms=600000\nbarnabas.failure.detection=kafka\n").await;
    let node = Arc::clone(&broker.running.node);
    let peer = SilentPeer::start().await;
    peer.join(&node).await;
    look(&node, BrokerId(2)).await;
    assert!(node.replicas.surroundings().departures().are_none());
}
