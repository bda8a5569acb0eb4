//! Partitions with several replicas: who leads and who is in sync, as brokers come and go, leaders ask and users ask.

use std::borrow::Cow;
use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::alter_partition::{AlterPartitionRequest, BrokerState, PartitionData, TopicData};
use barnabas_protocol::messages::create_topics::CreatableTopic;
use barnabas_protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use barnabas_protocol::records::metadata::{FeatureLevelRecord, MetadataRecord, PartitionChangeRecord};
use barnabas_types::{BrokerId, LeaderEpoch, Uuid};

use super::tests::{BALANCE_INTERVAL, ControllerContext, SESSION, UNCLEAN_INTERVAL, assigned, heartbeat};
use super::*;
use crate::{ConfigResource, RecoveryState};

/// Three brokers, and topic `a` with one partition on all of them.
fn three() -> ControllerContext {
    let mut context = ControllerContext::with_brokers(3);
    create(&mut context, vec![assigned("a", &[(0, &[1, 2, 3])])]);
    context
}

fn create(context: &mut ControllerContext, topics: Vec<CreatableTopic<'static>>) {
    for result in context.create(topics) {
        result.unwrap();
    }
}

/// As `three`, with replicas kept eligible (KIP-966) and a minimum of two in sync.
fn three_with_eligible() -> ControllerContext {
    let mut context = three();
    let level = FeatureLevelRecord {
        name: "eligible.leader.replicas.version".into(),
        feature_level: 1,
        ..FeatureLevelRecord::default()
    };
    context.apply(&[level.into()]);
    context.inherit("min.insync.replicas", "2");
    // Every leader knows it.
    let (end, brokers) = (context.next_offset(), context.controller.head().brokers.iter().count());
    for id in (1..).take(brokers) {
        let epoch = context.epoch(id);
        context.beat(&heartbeat(id, epoch, end - 1));
    }
    context
}

/// Who leads (-1 for nobody), in which epoch, and who is in sync.
fn standing(context: &ControllerContext, topic: &str, id: i32) -> (i32, i32, Vec<i32>) {
    let partition = context.partition(topic, id);
    (partition.leader.0, partition.leader_epoch.0, partition.isr.iter().map(|id| id.0).collect())
}

/// Who is eligible, and who led last.
fn eligible(context: &ControllerContext) -> (Vec<i32>, Vec<i32>) {
    let unusual = context.partition("a", 0).unusual();
    let ids = |list: &[BrokerId]| list.iter().map(|id| id.0).collect();
    (ids(&unusual.eligible_leaders), ids(&unusual.last_known_eligible_leaders))
}

/// What the leader of `topic`-0 asks, as version 3 says it and with everything up to date.
pub(super) fn proposal(context: &ControllerContext, topic: &str, isr: &[i32]) -> AlterPartitionRequest<'static> {
    let (key, partition) = (context.key(topic, 0), context.partition(topic, 0));
    let member =
        |&broker_id: &i32| BrokerState { broker_id, broker_epoch: context.epoch(broker_id), ..BrokerState::default() };
    let data = PartitionData {
        leader_epoch: partition.leader_epoch.0,
        partition_epoch: partition.partition_epoch,
        new_isr_with_epochs: isr.iter().map(member).collect(),
        ..PartitionData::default()
    };
    AlterPartitionRequest {
        broker_id: partition.leader.0,
        broker_epoch: context.epoch(partition.leader.0),
        topics: vec![TopicData { topic_id: key.topic_id, partitions: vec![data], ..TopicData::default() }],
        ..AlterPartitionRequest::default()
    }
}

fn decide(
    context: &mut ControllerContext,
    request: &AlterPartitionRequest<'_>,
) -> Result<Outcome<Vec<AlteredPartition>>, StaleBrokerEpoch> {
    context.decide(|controller, context| controller.alter_partition(context, request))
}

/// The code that a proposal for one partition is answered with; its records are applied.
pub(super) fn propose(context: &mut ControllerContext, request: &AlterPartitionRequest<'_>) -> ErrorCode {
    let outcome = decide(context, request).unwrap();
    context.apply(&outcome.records);
    outcome.response[0].result.as_ref().map_or_else(AlterPartitionError::code, |_| ErrorCode::NONE)
}

#[test]
fn the_leader_says_who_is_in_sync_and_hears_how_the_partition_is_now() {
    let mut context = three();
    let request = proposal(&context, "a", &[1, 3]);
    let outcome = decide(&mut context, &request).unwrap();
    context.apply(&outcome.records);
    assert_eq!(standing(&context, "a", 0), (1, 0, vec![1, 3]));
    let response = alter_partition_response(&outcome.response);
    let told = &response.topics[0].partitions[0];
    assert_eq!((told.error_code, told.leader_id, told.isr.as_slice()), (ErrorCode::NONE, 1, [1, 3].as_slice()));
    assert_eq!((told.leader_epoch, told.partition_epoch), (0, 1));

    // Version 2 names no broker epochs.
    let mut request = proposal(&context, "a", &[]);
    request.topics[0].partitions[0].new_isr = vec![1, 2, 3];
    assert_eq!(propose(&mut context, &request), ErrorCode::NONE);
    assert_eq!(standing(&context, "a", 0), (1, 0, vec![1, 2, 3]));
    let request = proposal(&context, "a", &[1, 2, 3]);
    let outcome = decide(&mut context, &request).unwrap();
    assert!(outcome.records.is_empty(), "nothing changes: {outcome:?}");
    assert_eq!(outcome.response[0].result.as_ref().unwrap().partition_epoch, 2);
}

/// What may be wrong with a proposal of broker 1 for (1, 2, 3) in leader epoch 1 and partition epoch 1, most important first.
#[test]
fn a_proposal_is_refused_for_its_first_fault_in_kafka_s_order() {
    type Fault = fn(&mut AlterPartitionRequest<'_>);
    fn data<'a, 'b>(request: &'b mut AlterPartitionRequest<'a>) -> &'b mut PartitionData<'a> {
        &mut request.topics[0].partitions[0]
    }
    let faults: [(Fault, ErrorCode); 12] = [
        (|request| request.topics[0].topic_id = Uuid::from_u128(99), ErrorCode::UNKNOWN_TOPIC_ID),
        (|request| data(request).partition_index = 7, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (|request| data(request).partition_epoch = 2, ErrorCode::NOT_CONTROLLER),
        (|request| data(request).leader_epoch = 0, ErrorCode::FENCED_LEADER_EPOCH),
        (|request| (request.broker_id, request.broker_epoch) = (3, -3), ErrorCode::INVALID_REQUEST),
        (|request| data(request).partition_epoch = 0, ErrorCode::INVALID_UPDATE_VERSION),
        (|request| data(request).new_isr = vec![4], ErrorCode::INVALID_REQUEST),
        (|request| data(request).new_isr = vec![2], ErrorCode::INVALID_REQUEST),
        (|request| drop(data(request).new_isr_with_epochs.remove(0)), ErrorCode::INVALID_REQUEST),
        (|request| data(request).leader_recovery_state = 1, ErrorCode::INVALID_REQUEST),
        (|request| data(request).leader_recovery_state = 2, ErrorCode::INVALID_REQUEST),
        (|request| data(request).new_isr_with_epochs[1].broker_epoch += 1, ErrorCode::INELIGIBLE_REPLICA),
    ];
    let mut context = three();
    let leads_again = PartitionChangeRecord {
        topic_id: context.key("a", 0).topic_id,
        partition_id: 0,
        leader: 1,
        ..PartitionChangeRecord::default()
    };
    context.apply(&[leads_again.into()]);
    let sound = proposal(&context, "a", &[1, 2, 3]);
    for (at, (fault, expected)) in faults.iter().enumerate() {
        // Whatever is less important may be wrong, too.
        for (other, _) in &faults[at + 1..] {
            let mut request = sound.clone();
            other(&mut request);
            fault(&mut request);
            request.broker_epoch = context.epoch(request.broker_id);
            let outcome = decide(&mut context, &request).unwrap();
            assert_eq!(outcome.response[0].result.as_ref().unwrap_err().code(), *expected, "{at}: {request:?}");
            assert!(outcome.records.is_empty());
        }
        let mut request = sound.clone();
        fault(&mut request);
        request.broker_epoch = context.epoch(request.broker_id);
        assert_eq!(propose(&mut context, &request), *expected, "{at}");
    }
    let newer = |request: &mut AlterPartitionRequest<'_>| data(request).leader_epoch = 2;
    let mut request = sound.clone();
    newer(&mut request);
    assert_eq!(propose(&mut context, &request), ErrorCode::NOT_CONTROLLER);
    assert_eq!(propose(&mut context, &sound), ErrorCode::NONE);
}

#[test]
fn only_brokers_that_are_up_and_stay_may_join_the_isr() {
    let mut context = three();
    context.fence(2);
    let request = proposal(&context, "a", &[1, 2]);
    let outcome = decide(&mut context, &request).unwrap();
    let ineligible = AlterPartitionError::Ineligible { broker: BrokerId(2), why: "it is fenced" };
    assert_eq!(outcome.response[0].result, Err(ineligible));
    // It leads something, and so is not let go at once.
    create(&mut context, vec![assigned("b", &[(0, &[3])])]);
    let epoch = context.epoch(3);
    context.beat(&Heartbeat { want_shut_down: true, ..heartbeat(3, epoch, epoch) });
    let request = proposal(&context, "a", &[1, 3]);
    let outcome = decide(&mut context, &request).unwrap();
    let ineligible = AlterPartitionError::Ineligible { broker: BrokerId(3), why: "it is shutting down" };
    assert_eq!(outcome.response[0].result, Err(ineligible));
    let stale = AlterPartitionRequest { broker_epoch: request.broker_epoch - 1, ..request };
    let expected = StaleBrokerEpoch { broker: BrokerId(1), epoch: stale.broker_epoch };
    assert_eq!(decide(&mut context, &stale), Err(expected));
}

#[test]
fn of_two_changes_of_a_partition_in_one_request_the_second_is_late() {
    let mut context = three();
    let mut request = proposal(&context, "a", &[1, 2]);
    let second = proposal(&context, "a", &[1, 3]).topics.remove(0);
    request.topics.push(second);
    let outcome = decide(&mut context, &request).unwrap();
    context.apply(&outcome.records);
    assert_eq!(standing(&context, "a", 0).2, [1, 2]);
    assert_eq!(outcome.response[1].result.as_ref().unwrap_err().code(), ErrorCode::INVALID_UPDATE_VERSION);
}

/// A reassignment as AlterPartitionReassignments begins it.
fn reassign(context: &mut ControllerContext, replicas: &[i32], adding: &[i32], removing: &[i32]) {
    let record = PartitionChangeRecord {
        topic_id: context.key("a", 0).topic_id,
        partition_id: 0,
        leader: crate::replay::LEADER_UNCHANGED,
        replicas: Some(replicas.to_vec()),
        adding_replicas: Some(adding.to_vec()),
        removing_replicas: Some(removing.to_vec()),
        ..PartitionChangeRecord::default()
    };
    context.apply(&[record.into()]);
}

#[test]
fn a_reassignment_is_complete_when_all_that_stay_are_in_sync() {
    let mut context = ControllerContext::with_brokers(4);
    create(&mut context, vec![assigned("a", &[(0, &[1, 2, 3])])]);
    reassign(&mut context, &[1, 2, 4, 3], &[4], &[3]);
    let request = proposal(&context, "a", &[1, 2, 3]);
    assert_eq!(propose(&mut context, &request), ErrorCode::NONE);
    assert!(context.partition("a", 0).is_reassigning());
    let request = proposal(&context, "a", &[1, 2, 3, 4]);
    assert_eq!(propose(&mut context, &request), ErrorCode::NONE);
    let partition = context.partition("a", 0);
    assert!(!partition.is_reassigning());
    assert_eq!(*partition.replicas, [BrokerId(1), BrokerId(2), BrokerId(4)]);
    assert_eq!(standing(&context, "a", 0), (1, 1, vec![1, 2, 4]), "who was a replica is not to be taken for one");
}

#[test]
fn a_leader_that_is_reassigned_away_hears_that_somebody_else_leads() {
    let mut context = ControllerContext::with_brokers(4);
    create(&mut context, vec![assigned("a", &[(0, &[1, 2, 3])])]);
    reassign(&mut context, &[4, 2, 3, 1], &[4], &[1]);
    let request = proposal(&context, "a", &[1, 2, 3, 4]);
    assert_eq!(propose(&mut context, &request), ErrorCode::NEW_LEADER_ELECTED);
    assert_eq!(standing(&context, "a", 0), (4, 1, vec![2, 3, 4]));
}

fn set(context: &mut ControllerContext, resource: &ConfigResource, key: &str, value: &str) {
    let operations = [(key, ConfigOperation::Set(value))];
    let outcome =
        context.decide(|controller, context| controller.incremental_alter_configs(context, resource, &operations));
    let records = outcome.unwrap().records;
    context.apply(&records);
}

#[test]
fn out_of_sync_replicas_lead_only_where_the_configuration_says_so() {
    for (inherited, of_topic, elected) in
        [("false", None, false), ("true", None, true), ("true", Some("false"), false), ("false", Some("true"), true)]
    {
        let mut context = three();
        context.inherit("unclean.leader.election.enable", inherited);
        if let Some(value) = of_topic {
            set(&mut context, &ConfigResource::topic("a"), "unclean.leader.election.enable", value);
        }
        let request = proposal(&context, "a", &[1]);
        propose(&mut context, &request);
        context.fence(1);
        if !elected {
            assert_eq!(standing(&context, "a", 0), (-1, 1, vec![1]), "{inherited} {of_topic:?}");
            continue;
        }
        assert_eq!(standing(&context, "a", 0), (2, 1, vec![2]), "{inherited} {of_topic:?}");
        assert_eq!(context.partition("a", 0).leader_recovery_state, RecoveryState::Recovering);
        // It recovers alone, says that it has, and then followers join.
        let mut request = proposal(&context, "a", &[2, 3]);
        request.topics[0].partitions[0].leader_recovery_state = 1;
        assert_eq!(propose(&mut context, &request), ErrorCode::INVALID_REQUEST);
        let request = proposal(&context, "a", &[2]);
        assert_eq!(propose(&mut context, &request), ErrorCode::NONE);
        assert_eq!(context.partition("a", 0).leader_recovery_state, RecoveryState::Recovered);
        let mut request = proposal(&context, "a", &[2]);
        request.topics[0].partitions[0].leader_recovery_state = 1;
        assert_eq!(propose(&mut context, &request), ErrorCode::INVALID_REQUEST, "it never goes back");
    }
}

#[test]
fn the_last_member_of_an_isr_stays_and_leads_again_when_it_is_back() {
    let mut context = three();
    context.fence(2);
    context.fence(1);
    assert_eq!(standing(&context, "a", 0), (3, 1, vec![3]), "the leader goes, and the next in order leads");
    context.fence(3);
    assert_eq!(standing(&context, "a", 0), (-1, 2, vec![3]));
    context.start_broker(1, 11);
    assert_eq!(standing(&context, "a", 0), (-1, 2, vec![3]), "it lacks what 3 has");
    context.start_broker(3, 33);
    assert_eq!(standing(&context, "a", 0), (3, 3, vec![3]));
}

#[test]
fn who_leaves_under_the_minimum_stays_eligible_and_an_empty_isr_is_led_by_nobody() {
    let mut context = three_with_eligible();
    context.fence(3);
    assert_eq!((standing(&context, "a", 0), eligible(&context)), ((1, 0, vec![1, 2]), (vec![], vec![])));
    context.fence(2);
    assert_eq!((standing(&context, "a", 0), eligible(&context)), ((1, 0, vec![1]), (vec![2], vec![])));
    context.fence(1);
    assert_eq!((standing(&context, "a", 0), eligible(&context)), ((-1, 1, vec![]), (vec![1, 2], vec![1])));
    // A clean stop keeps what it had: the first that is back leads, alone in sync.
    let previous = context.epoch(2);
    context.now += SESSION;
    let registration = Registration { previous_broker_epoch: previous, ..ControllerContext::registration(2, 22) };
    let epoch = context.register(registration).unwrap();
    context.beat(&heartbeat(2, epoch, epoch));
    assert_eq!((standing(&context, "a", 0), eligible(&context)), ((2, 2, vec![2]), (vec![1], vec![])));
    context.start_broker(3, 33);
    let request = proposal(&context, "a", &[2, 3]);
    assert_eq!(propose(&mut context, &request), ErrorCode::NONE);
    assert_eq!(eligible(&context), (vec![], vec![]), "the minimum is there again");
}

#[test]
fn who_comes_back_without_proof_is_eligible_no_more_and_the_last_leader_leads_at_a_price() {
    let mut context = three_with_eligible();
    for broker in [3, 2, 1] {
        context.fence(broker);
    }
    context.now += SESSION;
    let registration = Registration { previous_broker_epoch: 1, ..ControllerContext::registration(2, 22) };
    let epoch = context.register(registration).unwrap();
    assert_eq!(eligible(&context), (vec![1], vec![1]));
    context.beat(&heartbeat(2, epoch, epoch));
    assert_eq!(standing(&context, "a", 0), (-1, 1, vec![]), "1 has everything, and 2 perhaps not");
    let epoch = context.register(ControllerContext::registration(1, 11)).unwrap();
    assert_eq!(eligible(&context), (vec![], vec![1]));
    context.beat(&heartbeat(1, epoch, epoch));
    assert_eq!((standing(&context, "a", 0), eligible(&context)), ((1, 2, vec![1]), (vec![], vec![])));
    assert_eq!(context.partition("a", 0).leader_recovery_state, RecoveryState::Recovering);
}

#[test]
fn a_process_that_dies_and_is_back_before_its_session_ends_leaves_every_isr() {
    for (has_proof, left_eligible) in [(true, vec![1, 3]), (false, vec![3])] {
        let mut context = three_with_eligible();
        let request = proposal(&context, "a", &[1]);
        propose(&mut context, &request);
        assert_eq!(eligible(&context).0, [2, 3]);
        let registration = Registration {
            previous_broker_epoch: if has_proof { context.epoch(1) } else { -1 },
            beside_controller: true,
            ..ControllerContext::registration(1, 11)
        };
        context.register(registration).unwrap();
        assert_eq!((standing(&context, "a", 0), eligible(&context).0), ((2, 1, vec![2]), left_eligible));
    }
}

#[test]
fn another_minimum_ends_what_was_eligible_under_the_old_one() {
    for resource in [ConfigResource::topic("a"), ConfigResource::broker("")] {
        let mut context = three_with_eligible();
        let request = proposal(&context, "a", &[1]);
        propose(&mut context, &request);
        assert_eq!(eligible(&context).0, [2, 3]);
        set(&mut context, &resource, "min.insync.replicas", "1");
        assert_eq!(eligible(&context).0, Vec::<i32>::new(), "{resource}");
    }
}

#[test]
fn with_the_feature_goes_what_was_eligible() {
    let mut context = three_with_eligible();
    let request = proposal(&context, "a", &[1]);
    propose(&mut context, &request);
    assert_eq!(eligible(&context).0, [2, 3]);
    let off = FeatureUpdate {
        feature: "eligible.leader.replicas.version".into(),
        level: 0,
        upgrade_type: Some(UpgradeType::SafeDowngrade),
    };
    let outcome = context.decide(|controller, context| controller.update_features(context, &[off], false));
    let records = outcome.unwrap().records;
    context.apply(&records);
    assert_eq!(eligible(&context), (vec![], vec![]));
}

#[test]
fn without_the_feature_nobody_is_kept_eligible() {
    let mut context = three();
    context.inherit("min.insync.replicas", "2");
    let request = proposal(&context, "a", &[1]);
    propose(&mut context, &request);
    context.fence(1);
    assert_eq!((standing(&context, "a", 0), eligible(&context)), ((-1, 1, vec![1]), (vec![], vec![])));
}

#[test]
fn a_broker_that_stops_leaves_every_isr_with_another_member() {
    let mut context = three();
    create(&mut context, vec![assigned("b", &[(0, &[2, 1])]), assigned("c", &[(0, &[1])])]);
    let epoch = context.epoch(1);
    let (_, reply) = context.beat(&Heartbeat { want_shut_down: true, ..heartbeat(1, epoch, epoch) });
    assert!(!reply.should_shut_down);
    assert_eq!(standing(&context, "a", 0), (2, 1, vec![2, 3]));
    assert_eq!(standing(&context, "b", 0), (2, 0, vec![2]), "who only followed leaves, too, and no epoch begins");
    assert_eq!(standing(&context, "c", 0), (-1, 1, vec![1]));
}

#[test]
fn a_fencing_that_is_cut_off_anywhere_is_finished_by_the_next_controller() {
    let context = || {
        let mut context = three();
        create(&mut context, vec![assigned("b", &[(0, &[1, 2]), (1, &[2, 1])]), assigned("c", &[(0, &[1])])]);
        context
    };
    let fence = |context: &mut ControllerContext| {
        context.decide(|controller, context| controller.fence_broker(context, BrokerId(1))).records
    };
    let mut whole = context();
    let records = fence(&mut whole);
    assert!(records.len() == 5, "{records:?}");
    whole.apply(&records);
    for cut in 0..records.len() {
        let mut context = context();
        context.apply(&records[..cut]);
        context.controller = Controller::new(context.controller.head().clone());
        context.controller.activate(context.now, &PermitsBefore::since(context.now));
        let rest = fence(&mut context);
        context.apply(&rest);
        assert_eq!(context.controller.head(), whole.controller.head(), "cut off after {cut}");
    }
}

#[test]
fn a_controller_that_takes_over_elects_what_the_one_before_left_without_a_leader() {
    let mut context = three();
    for broker in [3, 2, 1] {
        context.fence(broker);
    }
    // The log ends between the broker's being let in and its election.
    let epoch = context.epoch(1);
    let beat = heartbeat(1, epoch, epoch + 100);
    let records = context.decide(|controller, context| controller.heartbeat(context, &beat)).unwrap().records;
    context.apply(&records[..1]);
    assert_eq!(standing(&context, "a", 0).0, -1);
    context.controller = Controller::new(context.controller.head().clone());
    context.controller.activate(context.now, &PermitsBefore::since(context.now));
    assert_eq!(context.controller.election_deadline(), Some(context.now));
    assert_eq!(elect_periodically(&mut context), (Some(PeriodicElection::Leaderless), 1));
    assert_eq!(standing(&context, "a", 0), (1, 2, vec![1]));
}

fn elect(
    context: &mut ControllerContext,
    election_type: i8,
    asked: Option<&[(&'static str, &[i32])]>,
) -> Result<Vec<(i32, ErrorCode)>, ElectLeadersError> {
    let named = |&(topic, partitions): &(&'static str, &[i32])| TopicPartitions {
        topic: Cow::Borrowed(topic),
        partitions: partitions.to_vec(),
        ..TopicPartitions::default()
    };
    let topic_partitions = asked.map(|asked| asked.iter().map(named).collect());
    let request = ElectLeadersRequest { election_type, topic_partitions, ..ElectLeadersRequest::default() };
    let outcome = context.decide(|controller, context| controller.elect_leaders(context, &request))?;
    context.apply(&outcome.records);
    let response = elect_leaders_response(&outcome.response);
    let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    Ok(results.map(|result| (result.partition_id, result.error_code)).collect())
}

#[test]
fn users_get_preferred_leaders_where_they_are_in_sync() {
    let mut context = ControllerContext::with_brokers(3);
    create(&mut context, vec![assigned("a", &[(0, &[1, 2]), (1, &[2, 1]), (2, &[1, 3])])]);
    context.fence(1);
    context.start_broker(1, 11);
    assert_eq!(standing(&context, "a", 0), (2, 1, vec![2]));
    let codes = elect(&mut context, 0, Some(&[("a", &[0, 1, 9]), ("none", &[0])])).unwrap();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let expected = [
        (0, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE),
        (1, ErrorCode::ELECTION_NOT_NEEDED),
        (9, unknown),
        (0, unknown),
    ];
    assert_eq!(codes, expected);
    let request = proposal(&context, "a", &[2, 1]);
    propose(&mut context, &request);
    // Of all partitions those that need none are not spoken of.
    let codes = elect(&mut context, 0, None).unwrap();
    assert_eq!(codes, [(0, ErrorCode::NONE), (2, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE)]);
    assert_eq!(standing(&context, "a", 0), (1, 2, vec![2, 1]));
    assert_eq!(elect(&mut context, 2, None), Err(ElectLeadersError::UnknownType { id: 2 }));
}

#[test]
fn users_get_a_leader_at_the_price_of_records_whatever_the_configuration_says() {
    let mut context = ControllerContext::with_brokers(3);
    create(&mut context, vec![assigned("a", &[(0, &[1, 2]), (1, &[3, 1])]), assigned("b", &[(0, &[1])])]);
    context.fence(2);
    context.fence(1);
    context.start_broker(2, 22);
    let codes = elect(&mut context, 1, Some(&[("a", &[0, 1]), ("b", &[0])])).unwrap();
    let expected =
        [(0, ErrorCode::NONE), (1, ErrorCode::ELECTION_NOT_NEEDED), (0, ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE)];
    assert_eq!(codes, expected);
    assert_eq!(standing(&context, "a", 0), (2, 2, vec![2]));
    assert_eq!(context.partition("a", 0).leader_recovery_state, RecoveryState::Recovering);
}

/// What was due, and how many partitions have changed by it.
fn elect_periodically(context: &mut ControllerContext) -> (Option<PeriodicElection>, usize) {
    let outcome = context.decide(|controller, context| controller.elect_periodically(context));
    context.apply(&outcome.records);
    (outcome.response, outcome.records.len())
}

#[test]
fn leadership_goes_back_some_time_after_it_could_and_a_thousand_partitions_at_a_time() {
    let mut context = ControllerContext::with_brokers(2);
    let (of_one, of_two): ([i32; 2], [i32; 2]) = ([1, 2], [2, 1]);
    let assignments: Vec<(i32, &[i32])> =
        (0..1200).map(|id| (id, if id % 6 == 0 { of_two.as_slice() } else { of_one.as_slice() })).collect();
    create(&mut context, vec![assigned("a", &assignments), assigned("b", &[(0, &[1, 2])])]);
    assert_eq!(elect_periodically(&mut context), (None, 0));
    assert_eq!(context.controller.election_deadline(), None);
    for id in 0..1200 {
        let key = context.key("a", id);
        let away = PartitionChangeRecord {
            topic_id: key.topic_id,
            partition_id: id,
            leader: 2,
            ..PartitionChangeRecord::default()
        };
        context.replay(&[away.into()]);
    }
    let noticed = context.now;
    assert_eq!(elect_periodically(&mut context), (None, 0), "not at once");
    assert_eq!(context.controller.election_deadline(), Some(noticed + BALANCE_INTERVAL));
    context.now = noticed + BALANCE_INTERVAL - Duration::from_millis(1);
    assert_eq!(elect_periodically(&mut context), (None, 0));
    context.now += Duration::from_millis(1);
    // Five in six of 1,200 are not where they should be: 1,000.
    assert_eq!(elect_periodically(&mut context), (Some(PeriodicElection::Preferred), MAX_PERIODIC_ELECTIONS));
    assert_eq!(elect_periodically(&mut context), (None, 0));
    assert_eq!(context.controller.election_deadline(), None);
    assert_eq!((standing(&context, "a", 6).0, standing(&context, "a", 7).0), (2, 1));
}

#[test]
fn leadership_goes_back_however_few_partitions_have_moved_and_not_where_that_is_switched_off() {
    for interval in [Some(BALANCE_INTERVAL), None] {
        let mut context = ControllerContext::with_brokers(2);
        context.balance_interval = interval;
        let assignments: Vec<(i32, &[i32])> = (0..100).map(|id| (id, [1, 2].as_slice())).collect();
        create(&mut context, vec![assigned("a", &assignments)]);
        let key = context.key("a", 50);
        let (topic_id, partition_id) = (key.topic_id, key.partition);
        let away = PartitionChangeRecord { topic_id, partition_id, leader: 2, ..Default::default() };
        context.apply(&[away.into()]);
        assert_eq!(elect_periodically(&mut context), (None, 0));
        let deadline = interval.map(|interval| context.now + interval);
        assert_eq!(context.controller.election_deadline(), deadline, "one of a hundred");
        context.now += BALANCE_INTERVAL;
        let (elected, leader) = match interval {
            Some(_) => ((Some(PeriodicElection::Preferred), 1), 1),
            None => ((None, 0), 2),
        };
        assert_eq!(elect_periodically(&mut context), elected);
        assert_eq!(standing(&context, "a", 50).0, leader, "{interval:?}");
    }
}

#[test]
fn partitions_without_a_leader_are_looked_at_again_and_led_at_a_price_where_that_is_allowed() {
    let mut context = ControllerContext::with_brokers(3);
    create(&mut context, vec![assigned("a", &[(0, &[1, 2])]), assigned("b", &[(0, &[1, 2])])]);
    for broker in [2, 1] {
        context.fence(broker);
    }
    context.start_broker(2, 22);
    assert_eq!(elect_periodically(&mut context), (None, 0));
    set(&mut context, &ConfigResource::topic("b"), "unclean.leader.election.enable", "true");
    context.now += UNCLEAN_INTERVAL;
    assert_eq!(elect_periodically(&mut context), (Some(PeriodicElection::Leaderless), 1));
    assert_eq!((standing(&context, "a", 0).0, standing(&context, "b", 0)), (-1, (2, 2, vec![2])));
    assert_eq!(elect_periodically(&mut context), (None, 0));
    assert!(context.controller.election_deadline() > Some(context.now), "it waits for the next time");
}

#[test]
fn elections_that_could_not_be_written_are_made_again_soon_and_not_all_the_time() {
    let mut context = ControllerContext::with_brokers(2);
    create(&mut context, vec![assigned("a", &[(0, &[1, 2])])]);
    let key = context.key("a", 0);
    let nobody = PartitionChangeRecord {
        topic_id: key.topic_id,
        partition_id: 0,
        leader: -1,
        ..PartitionChangeRecord::default()
    };
    context.apply(&[nobody.into()]);
    context.controller.activate(context.now, &PermitsBefore::since(context.now));
    for _ in 0..5 {
        let refused = context.decide(|controller, context| controller.elect_periodically(context));
        assert_eq!((refused.response, refused.records.len()), (Some(PeriodicElection::Leaderless), 1));
        assert_eq!(elect_nothing(&mut context), (None, 0), "not at once");
        let due = context.controller.election_deadline().unwrap();
        assert!(due > context.now && due < context.now + UNCLEAN_INTERVAL / 10);
        context.now = due;
    }
    assert_eq!(elect_periodically(&mut context), (Some(PeriodicElection::Leaderless), 1));
    assert_eq!(standing(&context, "a", 0).0, 1);
    assert_eq!(elect_periodically(&mut context), (None, 0));
    assert_eq!(context.controller.election_deadline(), None);
}

/// What is due, none of which is written.
fn elect_nothing(context: &mut ControllerContext) -> (Option<PeriodicElection>, usize) {
    let outcome = context.decide(|controller, context| controller.elect_periodically(context));
    (outcome.response, outcome.records.len())
}

#[test]
fn a_new_partition_is_in_sync_where_its_brokers_are_up() {
    let mut context = ControllerContext::with_brokers(4);
    context.fence(2);
    create(&mut context, vec![assigned("a", &[(0, &[2, 3, 1])]), tests::topic("b", 6, 4)]);
    assert_eq!(standing(&context, "a", 0), (3, 0, vec![3, 1]));
    for id in 0..6 {
        let partition = context.partition("b", id);
        let in_sync: Vec<_> = partition.replicas.iter().copied().filter(|&id| id != BrokerId(2)).collect();
        assert_eq!((partition.isr.to_vec(), partition.leader), (in_sync, partition.replicas[0]), "{partition:?}");
        assert_eq!(partition.leader_epoch, LeaderEpoch(0));
    }
}

#[test]
fn a_broker_without_partitions_goes_without_a_look_at_those_of_others() {
    let mut context = ControllerContext::with_brokers(3);
    let assignments: Vec<(i32, &[i32])> = (0..5000).map(|id| (id, [1, 2].as_slice())).collect();
    create(&mut context, vec![assigned("a", &assignments)]);
    let records = context.decide(|controller, context| controller.fence_broker(context, BrokerId(3))).records;
    assert!(matches!(records.as_slice(), [MetadataRecord::BrokerRegistrationChange(_)]), "{}", records.len());
    let records = context.decide(|controller, context| controller.fence_broker(context, BrokerId(1))).records;
    assert_eq!(records.len(), 5001);
}
