//! Topics, configuration and producer ids against a running node over a socket, each API in every version that it is served in.

use std::collections::BTreeSet;

use barnabas_protocol::messages::alter_configs;
use barnabas_protocol::messages::create_partitions::CreatePartitionsTopic;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreatableTopicResult};
use barnabas_protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicState};
use barnabas_protocol::messages::describe_configs::{DescribeConfigsResource, DescribeConfigsResult};
use barnabas_protocol::messages::incremental_alter_configs;
use barnabas_protocol::messages::metadata::{MetadataRequestTopic, MetadataResponseTopic};
use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, ErrorCode};
use barnabas_types::{BrokerId, Uuid};

use crate::testing::{Broker, Client};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn versions(key: ApiKey) -> std::ops::RangeInclusive<i16> {
    key.answered_versions().min..=key.answered_versions().max
}

impl Client {
    /// Makes a topic with the broker's defaults and one configuration.
    async fn make(&mut self, version: i16, name: &str) -> CreatableTopicResult<'static> {
        let config = CreatableTopicConfig {
            name: "retention.ms".into(),
            value: Some("60000".into()),
            ..CreatableTopicConfig::default()
        };
        let topic = CreatableTopic {
            name: name.to_owned().into(),
            // Before version 4 a request cannot leave the numbers to the broker.
            num_partitions: if version >= 4 { -1 } else { 3 },
            replication_factor: if version >= 4 { -1 } else { 1 },
            configs: vec![config],
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        self.call(version, &request).await.topics.remove(0)
    }

    async fn lookup(&mut self, name: &str) -> MetadataResponseTopic<'static> {
        let topic = MetadataRequestTopic { name: Some(name.to_owned().into()), ..MetadataRequestTopic::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        self.call(12, &request).await.topics.remove(0)
    }

    async fn delete_named(&mut self, version: i16, name: &str) -> DeletableTopicResult<'static> {
        let mut request = DeleteTopicsRequest { timeout_ms: 60_000, ..DeleteTopicsRequest::default() };
        if version >= 6 {
            let topic = DeleteTopicState { name: Some(name.to_owned().into()), ..DeleteTopicState::default() };
            request.topics = vec![topic];
        } else {
            request.topic_names = vec![name.to_owned().into()];
        }
        self.call(version, &request).await.responses.remove(0)
    }

    async fn describe_one(&mut self, version: i16, kind: i8, name: &str, key: &str) -> DescribeConfigsResult<'static> {
        let resource = DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned().into(),
            configuration_keys: Some(vec![key.to_owned().into()]),
            ..DescribeConfigsResource::default()
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: version >= 3,
            ..DescribeConfigsRequest::default()
        };
        self.call(version, &request).await.results.remove(0)
    }

    /// One change, in Kafka's numbers, of one key.
    pub(super) async fn change(
        &mut self,
        version: i16,
        kind: i8,
        name: &str,
        change: (&str, i8, Option<&str>),
    ) -> ErrorCode {
        let (key, config_operation, value) = change;
        let config = incremental_alter_configs::AlterableConfig {
            name: key.to_owned().into(),
            config_operation,
            value: value.map(|value| value.to_owned().into()),
            ..Default::default()
        };
        let resource = incremental_alter_configs::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned().into(),
            configs: vec![config],
            ..Default::default()
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        self.call(version, &request).await.responses.remove(0).error_code
    }

    /// The value in force and where it comes from.
    pub(super) async fn value(&mut self, kind: i8, name: &str, key: &str) -> (String, i8) {
        let described = self.describe_one(4, kind, name, key).await;
        assert_eq!(described.error_code, ErrorCode::NONE, "{:?}", described.error_message);
        let config = &described.configs[0];
        (config.value.as_deref().unwrap_or("null").to_owned(), config.config_source)
    }
}

#[tokio::test]
async fn topics_are_made_with_what_the_reply_says_and_deleted_in_every_version() {
    let broker = Broker::start_with("num.partitions=3\n").await;
    let mut client = broker.connect().await;
    for version in versions(ApiKey::CreateTopics) {
        let name = format!("made-in-{version}");
        let made = client.make(version, &name).await;
        assert_eq!(made.error_code, ErrorCode::NONE, "version {version}: {:?}", made.error_message);
        let seen = client.lookup(&name).await;
        assert_eq!((seen.error_code, seen.partitions.len()), (ErrorCode::NONE, 3), "version {version}");
        assert!(seen.partitions.iter().all(|partition| partition.leader_id == 1), "version {version}: {seen:?}");
        if version >= 5 {
            assert_eq!((made.num_partitions, made.replication_factor), (3, 1), "version {version}");
            let configs = made.configs.unwrap();
            let retention = configs.iter().find(|config| config.name == "retention.ms").unwrap();
            assert_eq!((retention.value.as_deref(), retention.config_source), (Some("60000"), 1));
            assert!(configs.iter().any(|config| config.name == "segment.bytes" && config.config_source == 5));
        }
        if version >= 7 {
            assert_eq!(made.topic_id, seen.topic_id);
        }
        let again = client.make(version, &name).await;
        assert_eq!(again.error_code, ErrorCode::TOPIC_ALREADY_EXISTS, "version {version}");
        assert_eq!(again.error_message.as_deref(), Some(format!("Topic '{name}' already exists.").as_str()));
    }
    for version in versions(ApiKey::DeleteTopics) {
        let name = format!("made-in-{}", version + 1);
        assert_eq!(client.delete_named(version, &name).await.error_code, ErrorCode::NONE, "version {version}");
        assert_eq!(client.lookup(&name).await.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "version {version}");
        let gone = client.delete_named(version, &name).await;
        assert_eq!(gone.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "version {version}");
    }
}

#[tokio::test]
async fn a_topic_is_deleted_by_its_id_and_by_nothing_unclear() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    let topic_id = client.make(7, "t").await.topic_id;
    let by = |name: Option<&'static str>, topic_id| DeleteTopicState {
        name: name.map(Into::into),
        topic_id,
        ..DeleteTopicState::default()
    };
    let topics = vec![by(Some("t"), topic_id), by(None, Uuid::ZERO), by(None, Uuid::from_u128(9)), by(None, topic_id)];
    let request = DeleteTopicsRequest { topics, timeout_ms: 60_000, ..DeleteTopicsRequest::default() };
    let results = client.call(6, &request).await.responses;
    let codes: Vec<_> = results.iter().map(|result| result.error_code).collect();
    let (unclear, unknown) = (ErrorCode::INVALID_REQUEST, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(codes, [unclear, unclear, unknown, ErrorCode::NONE]);
    assert_eq!(results[3].name.as_deref(), Some("t"));
}

#[tokio::test]
async fn deleting_can_be_switched_off() {
    let broker = Broker::start_with("delete.topic.enable=false\n").await;
    let mut client = broker.connect().await;
    client.make(7, "t").await;
    assert_eq!(client.delete_named(1, "t").await.error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(client.delete_named(6, "t").await.error_code, ErrorCode::TOPIC_DELETION_DISABLED);
    assert_eq!(client.lookup("t").await.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn nobody_is_sent_to_a_leader_that_has_ended_a_moment_ago() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    client.make(7, "t").await;
    let leader = |topic: MetadataResponseTopic<'_>| (topic.partitions[0].error_code, topic.partitions[0].leader_id);
    assert_eq!(leader(client.lookup("t").await), (ErrorCode::NONE, 1));
    let request = FindCoordinatorRequest { coordinator_keys: vec!["group".into()], ..Default::default() };
    assert_eq!(client.call(6, &request).await.coordinators[0].error_code, ErrorCode::NONE);
    let node = &broker.running.node;
    node.replicas.surroundings().departures().gone(BrokerId(1), node.runtime.now().monotonic);
    assert_eq!(leader(client.lookup("t").await), (ErrorCode::LEADER_NOT_AVAILABLE, -1));
    let code = client.call(6, &request).await.coordinators[0].error_code;
    assert_eq!(code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
}

#[tokio::test]
async fn partitions_are_added_in_every_version() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    client.make(7, "t").await;
    for version in versions(ApiKey::CreatePartitions) {
        let count = i32::from(version) + 2;
        let topic = |name: &'static str| CreatePartitionsTopic {
            name: name.into(),
            count,
            assignments: None,
            ..CreatePartitionsTopic::default()
        };
        let mut request = CreatePartitionsRequest {
            topics: vec![topic("t"), topic("none")],
            timeout_ms: 60_000,
            validate_only: true,
            ..CreatePartitionsRequest::default()
        };
        for expected in [count - 1, count] {
            let codes: Vec<_> = client.call(version, &request).await.results.iter().map(|one| one.error_code).collect();
            assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION], "version {version}");
            assert_eq!(client.lookup("t").await.partitions.len() as i32, expected, "version {version}");
            request.validate_only = false;
        }
    }
}

#[tokio::test]
async fn configuration_is_changed_and_described_in_every_version() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    client.make(7, "t").await;
    for version in versions(ApiKey::DescribeConfigs) {
        let described = client.describe_one(version, TOPIC, "t", "retention.ms").await;
        assert_eq!(described.configs.len(), 1, "version {version}: {described:?}");
        let config = &described.configs[0];
        assert_eq!((config.value.as_deref(), config.config_source), (Some("60000"), 1), "version {version}");
        let documented = config.documentation.as_deref().is_some_and(|text| !text.is_empty());
        assert_eq!(documented, version >= 3, "version {version}");
        assert_eq!(config.config_type, if version >= 3 { 5 } else { 0 }, "version {version}");
    }
    for version in versions(ApiKey::IncrementalAlterConfigs) {
        let set = ("cleanup.policy", 0, Some("compact"));
        assert_eq!(client.change(version, TOPIC, "t", set).await, ErrorCode::NONE, "version {version}");
        let append = ("cleanup.policy", 2, Some("delete"));
        assert_eq!(client.change(version, TOPIC, "t", append).await, ErrorCode::NONE, "version {version}");
        assert_eq!(client.value(TOPIC, "t", "cleanup.policy").await, ("compact,delete".to_owned(), 1));
        let delete = ("cleanup.policy", 1, None);
        assert_eq!(client.change(version, TOPIC, "t", delete).await, ErrorCode::NONE, "version {version}");
        assert_eq!(client.value(TOPIC, "t", "cleanup.policy").await, ("delete".to_owned(), 5));
    }
    for version in versions(ApiKey::AlterConfigs) {
        let config = alter_configs::AlterableConfig {
            name: "segment.ms".into(),
            value: Some(format!("{}", 1000 + version).into()),
            ..Default::default()
        };
        let resource = alter_configs::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: "t".into(),
            configs: vec![config],
            ..Default::default()
        };
        let request = AlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let altered = client.call(version, &request).await.responses.remove(0);
        assert_eq!(altered.error_code, ErrorCode::NONE, "version {version}: {:?}", altered.error_message);
        assert_eq!(client.value(TOPIC, "t", "segment.ms").await, (format!("{}", 1000 + version), 1));
        assert_eq!(client.value(TOPIC, "t", "retention.ms").await.1, 5, "what is not named is taken away");
    }
}

#[tokio::test]
async fn what_is_set_on_all_brokers_is_inherited_and_what_is_wrong_is_refused() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    client.make(7, "t").await;
    let set = ("log.segment.bytes", 0, Some("2000000"));
    assert_eq!(client.change(1, BROKER, "", set).await, ErrorCode::NONE);
    assert_eq!(client.value(TOPIC, "t", "segment.bytes").await, ("2000000".to_owned(), 3));
    assert_eq!(client.value(BROKER, "1", "log.segment.bytes").await, ("2000000".to_owned(), 3));
    for (kind, name, change, expected) in [
        (TOPIC, "t", ("no.such.key", 0, Some("1")), ErrorCode::INVALID_CONFIG),
        (TOPIC, "t", ("retention.ms", 0, Some("soon")), ErrorCode::INVALID_CONFIG),
        (TOPIC, "t", ("retention.ms", 2, Some("1")), ErrorCode::INVALID_CONFIG),
        (TOPIC, "t", ("retention.ms", 0, None), ErrorCode::INVALID_REQUEST),
        (TOPIC, "t", ("retention.ms", 9, Some("1")), ErrorCode::INVALID_REQUEST),
        (TOPIC, "none", ("retention.ms", 0, Some("1")), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (BROKER, "7", ("log.segment.bytes", 0, Some("2000000")), ErrorCode::BROKER_ID_NOT_REGISTERED),
        (BROKER, "1", ("node.id", 0, Some("2")), ErrorCode::INVALID_REQUEST),
        (99, "t", ("retention.ms", 0, Some("1")), ErrorCode::INVALID_REQUEST),
    ] {
        assert_eq!(client.change(1, kind, name, change).await, expected, "{kind} {name} {change:?}");
    }
    for (kind, name, expected) in [
        (TOPIC, "none", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a/b", ErrorCode::INVALID_TOPIC_EXCEPTION),
        (BROKER, "7", ErrorCode::INVALID_REQUEST),
        (99, "t", ErrorCode::INVALID_REQUEST),
    ] {
        assert_eq!(client.describe_one(4, kind, name, "retention.ms").await.error_code, expected, "{kind} {name}");
    }
}

#[tokio::test]
async fn producer_ids_are_new_in_every_version_and_transactions_are_refused() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    let mut ids = BTreeSet::new();
    for version in 0..=5 {
        let given = client.call(version, &InitProducerIdRequest::default()).await;
        let plain = InitProducerIdRequest { transactional_id: None, ..InitProducerIdRequest::default() };
        let idempotent = client.call(version, &plain).await;
        // The default of the field is an empty id, which is none.
        assert_eq!(given.error_code, ErrorCode::INVALID_REQUEST, "version {version}");
        assert_eq!((idempotent.error_code, idempotent.producer_epoch), (ErrorCode::NONE, 0), "version {version}");
        assert!(ids.insert(idempotent.producer_id), "version {version}: {} was given before", idempotent.producer_id);
        let transactional =
            InitProducerIdRequest { transactional_id: Some("tx".into()), ..InitProducerIdRequest::default() };
        let refused = client.call(version, &transactional).await;
        assert_eq!((refused.error_code, refused.producer_id), (ErrorCode::UNSUPPORTED_VERSION, -1));
    }
}
