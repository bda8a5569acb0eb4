//! Brokers come, are heard of, fall silent, lose directories and leave: what the controller decides on it.

use std::borrow::Cow;
use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::records::metadata::{FeatureLevelRecord, MetadataRecord};
use barnabas_types::{BrokerId, LeaderEpoch, TopicIdPartition, Uuid};

use super::tests::{ControllerContext, SESSION, assigned, heartbeat, topic};
use super::*;
use crate::{ControllerRegistration, FeatureRange, METADATA_VERSION, directory_id};

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
    let stale = heartbeat(1, epoch + 5, epoch);
    assert!(context.decide(|controller, context| controller.heartbeat(context, &stale)).is_err());
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
    let end = context.next_offset();
    let (_, reply) = context.beat(&stopping);
    assert!(!reply.should_shut_down, "broker 2 does not know yet that it leads");
    let other = context.epoch(2);
    context.beat(&heartbeat(2, other, end - 2));
    assert!(!context.beat(&stopping).1.should_shut_down);
    context.beat(&heartbeat(2, other, end - 1));
    assert!(context.beat(&stopping).1.should_shut_down);
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

fn unregister(context: &mut ControllerContext, broker: i32) -> Result<Outcome<()>, BrokerNotRegistered> {
    context.decide(|controller, context| controller.unregister_broker(context, BrokerId(broker)))
}

fn assign(
    context: &mut ControllerContext,
    broker: i32,
    epoch: i64,
    replicas: &[(Uuid, TopicIdPartition)],
) -> Result<Outcome<Vec<Result<(), AssignReplicaError>>>, AssignReplicasError> {
    context.decide(|controller, context| controller.assign_replicas(context, BrokerId(broker), epoch, replicas))
}

#[test]
fn an_unregistered_broker_is_forgotten() {
    let mut context = ControllerContext::with_brokers(2);
    assert_eq!(unregister(&mut context, 3).unwrap_err().broker, BrokerId(3));
    let records = unregister(&mut context, 2).unwrap().records;
    context.apply(&records);
    assert!(context.controller.head().brokers.get(BrokerId(2)).is_none());
}

#[test]
fn a_second_process_of_the_same_id_is_refused_while_the_first_is_heard_of() {
    let mut context = ControllerContext::with_brokers(1);
    let second = ControllerContext::registration(1, 2);
    assert_eq!(context.register(second.clone()).unwrap_err().code(), ErrorCode::DUPLICATE_BROKER_REGISTRATION);
    context.now += SESSION - Duration::from_millis(1);
    assert!(context.register(second.clone()).is_err());
    context.now += Duration::from_millis(1);
    let epoch = context.register(second.clone()).unwrap();
    assert_eq!(context.epoch(1), epoch);
    let third = ControllerContext::registration(1, 3);
    assert!(context.register(third.clone()).is_err(), "a broker that starts is there, too");
    let beside = Registration { beside_controller: true, ..third };
    assert!(context.register(beside).is_ok(), "the controller's own process has the directories for itself");
}

#[test]
fn who_was_told_to_stop_makes_room_for_its_successor_at_once() {
    let mut context = ControllerContext::with_brokers(1);
    let stopping = Heartbeat { want_shut_down: true, ..heartbeat(1, context.epoch(1), context.epoch(1)) };
    assert!(context.beat(&stopping).1.should_shut_down);
    assert!(context.register(ControllerContext::registration(1, 2)).is_ok());
}

/// What a broker without an id says of itself.
fn without_id(incarnation: u128, directory: u128) -> Registration {
    let log_dirs = vec![Uuid::from_u128(directory)];
    Registration { broker_id: BrokerId::NONE, log_dirs, ..ControllerContext::registration(0, incarnation) }
}

fn given(
    context: &mut ControllerContext,
    registration: Registration,
    voters: &[i32],
) -> Result<Registered, RegistrationError> {
    let voters: Vec<BrokerId> = voters.iter().copied().map(BrokerId).collect();
    let outcome =
        context.decide(|controller, context| controller.register_broker_without_id(context, registration, &voters))?;
    context.apply(&outcome.records);
    assert_eq!(context.epoch(outcome.response.broker_id.0), outcome.response.broker_epoch);
    Ok(outcome.response)
}

#[test]
fn brokers_without_an_id_are_given_different_ones_above_those_that_are_chosen() {
    let mut context = ControllerContext::with_brokers(2);
    for expected in [1001_i32, 1002, 1003] {
        let number = u128::from(expected.cast_unsigned());
        let registered = given(&mut context, without_id(70 + number, 5000 + number), &[1, 2]).unwrap();
        assert_eq!(registered.broker_id, BrokerId(expected));
    }
}

#[test]
fn an_id_is_given_above_every_one_that_anybody_has() {
    let mut context = ControllerContext::with_brokers(2);
    assert_eq!(given(&mut context, without_id(70, 5000), &[2, 1200, 1]).unwrap().broker_id, BrokerId(1201), "a voter");
    // Fenced, as it is only registered.
    context.register(ControllerContext::registration(1500, 71)).unwrap();
    assert_eq!(given(&mut context, without_id(72, 5001), &[]).unwrap().broker_id, BrokerId(1501));
    let controller = ControllerRegistration {
        id: BrokerId(1600),
        incarnation_id: Uuid::from_u128(73),
        endpoints: Vec::new(),
        features: Vec::new(),
        zk_migration_ready: false,
    };
    let registered = context.controller.register_controller(&controller).unwrap();
    context.apply(&registered.records);
    assert_eq!(given(&mut context, without_id(74, 5002), &[1]).unwrap().broker_id, BrokerId(1601));
    // A broker that was unregistered, where a partition still lies.
    context.start_broker(1700, 75);
    context.create(vec![assigned("a", &[(0, &[1700])])]);
    let records = unregister(&mut context, 1700).unwrap().records;
    context.apply(&records);
    assert_eq!(given(&mut context, without_id(76, 5003), &[]).unwrap().broker_id, BrokerId(1701));
    context.register(ControllerContext::registration(i32::MAX, 77)).unwrap();
    let error = given(&mut context, without_id(78, 5004), &[]).unwrap_err();
    assert_eq!(error, RegistrationError::NoIdLeft { highest: BrokerId(i32::MAX) });
    assert_eq!(error.code(), ErrorCode::INVALID_REGISTRATION);
}

#[test]
fn who_asks_for_an_id_again_is_given_the_same() {
    let mut context = ControllerContext::with_brokers(1);
    let first = given(&mut context, without_id(70, 5000), &[]).unwrap();
    assert_eq!(given(&mut context, without_id(70, 5000), &[]).unwrap(), first, "the answer was lost");
    // The process ended before it had written its id down. The next one has the same directory, and is waited for no longer than any other.
    let next = without_id(71, 5000);
    let error = given(&mut context, next.clone(), &[]).unwrap_err();
    assert_eq!(error, RegistrationError::Duplicate { broker: first.broker_id, has_directories: true });
    context.now += SESSION;
    assert_eq!(given(&mut context, next, &[]).unwrap().broker_id, first.broker_id);
    // What a voter has belongs to no broker without an id.
    context.now += SESSION;
    let error = given(&mut context, without_id(72, 5000), &[first.broker_id.0]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::INVALID_REGISTRATION);
}

#[test]
fn a_silent_broker_is_fenced_and_others_lead_instead() {
    let mut context = ControllerContext::with_brokers(2);
    context.create(vec![assigned("a", &[(0, &[1, 2])]), assigned("b", &[(0, &[2, 1])])]);
    let mut fenced = Vec::new();
    for _ in 0..12 {
        context.now += Duration::from_secs(1);
        let epoch = context.epoch(2);
        context.beat(&heartbeat(2, epoch, epoch));
        let outcome = context.decide(|controller, context| controller.fence_silent(context));
        context.apply(&outcome.records);
        fenced.extend(outcome.response);
    }
    assert_eq!(fenced, [BrokerId(1)]);
    for topic in ["a", "b"] {
        assert_eq!((context.partition(topic, 0).leader, context.partition(topic, 0).isr.len()), (BrokerId(2), 1));
    }
    assert!(context.controller.head().brokers.get(BrokerId(1)).unwrap().fenced);
    let epoch = context.epoch(1);
    let (_, reply) = context.beat(&heartbeat(1, epoch, epoch + 100));
    assert!(!reply.is_fenced, "it is back");
}

#[test]
fn a_new_controller_gives_everybody_a_whole_session() {
    let mut context = ControllerContext::with_brokers(1);
    context.now += SESSION * 5;
    let now = context.now;
    context.controller = Controller::new(context.controller.head().clone());
    context.controller.activate(now, &PermitsBefore::since(now));
    let mut silent_for = Duration::ZERO;
    loop {
        let outcome = context.decide(|controller, context| controller.fence_silent(context));
        if outcome.response.is_some() {
            break;
        }
        context.now = context.controller.session_deadline(SESSION).unwrap();
        silent_for = context.now - now;
    }
    assert!(silent_for >= SESSION && silent_for < SESSION * 3 / 2, "{silent_for:?}");
}

#[test]
fn a_broker_that_has_lost_every_directory_is_fenced_and_let_in_no_more() {
    for at_once in [false, true] {
        let mut context = ControllerContext::with_brokers(2);
        context.now += SESSION;
        let log_dirs = vec![Uuid::from_u128(1001), Uuid::from_u128(1101)];
        let registration = Registration { log_dirs: log_dirs.clone(), ..ControllerContext::registration(1, 9) };
        let epoch = context.register(registration).unwrap();
        context.beat(&heartbeat(1, epoch, epoch));
        context.create(vec![assigned("a", &[(0, &[1, 2])]), assigned("b", &[(0, &[1])])]);
        let lost = |count: usize| Heartbeat {
            offline_log_dirs: log_dirs[..count].to_vec(),
            ..heartbeat(1, epoch, epoch + 50)
        };
        if !at_once {
            assert!(!context.beat(&lost(1)).1.is_fenced, "it has another");
        }
        let (_, reply) = context.beat(&lost(2));
        assert!(reply.is_fenced && !reply.should_shut_down);
        assert_eq!((context.partition("a", 0).leader, context.partition("b", 0).leader), (BrokerId(2), BrokerId::NONE));
        assert_eq!(*context.partition("a", 0).isr, [BrokerId(2)]);
        let (records, reply) = context.beat(&lost(2));
        assert!(records.is_empty() && reply.is_fenced, "{records:?}");
        let stopping = Heartbeat { want_shut_down: true, ..lost(2) };
        assert!(context.beat(&stopping).1.should_shut_down);
    }
}

#[test]
fn a_silent_broker_is_named_again_until_it_is_written_that_it_is_fenced_and_not_all_the_time() {
    let mut context = ControllerContext::with_brokers(2);
    let epoch = context.epoch(2);
    let looks = |context: &mut ControllerContext| {
        let due = context.controller.session_deadline(SESSION).unwrap();
        assert!(due > context.now, "somebody would look without end");
        context.now = due;
        context.beat(&heartbeat(2, epoch, epoch));
        context.decide(|controller, context| controller.fence_silent(context))
    };
    context.decide(|controller, context| controller.fence_silent(context));
    let mut before = 0;
    while looks(&mut context).response.is_none() {
        before += 1;
        assert!(before < 20);
    }
    for _ in 0..10 {
        assert_eq!(looks(&mut context).response, Some(BrokerId(1)), "there was no room to write it");
    }
    let Outcome { records, response } = looks(&mut context);
    assert_eq!(response, Some(BrokerId(1)));
    context.apply(&records);
    assert!(context.controller.head().brokers.get(BrokerId(1)).unwrap().fenced);
    assert_eq!(context.decide(|controller, context| controller.fence_silent(context)).response, None);
    for _ in 0..10 {
        assert_eq!(looks(&mut context).response, None);
    }
}

#[test]
fn a_broker_hands_over_with_its_next_heartbeat_what_could_not_be_written_with_the_first() {
    // Nothing was written, or a part of it.
    for written in [0, 1, 2] {
        let mut context = ControllerContext::with_brokers(2);
        context.create(vec![assigned("a", &[(0, &[1, 2]), (1, &[1, 2]), (2, &[1, 2])])]);
        let (epoch, other) = (context.epoch(1), context.epoch(2));
        let stopping = Heartbeat { want_shut_down: true, ..heartbeat(1, epoch, epoch) };
        let first = context.decide(|controller, context| controller.heartbeat(context, &stopping)).unwrap();
        assert_eq!(first.records.len(), 4);
        context.apply(&first.records[..written]);
        let (records, reply) = context.beat(&stopping);
        assert!(records.len() >= 4 - written && !reply.should_shut_down, "{written}: {records:?}");
        for partition in 0..3 {
            assert_eq!(context.partition("a", partition).leader, BrokerId(2), "{written}");
        }
        let end = context.next_offset();
        assert!(!context.beat(&stopping).1.should_shut_down, "broker 2 does not know yet that it leads");
        context.beat(&heartbeat(2, other, end - 1));
        assert!(context.beat(&stopping).1.should_shut_down, "{written}");
    }
}

#[test]
fn who_was_to_stop_and_could_not_be_fenced_is_fenced_when_it_is_silent() {
    let mut context = ControllerContext::with_brokers(1);
    let stopping = Heartbeat { want_shut_down: true, ..heartbeat(1, context.epoch(1), context.epoch(1)) };
    let refused = context.decide(|controller, context| controller.heartbeat(context, &stopping)).unwrap();
    assert!(refused.response.should_shut_down && !refused.records.is_empty());
    let mut looks = 0;
    loop {
        context.now = context.controller.session_deadline(SESSION).expect("it is still to be fenced");
        if context.decide(|controller, context| controller.fence_silent(context)).response == Some(BrokerId(1)) {
            break;
        }
        looks += 1;
        assert!(looks < 20);
    }
}

#[test]
fn the_log_says_who_leads_before_it_says_that_a_broker_is_fenced() {
    let mut context = ControllerContext::with_brokers(2);
    context.create(vec![assigned("a", &[(0, &[1, 2])])]);
    let records = context.decide(|controller, context| controller.fence_broker(context, BrokerId(1))).records;
    assert!(matches!(records.first(), Some(MetadataRecord::PartitionChange(_))), "{records:?}");
    assert!(matches!(records.last(), Some(MetadataRecord::BrokerRegistrationChange(_))), "{records:?}");
}

#[test]
fn a_lost_directory_costs_its_replicas_their_place_and_no_others() {
    let mut context = ControllerContext::with_brokers(2);
    let two_directories = vec![Uuid::from_u128(1001), Uuid::from_u128(1101)];
    context.now += SESSION;
    let registration = Registration { log_dirs: two_directories.clone(), ..ControllerContext::registration(1, 9) };
    let epoch = context.register(registration).unwrap();
    context.beat(&heartbeat(1, epoch, epoch));
    context.create(vec![assigned("a", &[(0, &[1, 2]), (1, &[1, 2])]), assigned("b", &[(0, &[1])])]);
    let topic_id = context.controller.head().topics.named("a").unwrap().id;
    let other = context.controller.head().topics.named("b").unwrap().id;
    let at = |topic_id, partition| TopicIdPartition { topic_id, partition };
    let assignments = [
        (two_directories[0], at(topic_id, 0)),
        (two_directories[1], at(topic_id, 1)),
        (two_directories[0], at(other, 0)),
    ];
    let outcome = assign(&mut context, 1, epoch, &assignments).unwrap();
    assert_eq!(outcome.response, [Ok(()); 3]);
    context.apply(&outcome.records);
    assert_eq!(context.partition("a", 1).directory(BrokerId(1)), Some(two_directories[1]));
    assert_eq!(context.partition("a", 0).leader, BrokerId(1));

    let lost = Heartbeat { offline_log_dirs: vec![two_directories[0]], ..heartbeat(1, epoch, epoch + 50) };
    context.beat(&lost);
    let state = |topic, id| (context.partition(topic, id).leader, context.partition(topic, id).isr.len());
    assert_eq!((state("a", 0), state("a", 1)), ((BrokerId(2), 1), (BrokerId(1), 2)));
    assert_eq!(state("b", 0), (BrokerId::NONE, 1));
    assert_eq!(context.controller.head().brokers.get(BrokerId(1)).unwrap().log_dirs, [two_directories[1]]);
    assert!(context.beat(&lost).0.is_empty(), "it is known");

    // Back without the directory: what lies there is not led from there.
    context.now += SESSION;
    let registration = Registration { log_dirs: vec![two_directories[1]], ..ControllerContext::registration(1, 10) };
    let epoch = context.register(registration).unwrap();
    context.beat(&heartbeat(1, epoch, epoch));
    assert_eq!(context.partition("b", 0).leader, BrokerId::NONE);
    context.now += SESSION;
    let registration = Registration { log_dirs: two_directories, ..ControllerContext::registration(1, 11) };
    let epoch = context.register(registration).unwrap();
    context.beat(&heartbeat(1, epoch, epoch));
    assert_eq!(context.partition("b", 0).leader, BrokerId(1), "the disk is there again");
}

#[test]
fn a_broker_that_loses_a_directory_while_it_starts_is_let_in_without_it() {
    let mut context = ControllerContext::formatted();
    let log_dirs = vec![Uuid::from_u128(1001), Uuid::from_u128(1101)];
    let registration = Registration { log_dirs: log_dirs.clone(), ..ControllerContext::registration(1, 1) };
    let epoch = context.register(registration).unwrap();
    let lost = Heartbeat { offline_log_dirs: vec![log_dirs[0]], ..heartbeat(1, epoch, epoch) };
    assert!(context.beat(&lost).1.is_fenced);
    assert!(!context.beat(&lost).1.is_fenced);
}

#[test]
fn replicas_are_assigned_one_by_one_each_with_kafka_s_code() {
    let mut context = ControllerContext::with_brokers(2);
    context.create(vec![assigned("a", &[(0, &[1])])]);
    let topic_id = context.controller.head().topics.named("a").unwrap().id;
    let (epoch, directory) = (context.epoch(2), Uuid::from_u128(1002));
    let at = |topic_id, partition| (directory, TopicIdPartition { topic_id, partition });
    let asked = [at(Uuid::from_u128(9), 0), at(topic_id, 7), at(topic_id, 0)];
    let outcome = assign(&mut context, 2, epoch, &asked).unwrap();
    let codes: Vec<_> = outcome.response.iter().map(|result| result.unwrap_err().code()).collect();
    let unknown_partition = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(codes, [ErrorCode::UNKNOWN_TOPIC_ID, unknown_partition, ErrorCode::NOT_LEADER_OR_FOLLOWER]);
    let stale = assign(&mut context, 2, epoch + 1, &asked).unwrap_err();
    assert_eq!(stale.code(), ErrorCode::STALE_BROKER_EPOCH);
    let many = vec![asked[2]; MAX_RECORDS_PER_REQUEST + 1];
    assert_eq!(assign(&mut context, 2, epoch, &many), Err(AssignReplicasError::TooLarge));
}

#[test]
fn cordoned_directories_and_brokers_get_no_new_replicas() {
    let mut context = ControllerContext::with_brokers(2);
    let epoch = context.epoch(1);
    let cordoned = Heartbeat { cordoned_log_dirs: Some(vec![Uuid::from_u128(1001)]), ..heartbeat(1, epoch, epoch) };
    assert_eq!(context.beat(&cordoned).0.len(), 1);
    assert!(context.beat(&cordoned).0.is_empty(), "it is known");
    let silent = Heartbeat { cordoned_log_dirs: None, ..cordoned };
    assert!(context.beat(&silent).0.is_empty(), "who does not say changes nothing");
    context.create(vec![topic("a", 6, 1)]);
    assert!((0..6).all(|id| context.partition("a", id).leader == BrokerId(2)));
    let refused = context.create(vec![topic("b", 1, 2)]);
    assert_eq!(refused[0].as_ref().unwrap_err().code(), ErrorCode::INVALID_REPLICATION_FACTOR);
}

#[test]
fn below_3_6_a_smaller_isr_comes_with_a_new_leader_epoch() {
    for (metadata_version, epoch) in [(11, 1), (12, 0)] {
        let mut context = ControllerContext::with_brokers(2);
        context.create(vec![assigned("a", &[(0, &[1, 2])])]);
        let level = FeatureLevelRecord {
            name: METADATA_VERSION.into(),
            feature_level: metadata_version,
            ..FeatureLevelRecord::default()
        };
        context.apply(&[level.into()]);
        context.fence(2);
        let partition = context.partition("a", 0);
        assert_eq!((partition.leader, partition.leader_epoch), (BrokerId(1), LeaderEpoch(epoch)), "{metadata_version}");
    }
}

#[test]
fn a_controller_registers_once_and_not_at_a_level_that_has_no_record_for_it() {
    let mut context = ControllerContext::formatted();
    let controller = ControllerRegistration {
        id: BrokerId(3),
        incarnation_id: Uuid::from_u128(3),
        zk_migration_ready: false,
        endpoints: Vec::new(),
        features: vec![FeatureRange { name: METADATA_VERSION.into(), min: 7, max: 30 }],
    };
    let records = context.controller.register_controller(&controller).unwrap().records;
    context.apply(&records);
    assert!(context.controller.register_controller(&controller).unwrap().records.is_empty());
    let again = ControllerRegistration { incarnation_id: Uuid::from_u128(4), ..controller.clone() };
    assert_eq!(context.controller.register_controller(&again).unwrap().records.len(), 1);
    let old = FeatureLevelRecord { name: Cow::Borrowed(METADATA_VERSION), feature_level: 14, ..Default::default() };
    context.apply(&[old.into()]);
    let refused = context.controller.register_controller(&again).unwrap_err();
    assert_eq!(refused.metadata_version, 14);
}

#[test]
fn a_replica_that_is_lost_for_good_is_led_by_nobody() {
    let mut context = ControllerContext::with_brokers(1);
    context.create(vec![assigned("a", &[(0, &[1])])]);
    let topic_id = context.controller.head().topics.named("a").unwrap().id;
    let epoch = context.epoch(1);
    let lost = [(directory_id::LOST, TopicIdPartition { topic_id, partition: 0 })];
    let records = assign(&mut context, 1, epoch, &lost).unwrap().records;
    context.apply(&records);
    assert_eq!(context.partition("a", 0).leader, BrokerId::NONE);
}
