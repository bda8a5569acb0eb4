//! The controller's listener over a socket: what it serves, and the life of a broker that is another process.

use barnabas_metadata::{FeatureRange, served_features};
use barnabas_protocol::messages::assign_replicas_to_dirs::{DirectoryData, PartitionData, TopicData};
use barnabas_protocol::messages::broker_registration::{Feature, Listener};
use barnabas_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, ErrorCode, own_tags};
use barnabas_types::{BrokerId, Uuid};

use super::SERVED_BY_CONTROLLER;
use crate::testing::{Broker, Client};

/// A node with a listener for its controller, and a connection to that.
struct ControllerContext {
    broker: Broker,
    port: u16,
    client: Client,
}

const DIRECTORY: Uuid = Uuid::from_u128(7 << 100);
const INCARNATION: Uuid = Uuid::from_u128(9 << 100);

impl ControllerContext {
    async fn start() -> Self {
        // Free for now, and nobody else is likely to be given it at once.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let properties = format!(
            "process.roles=broker,controller\ncontroller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{port}\n"
        );
        let broker = Broker::start_with(&properties).await;
        let client = Client::to(&format!("127.0.0.1:{port}")).await;
        Self { broker, port, client }
    }

    fn registration(&self, broker_id: i32, incarnation_id: Uuid) -> BrokerRegistrationRequest<'static> {
        let listener =
            Listener { name: "PLAINTEXT".into(), host: "elsewhere".into(), port: 9092, ..Default::default() };
        let features = served_features().into_iter().map(|FeatureRange { name, min, max }| Feature {
            name: name.to_string().into(),
            min_supported_version: min,
            max_supported_version: max,
            ..Feature::default()
        });
        BrokerRegistrationRequest {
            broker_id,
            cluster_id: self.broker.running.node.cluster_id.to_string().into(),
            incarnation_id,
            listeners: vec![listener],
            features: features.collect(),
            log_dirs: vec![DIRECTORY],
            ..BrokerRegistrationRequest::default()
        }
    }

    async fn register(&mut self, broker_id: i32, incarnation_id: Uuid) -> BrokerRegistrationResponse<'static> {
        let request = self.registration(broker_id, incarnation_id);
        self.client.call(3, &request).await
    }

    async fn beat(
        &mut self,
        broker_epoch: i64,
        applied: i64,
        want_shut_down: bool,
    ) -> BrokerHeartbeatResponse<'static> {
        let request = BrokerHeartbeatRequest {
            broker_id: 2,
            broker_epoch,
            current_metadata_offset: applied,
            want_shut_down,
            ..BrokerHeartbeatRequest::default()
        };
        self.client.call(1, &request).await
    }

    /// Makes topic `t` of one partition on broker 2.
    async fn create(&mut self) -> Uuid {
        let assignment = CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![2], ..Default::default() };
        let topic = CreatableTopic {
            name: "t".into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![assignment],
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, ..CreateTopicsRequest::default() };
        let created = self.client.call(7, &request).await.topics.remove(0);
        assert_eq!(created.error_code, ErrorCode::NONE, "{:?}", created.error_message);
        created.topic_id
    }
}

#[tokio::test]
async fn the_controller_s_listener_announces_what_it_serves_and_serves_nothing_else() {
    let mut context = ControllerContext::start().await;
    let request = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    let told: Vec<_> = context.client.call(4, &request).await.api_keys.iter().map(|row| row.api_key).collect();
    assert_eq!(told, SERVED_BY_CONTROLLER.iter().map(|key| key.number()).collect::<Vec<_>>());
    let on_broker = context.broker.connect().await.call(4, &request).await;
    assert!(on_broker.api_keys.iter().all(|row| row.api_key != ApiKey::BrokerHeartbeat.number()));
    assert!(context.client.exchange(12, &MetadataRequest::default()).await.is_err(), "clients belong elsewhere");
    let heartbeat = BrokerHeartbeatRequest::default();
    assert!(context.broker.connect().await.exchange(1, &heartbeat).await.is_err(), "brokers speak to the controller");
}

#[tokio::test]
async fn the_controllers_are_told_to_whom_asks_a_controller() {
    let mut context = ControllerContext::start().await;
    let asking = |endpoint_type| DescribeClusterRequest { endpoint_type, ..DescribeClusterRequest::default() };
    let registered = ControllerRegistrationRequest {
        controller_id: 7,
        incarnation_id: INCARNATION,
        listeners: vec![controller_registration::Listener {
            name: "CONTROLLER".into(),
            host: "elsewhere".into(),
            port: 9093,
            ..Default::default()
        }],
        ..ControllerRegistrationRequest::default()
    };
    assert_eq!(context.client.call(0, &registered).await.error_code, ErrorCode::NONE);
    let is_there = |image: &barnabas_metadata::Image| image.controllers.get(BrokerId(7)).is_some();
    while !is_there(&context.broker.running.node.image()) {
        tokio::task::yield_now().await;
    }
    for version in [1, 2] {
        let described = context.client.call(version, &asking(2)).await;
        let told: Vec<_> = described.brokers.iter().map(|node| (node.broker_id, node.port)).collect();
        assert_eq!(told, [(1, i32::from(context.port)), (7, 9093)]);
        assert_eq!((described.endpoint_type, described.controller_id), (2, 1));
        let mismatched = context.client.call(version, &asking(1)).await;
        assert_eq!(mismatched.error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);
        let unsupported = context.client.call(version, &asking(3)).await;
        assert_eq!(unsupported.error_code, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE);
    }
    let mut on_broker = context.broker.connect().await;
    assert_eq!(on_broker.call(2, &asking(1)).await.brokers.len(), 1);
    assert_eq!(on_broker.call(2, &asking(2)).await.error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);
}

#[tokio::test]
async fn who_has_no_id_finds_it_in_the_answer_and_nobody_else_does() {
    let mut context = ControllerContext::start().await;
    let asking = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    let versions = context.client.call(4, &asking).await;
    assert!(own_tags::are_broker_ids_given(&versions.unknown_tags), "{versions:?}");
    let inflexible = context.client.call(2, &ApiVersionsRequest::default()).await;
    assert_eq!((inflexible.error_code, inflexible.unknown_tags.count()), (ErrorCode::NONE, 0));
    let on_broker = context.broker.connect().await.call(4, &asking).await;
    assert_eq!((on_broker.error_code, on_broker.unknown_tags.count()), (ErrorCode::NONE, 0));

    let given = context.register(-1, INCARNATION).await;
    assert_eq!(given.error_code, ErrorCode::NONE);
    assert_eq!(own_tags::read_given_broker_id(&given.unknown_tags), Some(1001));
    assert_eq!(context.register(-1, INCARNATION).await, given, "it asks again");
    let registered = context.register(1001, INCARNATION).await;
    assert_eq!((registered.broker_epoch, registered.unknown_tags.count()), (given.broker_epoch, 0));
    let another = context.register(-1, Uuid::from_u128(10 << 100)).await;
    assert_eq!(another.error_code, ErrorCode::DUPLICATE_BROKER_REGISTRATION, "its directory is that of who is alive");
}

#[tokio::test]
async fn a_broker_of_another_process_comes_leads_and_leaves() {
    let mut context = ControllerContext::start().await;
    let foreign = BrokerRegistrationRequest { cluster_id: "other".into(), ..context.registration(2, INCARNATION) };
    let codes = [
        context.client.call(3, &foreign).await.error_code,
        context.register(-2, INCARNATION).await.error_code,
        context.register(1, INCARNATION).await.error_code,
    ];
    let duplicate = ErrorCode::DUPLICATE_BROKER_REGISTRATION;
    assert_eq!(codes, [ErrorCode::INCONSISTENT_CLUSTER_ID, ErrorCode::INVALID_REGISTRATION, duplicate]);

    let registered = context.register(2, INCARNATION).await;
    assert_eq!(registered.error_code, ErrorCode::NONE);
    let epoch = registered.broker_epoch;
    assert_eq!(context.register(2, Uuid::from_u128(10 << 100)).await.error_code, duplicate);
    assert_eq!(context.register(2, INCARNATION).await.broker_epoch, epoch, "the same process asks again");
    let early = context.beat(epoch, epoch - 1, false).await;
    assert!(early.is_fenced && !early.is_caught_up);
    assert!(!context.beat(epoch, epoch, false).await.is_fenced);
    assert_eq!(context.beat(epoch + 1, epoch, false).await.error_code, ErrorCode::STALE_BROKER_EPOCH);

    let topic_id = context.create().await;
    let partition = PartitionData { partition_index: 0, ..PartitionData::default() };
    let unknown = PartitionData { partition_index: 5, ..PartitionData::default() };
    let topic = TopicData { topic_id, partitions: vec![partition, unknown], ..TopicData::default() };
    let directory = DirectoryData { id: DIRECTORY, topics: vec![topic], ..DirectoryData::default() };
    let request = AssignReplicasToDirsRequest {
        broker_id: 2,
        broker_epoch: epoch,
        directories: vec![directory],
        ..AssignReplicasToDirsRequest::default()
    };
    let assigned = context.client.call(0, &request).await;
    let codes: Vec<_> = assigned.directories[0].topics[0].partitions.iter().map(|told| told.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);

    let asking = AllocateProducerIdsRequest { broker_id: 2, broker_epoch: epoch, ..Default::default() };
    let first = context.client.call(0, &asking).await;
    let second = context.client.call(0, &asking).await;
    assert_eq!((first.producer_id_len, second.producer_id_start - first.producer_id_start), (1000, 1000));

    while !context.beat(epoch, i64::MAX, true).await.should_shut_down {
        // Broker 1 has to hear first that nobody leads instead.
        tokio::task::yield_now().await;
    }
    let gone = UnregisterBrokerRequest { broker_id: 2, ..UnregisterBrokerRequest::default() };
    assert_eq!(context.client.call(0, &gone).await.error_code, ErrorCode::NONE);
    assert!(context.broker.running.node.image().brokers.get(BrokerId(2)).is_none());
    context.broker.running.stop().await.unwrap();
}
