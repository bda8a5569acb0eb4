//! What the controller decides, request by request, on a cluster that only its own records have made.

use std::borrow::Cow;
use std::collections::BTreeMap;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use barnabas_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{BrokerId, LeaderEpoch, Offset, ProducerId, Uuid};

use super::*;
use crate::{ConfigResource, FeatureRange, History, METADATA_VERSION, Partition, ResourceType, snapshot};

/// Rules for tests: `good` and `list` are keys, `bad` is no value.
struct Rules;

impl ConfigRules for Rules {
    fn validate(&self, _: &ConfigResource, configs: &BTreeMap<Box<str>, Box<str>>) -> Result<(), InvalidConfig> {
        match configs.iter().find(|(key, value)| !matches!(key.as_ref(), "good" | "list") || value.as_ref() == "bad") {
            Some((key, value)) => Err(InvalidConfig { message: format!("{key}={value}").into() }),
            None => Ok(()),
        }
    }

    fn is_list(&self, _: ResourceType, key: &str) -> bool {
        key == "list"
    }

    fn inherited(&self, _: &ConfigResource, key: &str) -> Option<String> {
        (key == "list").then(|| "default".to_owned())
    }
}

/// A controller, and the offset its next record gets. Every decision is replayed, and the image must survive a snapshot.
pub(super) struct ControllerContext {
    pub(super) controller: Controller,
    next_offset: i64,
    random: u128,
}

impl ControllerContext {
    fn formatted() -> Self {
        let mut context = Self { controller: Controller::default(), next_offset: 3, random: 1 };
        context.apply(&first_batch(bootstrap_records()));
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

    pub(super) fn decide<R>(&mut self, decision: impl FnOnce(&Controller, &mut Context<'_>) -> R) -> R {
        let random = &mut self.random;
        let mut next = || {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *random
        };
        let mut context = Context {
            rules: &Rules,
            random: &mut next,
            default_partitions: 2,
            default_replication_factor: 1,
            next_offset: Offset(self.next_offset),
        };
        decision(&self.controller, &mut context)
    }

    pub(super) fn apply(&mut self, records: &[MetadataRecord<'_>]) {
        for record in records {
            self.controller.replay(record).unwrap_or_else(|error| panic!("{record:?}: {error}"));
            self.next_offset += 1;
        }
        let mut again = Image::default();
        for record in snapshot::records(self.controller.head()) {
            again.replay(&record).unwrap();
        }
        assert_eq!(&again, self.controller.head(), "a snapshot loses something");
    }

    fn registration(id: i32, incarnation: u128) -> Registration {
        Registration {
            broker_id: BrokerId(id),
            incarnation_id: Uuid::from_u128(incarnation),
            endpoints: Vec::new(),
            features: vec![FeatureRange { name: METADATA_VERSION.into(), min: 7, max: 30 }],
            rack: None,
            log_dirs: vec![Uuid::from_u128(1000 + u128::from(id.unsigned_abs()))],
        }
    }

    fn register(&mut self, registration: Registration) -> Result<i64, RegistrationError> {
        let outcome = self.decide(|controller, context| controller.register_broker(context, registration))?;
        self.apply(&outcome.records);
        Ok(outcome.response)
    }

    fn beat(&mut self, heartbeat: &Heartbeat) -> (Vec<MetadataRecord<'static>>, HeartbeatReply) {
        let outcome = self.controller.heartbeat(heartbeat).unwrap();
        self.apply(&outcome.records);
        (outcome.records, outcome.response)
    }

    /// Registers broker `id` as a new process and lets it in.
    pub(super) fn start_broker(&mut self, id: i32, incarnation: u128) -> i64 {
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

    fn partition(&self, topic: &str, id: i32) -> &Partition {
        &self.controller.head().topics.named(topic).unwrap().partitions[&id]
    }
}

fn heartbeat(id: i32, broker_epoch: i64, applied: i64) -> Heartbeat {
    Heartbeat {
        broker_id: BrokerId(id),
        broker_epoch,
        applied_offset: Offset(applied),
        want_fence: false,
        want_shut_down: false,
        cordoned_log_dirs: Vec::new(),
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

fn assigned(name: &'static str, assignments: &[(i32, &[i32])]) -> CreatableTopic<'static> {
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
    context.apply(&context.controller.fence_broker(BrokerId(2)).records);
    assert_eq!(codes(&context.create(vec![assigned("a", &[(1, &[2, 3]), (0, &[3, 1])])])), [ErrorCode::NONE]);
    assert_eq!(*context.partition("a", 1).replicas, [BrokerId(2), BrokerId(3)]);
    assert_eq!(context.partition("a", 1).leader, BrokerId(3));
    assert_eq!(*context.partition("a", 1).isr, [BrokerId(3)]);
    assert_eq!(codes(&context.create(vec![assigned("b", &[(0, &[2])])])), [ErrorCode::INVALID_REPLICA_ASSIGNMENT]);
}

#[test]
fn without_an_active_broker_no_topic_is_made() {
    let mut context = ControllerContext::with_brokers(1);
    context.apply(&context.controller.fence_broker(BrokerId(1)).records);
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
fn a_broker_is_fenced_until_it_has_applied_its_own_registration() {
    let mut context = ControllerContext::formatted();
    let epoch = context.register(ControllerContext::registration(1, 1)).unwrap();
    let (_, reply) = context.beat(&heartbeat(1, epoch, epoch - 1));
    assert_eq!(reply, HeartbeatReply { is_caught_up: false, is_fenced: true, should_shut_down: false });
    let (records, reply) = context.beat(&heartbeat(1, epoch, epoch));
    assert_eq!(reply, HeartbeatReply { is_caught_up: true, is_fenced: false, should_shut_down: false });
    assert_eq!(records.len(), 1);
    let (records, _) = context.beat(&heartbeat(1, epoch, epoch + 1));
    assert!(records.is_empty(), "nothing changed, and yet: {records:?}");
    assert!(context.controller.heartbeat(&heartbeat(1, epoch + 5, epoch)).is_err());
}

#[test]
fn a_broker_that_stops_hands_over_what_it_leads_and_gets_it_back() {
    let mut context = ControllerContext::with_brokers(2);
    context.create(vec![assigned("a", &[(0, &[1, 2])]), assigned("b", &[(0, &[1])])]);
    let epoch = context.controller.head().brokers.get(BrokerId(1)).unwrap().epoch;
    let stopping = Heartbeat { want_shut_down: true, ..heartbeat(1, epoch, epoch) };
    let (_, reply) = context.beat(&stopping);
    assert!(!reply.should_shut_down, "it may stop only once the handover is committed");
    assert_eq!(context.partition("a", 0).leader, BrokerId(2));
    assert_eq!(*context.partition("a", 0).isr, [BrokerId(2)]);
    assert_eq!(context.partition("b", 0).leader, BrokerId::NONE, "nobody else has it");
    assert_eq!(*context.partition("b", 0).isr, [BrokerId(1)], "the last member stays");
    let (_, reply) = context.beat(&stopping);
    assert!(reply.should_shut_down);
    context.start_broker(1, 77);
    assert_eq!(context.partition("b", 0).leader, BrokerId(1));
    assert_eq!(context.partition("b", 0).leader_epoch, LeaderEpoch(2));
    assert_eq!(context.partition("a", 0).leader, BrokerId(2));
}

#[test]
fn a_broker_that_was_killed_leads_in_a_new_epoch() {
    let mut context = ControllerContext::with_brokers(1);
    context.create(vec![topic("a", 1, 1)]);
    let epoch = context.start_broker(1, 99);
    assert_eq!(context.partition("a", 0).leader_epoch, LeaderEpoch(2));
    assert_eq!(context.partition("a", 0).leader, BrokerId(1));
    assert_eq!(context.controller.head().brokers.get(BrokerId(1)).unwrap().epoch, epoch);
}

#[test]
fn the_same_process_may_register_again_and_keeps_its_epoch() {
    let mut context = ControllerContext::with_brokers(1);
    let epoch = context.controller.head().brokers.get(BrokerId(1)).unwrap().epoch;
    assert_eq!(context.register(ControllerContext::registration(1, 1)), Ok(epoch));
    assert!(!context.controller.head().brokers.get(BrokerId(1)).unwrap().fenced);
}

#[test]
fn a_broker_that_cannot_read_the_records_or_brings_foreign_directories_is_refused() {
    let mut context = ControllerContext::with_brokers(1);
    let mut old = ControllerContext::registration(2, 2);
    old.features[0].max = 29;
    assert_eq!(context.register(old).unwrap_err().code(), ErrorCode::UNSUPPORTED_VERSION);
    for log_dirs in [vec![], vec![Uuid::from_u128(1001)], vec![Uuid::from_u128(1)], vec![Uuid::from_u128(500); 2]] {
        let registration = Registration { log_dirs, ..ControllerContext::registration(2, 2) };
        assert_eq!(context.register(registration).unwrap_err().code(), ErrorCode::INVALID_REGISTRATION);
    }
}

#[test]
fn an_unregistered_broker_is_forgotten() {
    let mut context = ControllerContext::with_brokers(2);
    let epoch = context.controller.head().brokers.get(BrokerId(2)).unwrap().epoch;
    assert!(context.controller.unregister_broker(BrokerId(2), epoch + 1).is_err());
    let records = context.controller.unregister_broker(BrokerId(2), epoch).unwrap().records;
    context.apply(&records);
    assert!(context.controller.head().brokers.get(BrokerId(2)).is_none());
}

#[test]
fn a_new_cluster_sees_its_features_all_at_once() {
    let mut history = History::default();
    for record in &first_batch(bootstrap_records()) {
        assert_eq!(history.visible().features.metadata_version(), 0, "before {record:?}");
        history.replay(record).unwrap();
    }
    assert_eq!(history.visible().features.metadata_version(), 30);
    assert_eq!(history.visible().features.iter().count(), 1);
}
