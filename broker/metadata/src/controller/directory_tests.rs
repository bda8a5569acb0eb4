//! Replicas whose directory was replaced: who may still lead, and what counts as lost.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::records::metadata::{ConfigRecord, FeatureLevelRecord};
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use super::replication_tests::{proposal, propose};
use super::tests::{ControllerContext, SESSION, assigned, heartbeat};
use super::*;

const NEW_DIRECTORY: Uuid = Uuid::from_u128(1101);

/// Three brokers with a directory each, topic `a` on brokers `replicas`, replicas kept eligible (KIP-966), and a minimum of two in sync.
fn topic_on(replicas: &[i32]) -> ControllerContext {
    let mut context = ControllerContext::with_brokers(3);
    for result in context.create(vec![assigned("a", &[(0, replicas)])]) {
        result.unwrap();
    }
    let name = "eligible.leader.replicas.version".into();
    context.apply(&[FeatureLevelRecord { name, feature_level: 1, ..FeatureLevelRecord::default() }.into()]);
    context.inherit("min.insync.replicas", "2");
    context
}

/// Broker 1 comes as a new process, with the directory that it had or another, and is let in.
fn start(context: &mut ControllerContext, directory: Option<Uuid>, previous_broker_epoch: i64) -> i64 {
    context.now += SESSION;
    let registration = ControllerContext::registration(1, 77);
    let log_dirs = directory.map_or(registration.log_dirs.clone(), |directory| vec![directory]);
    let epoch = context.register(Registration { log_dirs, previous_broker_epoch, ..registration }).unwrap();
    assert!(!context.beat(&heartbeat(1, epoch, epoch)).1.is_fenced);
    epoch
}

/// Broker 1 says that its replica lies in `directory`.
fn assign(context: &mut ControllerContext, epoch: i64, directory: Uuid) {
    let replicas: [(Uuid, TopicIdPartition); 1] = [(directory, context.key("a", 0))];
    let decided =
        context.decide(|controller, context| controller.assign_replicas(context, BrokerId(1), epoch, &replicas));
    let outcome = decided.unwrap();
    assert_eq!(outcome.response, [Ok(())]);
    context.apply(&outcome.records);
}

/// The code that the leader's proposal is answered with, that all three are in sync.
fn propose_all(context: &mut ControllerContext) -> ErrorCode {
    let request = proposal(context, "a", &[2, 3, 1]);
    propose(context, &request)
}

/// Who leads (-1 for nobody), who is in sync, who is eligible, and who led last.
fn standing(context: &ControllerContext) -> (i32, Vec<i32>, Vec<i32>, Vec<i32>) {
    let partition = context.partition("a", 0);
    let ids = |list: &[BrokerId]| list.iter().map(|id| id.0).collect();
    let unusual = partition.unusual();
    let (eligible, last) = (ids(&unusual.eligible_leaders), ids(&unusual.last_known_eligible_leaders));
    (partition.leader.0, ids(&partition.isr), eligible, last)
}

/// All of topic `a`'s brokers are gone, broker 1 last, and what broker 3 has does not count any more.
fn led_last_by_1() -> ControllerContext {
    let mut context = topic_on(&[1, 2, 3]);
    [2, 3, 1].into_iter().for_each(|broker| context.fence(broker));
    assert_eq!(standing(&context), (-1, vec![], vec![1, 3], vec![1]));
    context.start_broker(3, 78);
    context.start_broker(2, 79);
    assert_eq!(standing(&context), (-1, vec![], vec![1], vec![1]));
    context
}

#[test]
fn who_led_last_leads_again_where_it_has_its_directory() {
    let mut context = led_last_by_1();
    start(&mut context, None, -1);
    assert_eq!(standing(&context), (1, vec![1], vec![], vec![]));
}

#[test]
fn who_led_last_is_not_elected_once_its_directory_is_another_nor_when_it_says_so() {
    let mut context = led_last_by_1();
    let epoch = start(&mut context, Some(NEW_DIRECTORY), -1);
    assert_eq!(standing(&context), (-1, vec![], vec![], vec![1]), "what it has lies in no directory of it");
    assign(&mut context, epoch, NEW_DIRECTORY);
    assert_eq!(context.partition("a", 0).directory(BrokerId(1)), Some(NEW_DIRECTORY));
    assert_eq!(standing(&context), (-1, vec![], vec![], vec![]), "its log is empty");
    context.fence(1);
    context.start_broker(2, 80);
    assert_eq!(standing(&context).0, -1);
}

#[test]
fn who_was_the_last_in_sync_is_not_elected_once_its_log_was_made_anew_where_nobody_is_kept_eligible() {
    let mut context = ControllerContext::with_brokers(3);
    for result in context.create(vec![assigned("a", &[(0, &[1, 2])]), assigned("spare", &[(0, &[3])])]) {
        result.unwrap();
    }
    [2, 1].into_iter().for_each(|broker| context.fence(broker));
    assert_eq!(standing(&context), (-1, vec![1], vec![], vec![]));
    let epoch = start(&mut context, Some(NEW_DIRECTORY), -1);
    assert_eq!(standing(&context), (-1, vec![1], vec![], vec![]), "what it has lies in no directory of it");
    assign(&mut context, epoch, NEW_DIRECTORY);
    assert_eq!(context.partition("a", 0).directory(BrokerId(1)), Some(NEW_DIRECTORY), "it says so once");
    assert_eq!(standing(&context), (-1, vec![], vec![], vec![]), "its log is empty");
    context.start_broker(2, 79);
    assert_eq!(standing(&context).0, -1, "2 would follow it, and lose what it has");
    context.fence(1);
    let again = start(&mut context, Some(NEW_DIRECTORY), epoch);
    assign(&mut context, again, NEW_DIRECTORY);
    assert_eq!(standing(&context), (-1, vec![], vec![], vec![]));
    // Only where records may be lost.
    let config = ConfigRecord {
        resource_type: crate::ResourceType::Topic.id(),
        resource_name: "a".into(),
        name: "unclean.leader.election.enable".into(),
        value: Some("true".into()),
        ..ConfigRecord::default()
    };
    context.apply(&[config.into()]);
    context.fence(1);
    context.start_broker(2, 80);
    assert_eq!(standing(&context), (2, vec![2], vec![], vec![]));
}

#[test]
fn who_was_eligible_is_not_with_another_directory_though_it_has_kept_all_the_others() {
    let mut context = topic_on(&[1, 2, 3]);
    let kept = context.epoch(1);
    [2, 3, 1].into_iter().for_each(|broker| context.fence(broker));
    let epoch = start(&mut context, Some(NEW_DIRECTORY), kept);
    assert_eq!(standing(&context), (-1, vec![], vec![1, 3], vec![1]), "it stopped cleanly and lost a directory since");
    assign(&mut context, epoch, NEW_DIRECTORY);
    assert_eq!(standing(&context), (-1, vec![], vec![3], vec![]));
}

#[test]
fn who_lies_in_a_directory_that_is_not_online_joins_only_once_it_says_where_it_lies_now() {
    let mut context = topic_on(&[2, 1, 3]);
    let epoch = start(&mut context, Some(NEW_DIRECTORY), -1);
    assert_eq!(standing(&context).1, [2, 3]);
    assert_eq!(propose_all(&mut context), ErrorCode::INELIGIBLE_REPLICA);
    assert_eq!(standing(&context).1, [2, 3]);
    assign(&mut context, epoch, NEW_DIRECTORY);
    assert_eq!(propose_all(&mut context), ErrorCode::NONE);
    assert_eq!(standing(&context).1, [2, 3, 1]);
}

#[test]
fn a_leader_that_has_not_heard_of_a_failed_directory_does_not_get_its_replica_back_into_the_isr() {
    let mut context = topic_on(&[2, 1, 3]);
    context.now += SESSION;
    let (kept, fails) = (Uuid::from_u128(1001), NEW_DIRECTORY);
    let registration = Registration { log_dirs: vec![kept, fails], ..ControllerContext::registration(1, 77) };
    let epoch = context.register(registration).unwrap();
    context.beat(&heartbeat(1, epoch, epoch));
    assign(&mut context, epoch, fails);
    assert_eq!(propose_all(&mut context), ErrorCode::NONE);
    context.beat(&Heartbeat { offline_log_dirs: vec![fails], ..heartbeat(1, epoch, epoch) });
    assert_eq!(standing(&context).1, [2, 3]);
    assert_eq!(propose_all(&mut context), ErrorCode::INELIGIBLE_REPLICA);
}

#[test]
fn the_only_replica_leads_again_as_soon_as_it_says_where_it_lies_now() {
    let mut context = topic_on(&[1]);
    let epoch = start(&mut context, Some(NEW_DIRECTORY), -1);
    assert_eq!(standing(&context).0, -1);
    assign(&mut context, epoch, NEW_DIRECTORY);
    assert_eq!(standing(&context), (1, vec![1], vec![], vec![]));
}

#[test]
fn a_replica_that_lay_nowhere_yet_and_one_that_is_moved_stay_in_sync() {
    let mut context = ControllerContext::with_brokers(2);
    context.now += SESSION;
    let two = vec![Uuid::from_u128(1001), NEW_DIRECTORY];
    let registration = Registration { log_dirs: two.clone(), ..ControllerContext::registration(1, 9) };
    let epoch = context.register(registration).unwrap();
    context.beat(&heartbeat(1, epoch, epoch));
    for result in context.create(vec![assigned("a", &[(0, &[1, 2])])]) {
        result.unwrap();
    }
    assert_eq!(context.partition("a", 0).directory(BrokerId(1)), None);
    for directory in two {
        assign(&mut context, epoch, directory);
        assert_eq!(context.partition("a", 0).directory(BrokerId(1)), Some(directory));
        assert_eq!((standing(&context).0, standing(&context).1), (1, vec![1, 2]));
    }
}
