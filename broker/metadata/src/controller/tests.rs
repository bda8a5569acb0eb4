//! What the controller decides, request by request, on a cluster that only its own records have made.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use barnabas_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{BrokerId, LeaderEpoch, Offset, ProducerId, TopicIdPartition, Uuid};

use super::*;
use crate::{
    ConfigResource, FeatureRange, History, MAX_METADATA_VERSION, METADATA_VERSION, Partition, ResourceType, snapshot,
};

/// Rules for tests: `good`, `list` and what elections go by are keys, `bad` is no value.
#[derive(Default)]
struct Rules {
    inherited: BTreeMap<&'static str, &'static str>,
}

impl ConfigRules for Rules {
    fn validate(&self, _: &ConfigResource, configs: &BTreeMap<Box<str>, Box<str>>) -> Result<(), InvalidConfig> {
        let is_key =
            |key: &str| matches!(key, "good" | "list" | "min.insync.replicas" | "unclean.leader.election.enable");
        match configs.iter().find(|(key, value)| !is_key(key) || value.as_ref() == "bad") {
            Some((key, value)) => Err(InvalidConfig { message: format!("{key}={value}").into() }),
            None => Ok(()),
        }
    }

    fn is_list(&self, _: ResourceType, key: &str) -> bool {
        key == "list"
    }

    fn inherited(&self, _: &ConfigResource, key: &str) -> Option<String> {
        if key == "list" { Some("default".to_owned()) } else { self.inherited.get(key).map(|&value| value.to_owned()) }
    }
}

/// `broker.session.timeout.ms`.
pub(super) const SESSION: Duration = Duration::from_secs(9);
/// `leader.imbalance.check.interval.seconds`.
pub(super) const BALANCE_INTERVAL: Duration = Duration::from_secs(300);
/// `unclean.leader.election.interval.ms`.
pub(super) const UNCLEAN_INTERVAL: Duration = Duration::from_secs(200);

/// A controller, and the offset its next record gets. Every decision is replayed, and the image must survive a snapshot.
pub(super) struct ControllerContext {
    pub(super) controller: Controller,
    next_offset: i64,
    random: u128,
    pub(super) now: Duration,
    pub(super) balance_interval: Option<Duration>,
    rules: Rules,
    /// Who reads the same records.
    reader: Image,
}

impl ControllerContext {
    /// As a release left it that kept no replicas eligible (KIP-966).
    pub(super) fn formatted() -> Self {
        Self::formatted_with(level_records(&[(METADATA_VERSION, MAX_METADATA_VERSION)]))
    }

    pub(super) fn formatted_with(bootstrap: Vec<MetadataRecord<'static>>) -> Self {
        let mut context = Self {
            controller: Controller::default(),
            next_offset: 3,
            random: 1,
            now: Duration::ZERO,
            balance_interval: Some(BALANCE_INTERVAL),
            rules: Rules::default(),
            reader: Image::default(),
        };
        context.apply(&first_batch(bootstrap, &Rules::default()));
        context
    }

    /// With brokers 1 to `count`, unfenced.
    pub(super) fn with_brokers(count: i32) -> Self {
        let mut context = Self::formatted();
        for id in 1..=count {
            context.start_broker(id, u128::from(id.unsigned_abs()));
        }
        context
    }

    pub(super) fn decide<R>(&mut self, decision: impl FnOnce(&mut Controller, &mut Context<'_>) -> R) -> R {
        let random = &mut self.random;
        let mut next = || {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *random
        };
        let mut context = Context {
            rules: &self.rules,
            random: &mut next,
            default_partitions: 2,
            default_replication_factor: 1,
            next_offset: Offset(self.next_offset),
            now: self.now,
            broker_session_timeout: SESSION,
            leader_imbalance_check_interval: self.balance_interval,
            unclean_leader_election_interval: UNCLEAN_INTERVAL,
        };
        decision(&mut self.controller, &mut context)
    }

    pub(super) fn apply(&mut self, records: &[MetadataRecord<'_>]) {
        self.replay(records);
        let mut again = Image::default();
        for record in snapshot::records(self.controller.head()) {
            again.replay(&record).unwrap();
        }
        assert_eq!(&again, self.controller.head(), "a snapshot loses something");
        assert_eq!(&self.reader, self.controller.head(), "who reads the records has another image");
        assert_eq!(self.controller.index, PartitionIndex::of(self.controller.head()), "the index has gone astray");
    }

    /// What topics inherit.
    pub(super) fn inherit(&mut self, key: &'static str, value: &'static str) {
        self.rules.inherited.insert(key, value);
    }

    /// As `apply`, without a look at the whole image.
    pub(super) fn replay(&mut self, records: &[MetadataRecord<'_>]) {
        for record in records {
            self.controller.replay(record).unwrap_or_else(|error| panic!("{record:?}: {error}"));
            self.reader.replay(record).unwrap();
            self.next_offset += 1;
        }
    }

    pub(super) fn registration(id: i32, incarnation: u128) -> Registration {
        Registration {
            broker_id: BrokerId(id),
            incarnation_id: Uuid::from_u128(incarnation),
            previous_broker_epoch: -1,
            endpoints: Vec::new(),
            features: vec![
                FeatureRange { name: METADATA_VERSION.into(), min: 7, max: 30 },
                FeatureRange { name: "eligible.leader.replicas.version".into(), min: 0, max: 1 },
            ],
            rack: None,
            log_dirs: vec![Uuid::from_u128(1000 + u128::from(id.unsigned_abs()))],
            beside_controller: false,
        }
    }

    pub(super) fn register(&mut self, registration: Registration) -> Result<i64, RegistrationError> {
        let outcome = self.decide(|controller, context| controller.register_broker(context, registration))?;
        self.apply(&outcome.records);
        Ok(outcome.response.broker_epoch)
    }

    pub(super) const fn next_offset(&self) -> i64 {
        self.next_offset
    }

    pub(super) fn epoch(&self, broker: i32) -> i64 {
        self.controller.head().brokers.get(BrokerId(broker)).unwrap().epoch
    }

    pub(super) fn fence(&mut self, broker: i32) {
        let records = self.decide(|controller, context| controller.fence_broker(context, BrokerId(broker))).records;
        self.apply(&records);
    }

    pub(super) fn beat(&mut self, heartbeat: &Heartbeat) -> (Vec<MetadataRecord<'static>>, HeartbeatReply) {
        let outcome = self.decide(|controller, context| controller.heartbeat(context, heartbeat)).unwrap();
        self.apply(&outcome.records);
        (outcome.records, outcome.response)
    }

    /// Registers broker `id` as a new process, a session after it was last heard of, and lets it in.
    pub(super) fn start_broker(&mut self, id: i32, incarnation: u128) -> i64 {
        self.now += SESSION;
        let epoch = self.register(Self::registration(id, incarnation)).unwrap();
        let (_, reply) = self.beat(&heartbeat(id, epoch, epoch));
        assert!(!reply.is_fenced);
        epoch
    }

    pub(super) fn create(
        &mut self,
        topics: Vec<CreatableTopic<'static>>,
    ) -> Vec<Result<CreatedTopic, CreateTopicError>> {
        let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
        let outcome = self.decide(|controller, context| controller.create_topics(context, &request));
        self.apply(&outcome.records);
        outcome.response
    }

    pub(super) fn key(&self, topic: &str, partition: i32) -> TopicIdPartition {
        TopicIdPartition { topic_id: self.controller.head().topics.named(topic).unwrap().id, partition }
    }

    pub(super) fn partition(&self, topic: &str, id: i32) -> &Partition {
        &self.controller.head().topics.named(topic).unwrap().partitions[&id]
    }
}

pub(super) fn heartbeat(id: i32, broker_epoch: i64, applied: i64) -> Heartbeat {
    Heartbeat {
        broker_id: BrokerId(id),
        broker_epoch,
        applied_offset: Offset(applied),
        want_fence: false,
        want_shut_down: false,
        offline_log_dirs: Vec::new(),
        cordoned_log_dirs: Some(Vec::new()),
    }
}

pub(super) fn topic(name: &'static str, num_partitions: i32, replication_factor: i16) -> CreatableTopic<'static> {
    CreatableTopic { name: Cow::Borrowed(name), num_partitions, replication_factor, ..CreatableTopic::default() }
}

fn with_config(key: &'static str, value: Option<&'static str>) -> CreatableTopic<'static> {
    let config = CreatableTopicConfig {
        name: Cow::Borrowed(key),
        value: value.map(Cow::Borrowed),
        ..CreatableTopicConfig::default()
    };
    CreatableTopic { configs: vec![config], ..topic("configured", 1, 1) }
}

pub(super) fn assigned(name: &'static str, assignments: &[(i32, &[i32])]) -> CreatableTopic<'static> {
    let assignment = |&(partition_index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: brokers.to_vec(),
        ..CreatableReplicaAssignment::default()
    };
    CreatableTopic { assignments: assignments.iter().map(assignment).collect(), ..topic(name, -1, -1) }
}

fn codes(results: &[Result<CreatedTopic, CreateTopicError>]) -> Vec<ErrorCode> {
    results.iter().map(|result| result.as_ref().map_or_else(CreateTopicError::code, |_| ErrorCode::NONE)).collect()
}

#[test]
fn a_topic_gets_the_defaults_it_does_not_name_and_a_leader_at_once() {
    let mut context = ControllerContext::with_brokers(1);
    let results = context.create(vec![topic("a", -1, -1)]);
    let created = results[0].as_ref().unwrap();
    assert_eq!((created.partitions, created.replication_factor), (2, 1));
    let partition = context.partition("a", 1);
    assert_eq!((partition.leader, partition.leader_epoch), (BrokerId(1), LeaderEpoch(0)));
    assert_eq!(*partition.isr, [BrokerId(1)]);
    assert_eq!(*partition.directories, [Uuid::from_u128(1001)]);
}

#[test]
fn each_topic_of_a_request_fails_by_itself_with_kafka_s_code() {
    let mut context = ControllerContext::with_brokers(2);
    context.create(vec![topic("old", 1, 1), topic("with.dot", 1, 1)]);
    let cases = [
        (topic("", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("a/b", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("with_dot", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (topic("__cluster_metadata", 1, 1), ErrorCode::INVALID_REQUEST),
        (topic("old", 1, 1), ErrorCode::TOPIC_ALREADY_EXISTS),
        (topic("b", 0, 1), ErrorCode::INVALID_PARTITIONS),
        (topic("b", -2, 1), ErrorCode::INVALID_PARTITIONS),
        (topic("b", 1, 0), ErrorCode::INVALID_REPLICATION_FACTOR),
        (topic("b", 1, 3), ErrorCode::INVALID_REPLICATION_FACTOR),
        (topic("b", 20_000, 1), ErrorCode::POLICY_VIOLATION),
        (with_config("unknown", Some("1")), ErrorCode::INVALID_CONFIG),
        (with_config("good", Some("bad")), ErrorCode::INVALID_CONFIG),
        (with_config("good", None), ErrorCode::INVALID_CONFIG),
        (assigned("b", &[(0, &[1]), (2, &[1])]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (assigned("b", &[(0, &[1]), (0, &[1])]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (assigned("b", &[(0, &[])]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (assigned("b", &[(0, &[9])]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (assigned("b", &[(0, &[1, 1])]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (assigned("b", &[(0, &[1]), (1, &[1, 2])]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (CreatableTopic { num_partitions: 1, ..assigned("b", &[(0, &[1])]) }, ErrorCode::INVALID_REQUEST),
        (CreatableTopic { replication_factor: 1, ..assigned("b", &[(0, &[1])]) }, ErrorCode::INVALID_REQUEST),
    ];
    for (bad, expected) in cases {
        let name = format!("{bad:?}");
        let head = context.controller.head().clone();
        assert_eq!(codes(&context.create(vec![bad.clone()])), [expected], "{name}");
        assert_eq!(context.controller.head(), &head, "a refused topic leaves a trace: {name}");
    }
    let results = context.create(vec![topic("twice", 1, 1), topic("good", 1, 1), topic("twice", 1, 1)]);
    assert_eq!(codes(&results), [ErrorCode::INVALID_REQUEST, ErrorCode::NONE, ErrorCode::INVALID_REQUEST]);
}

#[test]
fn validate_only_answers_as_the_real_thing_and_makes_no_record() {
    let mut context = ControllerContext::with_brokers(1);
    let request = CreateTopicsRequest { topics: vec![topic("a", 3, 1)], validate_only: true, ..Default::default() };
    let outcome = context.decide(|controller, context| controller.create_topics(context, &request));
    assert_eq!(outcome.response[0].as_ref().unwrap().partitions, 3);
    assert!(outcome.records.is_empty());
}

#[test]
fn a_manual_assignment_is_kept_and_led_by_its_first_active_broker() {
    let mut context = ControllerContext::with_brokers(3);
    context.fence(2);
    assert_eq!(codes(&context.create(vec![assigned("a", &[(1, &[2, 3]), (0, &[3, 1])])])), [ErrorCode::NONE]);
    assert_eq!(*context.partition("a", 1).replicas, [BrokerId(2), BrokerId(3)]);
    assert_eq!(context.partition("a", 1).leader, BrokerId(3));
    assert_eq!(*context.partition("a", 1).isr, [BrokerId(3)]);
    assert_eq!(codes(&context.create(vec![assigned("b", &[(0, &[2])])])), [ErrorCode::INVALID_REPLICA_ASSIGNMENT]);
}

#[test]
fn without_an_active_broker_no_topic_is_made() {
    let mut context = ControllerContext::with_brokers(1);
    context.fence(1);
    assert_eq!(codes(&context.create(vec![topic("a", 1, 1)])), [ErrorCode::INVALID_REPLICATION_FACTOR]);
}

#[test]
fn a_deleted_topic_takes_its_configuration_with_it_and_its_name_is_free() {
    let mut context = ControllerContext::with_brokers(1);
    let id = context.create(vec![with_config("good", Some("1"))])[0].as_ref().unwrap().topic_id;
    assert_eq!(context.controller.head().configs.topic("configured").map(|configs| configs.len()), Some(1));
    let selectors = [TopicSelector::Name("configured".into()), TopicSelector::Id(Uuid::from_u128(7))];
    let outcome = context.controller.delete_topics(&selectors);
    assert_eq!(outcome.response[0].as_ref().map(|topic| topic.id), Ok(id));
    assert_eq!(outcome.response[1], Err(DeleteTopicError::UnknownId));
    context.apply(&outcome.records);
    assert_eq!(context.controller.head().configs.topic("configured"), None);
    let again = context.create(vec![topic("configured", 1, 1)])[0].as_ref().unwrap().topic_id;
    assert_ne!(again, id);
}

#[test]
fn a_topic_selected_twice_is_not_deleted() {
    let mut context = ControllerContext::with_brokers(1);
    let id = context.create(vec![topic("a", 1, 1)])[0].as_ref().unwrap().topic_id;
    let outcome = context.controller.delete_topics(&[TopicSelector::Name("a".into()), TopicSelector::Id(id)]);
    assert_eq!(outcome.response, [Err(DeleteTopicError::Duplicate), Err(DeleteTopicError::Duplicate)]);
    assert!(outcome.records.is_empty());
    let unknown = context.controller.delete_topics(&[TopicSelector::Name("b".into())]);
    assert_eq!(unknown.response, [Err(DeleteTopicError::UnknownName)]);
}

#[test]
fn a_topic_grows_and_never_shrinks() {
    let mut context = ControllerContext::with_brokers(2);
    context.create(vec![topic("a", 2, 1)]);
    let mut grow = |name: &'static str, count, assignments: Option<Vec<Vec<i32>>>| {
        let assignment = |broker_ids| CreatePartitionsAssignment { broker_ids, ..Default::default() };
        let topic = CreatePartitionsTopic {
            name: Cow::Borrowed(name),
            count,
            assignments: assignments.map(|given| given.into_iter().map(assignment).collect()),
            ..Default::default()
        };
        let request = CreatePartitionsRequest { topics: vec![topic], ..Default::default() };
        let outcome = context.decide(|controller, context| controller.create_partitions(context, &request));
        context.apply(&outcome.records);
        let code = outcome.response[0].as_ref().map_or_else(CreatePartitionsError::code, |()| ErrorCode::NONE);
        (code, context.controller.head().topics.named("a").unwrap().partitions.len())
    };
    assert_eq!(grow("a", 5, None), (ErrorCode::NONE, 5));
    assert_eq!(grow("a", 5, None), (ErrorCode::INVALID_PARTITIONS, 5));
    assert_eq!(grow("a", 4, None), (ErrorCode::INVALID_PARTITIONS, 5));
    assert_eq!(grow("a", -1, None), (ErrorCode::INVALID_PARTITIONS, 5));
    assert_eq!(grow("b", 5, None), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 5));
    assert_eq!(grow("a", 50_000, None), (ErrorCode::POLICY_VIOLATION, 5));
    assert_eq!(grow("a", 7, Some(vec![vec![1]])), (ErrorCode::INVALID_REPLICA_ASSIGNMENT, 5));
    assert_eq!(grow("a", 6, Some(vec![vec![1, 2]])), (ErrorCode::INVALID_REPLICA_ASSIGNMENT, 5));
    assert_eq!(grow("a", 6, Some(vec![vec![2]])), (ErrorCode::NONE, 6));
    assert_eq!(context.partition("a", 5).leader, BrokerId(2));
}

#[test]
fn configurations_are_set_deleted_appended_and_subtracted() {
    let mut context = ControllerContext::with_brokers(1);
    context.create(vec![topic("a", 1, 1)]);
    let resource = ConfigResource::topic("a");
    let mut alter = |key: &str, operation: ConfigOperation<'_>| {
        let outcome = context.decide(|controller, context| {
            controller.incremental_alter_configs(context, &resource, &[(key, operation)])
        })?;
        context.apply(&outcome.records);
        Ok(context.controller.head().configs.value(&resource, key).map(str::to_owned))
    };
    let value = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(alter("good", ConfigOperation::Set("1")), value("1"));
    assert_eq!(alter("good", ConfigOperation::Delete), Ok(None));
    assert_eq!(alter("list", ConfigOperation::Append("a,b,a")), value("default,a,b"));
    assert_eq!(alter("list", ConfigOperation::Subtract("default, b")), value("a"));
    let not_a_list = AlterConfigsError::NotAList { key: "good".into() };
    assert_eq!(alter("good", ConfigOperation::Append("1")), Err::<Option<String>, _>(not_a_list));
    assert!(matches!(alter("good", ConfigOperation::Set("bad")), Err(AlterConfigsError::Config(_))));
}

#[test]
fn the_old_alter_replaces_everything_that_was_set() {
    let mut context = ControllerContext::with_brokers(1);
    context.create(vec![with_config("good", Some("1"))]);
    let resource = ConfigResource::topic("configured");
    let outcome = context
        .decide(|controller, context| controller.alter_configs(context, &resource, &[("list", Some("x"))]))
        .unwrap();
    context.apply(&outcome.records);
    let configs = &context.controller.head().configs;
    assert_eq!((configs.value(&resource, "good"), configs.value(&resource, "list")), (None, Some("x")));
}

#[test]
fn configuration_of_what_does_not_exist_is_refused() {
    let mut context = ControllerContext::with_brokers(1);
    let resource = |resource_type, name: &str| ConfigResource { resource_type, name: name.into() };
    for (resource, code) in [
        (ConfigResource::topic("none"), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (ConfigResource::broker("x"), ErrorCode::INVALID_REQUEST),
        (ConfigResource::broker("7"), ErrorCode::BROKER_ID_NOT_REGISTERED),
        (resource(ResourceType::Group, "g"), ErrorCode::INVALID_REQUEST),
    ] {
        let refused = context.decide(|controller, context| controller.alter_configs(context, &resource, &[]));
        assert_eq!(refused.unwrap_err().code(), code, "{resource}");
    }
}

#[test]
fn a_broker_gets_a_record_for_an_unchanged_value_and_a_topic_does_not() {
    let mut context = ControllerContext::with_brokers(1);
    context.create(vec![topic("a", 1, 1)]);
    let mut set_twice = |resource: ConfigResource| {
        let mut counts = Vec::new();
        for _ in 0..2 {
            let set = [("good", ConfigOperation::Set("1"))];
            let outcome =
                context.decide(|controller, context| controller.incremental_alter_configs(context, &resource, &set));
            let records = outcome.unwrap().records;
            context.apply(&records);
            counts.push(records.len());
        }
        counts
    };
    assert_eq!(set_twice(ConfigResource::broker("1")), [1, 1]);
    assert_eq!(set_twice(ConfigResource::broker("")), [1, 1]);
    assert_eq!(set_twice(ConfigResource::topic("a")), [1, 0]);
}

#[test]
fn producer_ids_are_given_once_and_only_to_registered_brokers() {
    let mut context = ControllerContext::with_brokers(1);
    let epoch = context.controller.head().brokers.get(BrokerId(1)).unwrap().epoch;
    for first in [0, 1000, 2000] {
        let outcome = context.controller.allocate_producer_ids(BrokerId(1), epoch).unwrap();
        assert_eq!(outcome.response, ProducerIdBlock { first: ProducerId(first), count: 1000 });
        context.apply(&outcome.records);
    }
    let stale = context.controller.allocate_producer_ids(BrokerId(1), epoch + 1).unwrap_err();
    assert_eq!(stale.code(), ErrorCode::STALE_BROKER_EPOCH);
}

#[test]
fn a_new_cluster_sees_its_features_all_at_once() {
    let mut history = History::default();
    for record in &first_batch(bootstrap_records(), &Rules::default()) {
        assert_eq!(history.visible().features.metadata_version(), 0, "before {record:?}");
        history.replay(record).unwrap();
    }
    assert_eq!(history.visible().features.metadata_version(), 30);
    let levels: Vec<_> = history.visible().features.iter().collect();
    assert_eq!(levels, [("eligible.leader.replicas.version", 1), (METADATA_VERSION, 30)]);
    let minimum = history.visible().configs.value(&ConfigResource::broker(""), "min.insync.replicas");
    assert_eq!(minimum, Some("1"));
}
