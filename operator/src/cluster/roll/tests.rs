//! Which pod goes first, and what keeps it.

use super::*;
use crate::cluster::fixture::{Fixture, crash, restarted, set_ready};
use crate::crd::condition::{find, transitions};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

fn outdated(spec: &str) -> Fixture {
    let mut fixture = Fixture::running(spec);
    fixture.spec(|spec| spec.image = Some("barnabas:2".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(true);
    fixture
}

/// The next pods that are restarted, each ready again before the next pass.
fn roll(fixture: &mut Fixture, passes: usize) -> Vec<String> {
    let mut order = Vec::new();
    for _ in 0..passes {
        order.extend(restarted(&fixture.pass()).into_iter().map(|(pod, _)| pod));
        fixture.kubernetes_moves(true);
        fixture.quorum_moves();
    }
    order
}

#[test]
fn a_broker_that_partitions_need_is_not_restarted_and_the_roll_waits_for_it() {
    let mut fixture = outdated("{replicas: 3}");
    fixture.stays.insert(2, "orders-0 is at its minimum of 2 in sync".to_owned());
    assert_eq!(roll(&mut fixture, 3), Vec::<String>::new(), "the others wait for their turn");
    let (_, reason, message) = fixture.condition("Ready").unwrap();
    assert_eq!(reason, "RollingUpdate");
    assert!(message.contains("the restart of demo-broker-2 waits: orders-0 is at its minimum"), "{message}");
    fixture.stays.clear();
    assert_eq!(roll(&mut fixture, 3), ["demo-broker-2", "demo-broker-1", "demo-broker-0"], "the leader last");
}

#[test]
fn the_next_pod_waits_until_the_one_before_is_ready_whatever_brokers_say() {
    let mut fixture = outdated("{replicas: 3}");
    assert_eq!(restarted(&fixture.pass()).len(), 1);
    fixture.kubernetes_moves(false);
    fixture.quorum_moves();
    let plan = fixture.pass();
    assert_eq!((restarted(&plan).len(), plan.may_stop), (0, None), "nobody is asked in vain");
    set_ready(fixture.pod("demo-broker-2"), true);
    fixture.quorum_moves();
    assert_eq!(restarted(&fixture.pass()).len(), 1);
}

#[test]
fn a_broken_pod_comes_first_unless_what_is_left_needs_it() {
    let mut fixture = outdated("{replicas: 3}");
    crash(fixture.pod("demo-broker-1"), "CrashLoopBackOff", "cannot start");
    fixture.quorum_moves();
    fixture.stays.insert(1, "orders-0 has 1 of 3 replicas in sync".to_owned());
    let plan = fixture.pass();
    assert_eq!(restarted(&plan), []);
    assert!(plan.waits[0].contains("demo-broker-1 waits: orders-0"), "{:?}", plan.waits);
    fixture.stays.clear();
    assert_eq!(restarted(&fixture.pass())[0].0, "demo-broker-1");
}

#[test]
fn a_broken_pod_that_leads_the_quorum_is_restarted_after_the_other_broken_ones() {
    let mut fixture = outdated("{replicas: 3}");
    crash(fixture.pod("demo-broker-0"), "CrashLoopBackOff", "cannot start");
    crash(fixture.pod("demo-broker-1"), "CrashLoopBackOff", "cannot start");
    assert_eq!(fixture.observed.answers.quorum.as_ref().unwrap().leader, 0, "its controller works all the same");
    assert_eq!(restarted(&fixture.pass())[0].0, "demo-broker-1");
    fixture.kubernetes_moves(true);
    assert_eq!(restarted(&fixture.pass())[0].0, "demo-broker-0");
    let mut single = outdated(
        "{replicas: 2, roles: [Broker], pools: [{name: c, replicas: 1, roles: [Controller], firstNodeId: 100}]}",
    );
    set_ready(single.pod("demo-c-100"), false);
    assert_eq!(restarted(&single.pass())[0].0, "demo-c-100", "nobody votes but it");
}

#[test]
fn a_broken_pod_that_is_needed_says_why_it_stays() {
    let mut fixture = outdated("{replicas: 3}");
    for pod in ["demo-broker-0", "demo-broker-1", "demo-broker-2"] {
        set_ready(fixture.pod(pod), false);
    }
    fixture.observed.answers.quorum.as_mut().unwrap().voters[2].caught_up = false;
    // Node 2 may go, its vote counts for nothing; then the others are all that is left.
    assert_eq!(restarted(&fixture.pass())[0].0, "demo-broker-2");
    fixture.kubernetes_moves(false);
    let plan = fixture.pass();
    assert_eq!(restarted(&plan), []);
    assert!(plan.waits[0].contains("the restart of demo-broker-0 waits: without it the voters"), "{:?}", plan.waits);
}

#[test]
fn a_pod_that_does_not_go_is_what_the_roll_waits_for_and_says_so() {
    let mut fixture = outdated("{replicas: 3}");
    fixture.pod("demo-broker-1").metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    for second in [0, 200] {
        fixture.now_second = second;
        assert_eq!(restarted(&fixture.pass()), []);
    }
    let (status, _, message) = fixture.condition("RollBlocked").unwrap();
    assert!(status == "True" && message.contains("until demo-broker-1 is gone"), "{message}");
    let mut current = Fixture::running("{replicas: 3}");
    current.pod("demo-broker-1").metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    current.pass();
    assert_eq!(current.condition("RollBlocked"), None, "no restart is due");
}

#[test]
fn a_broker_whose_new_volume_is_being_filled_holds_the_roll() {
    let mut fixture = Fixture::running(
        "{replicas: 3, roles: [Broker], pools: [{name: c, replicas: 3, roles: [Controller], firstNodeId: 100}]}",
    );
    fixture.hosts(1, 4, 0);
    fixture.lose_volume("demo-broker-1");
    for _ in 0..4 {
        fixture.pass();
        fixture.kubernetes_moves(false);
    }
    assert_eq!(fixture.resolve().unwrap().formed, [0, 2, 100, 101, 102].into(), "its volume is given up");
    fixture.spec(|spec| spec.image = Some("barnabas:2".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(false);
    assert_eq!(restarted(&fixture.pass())[0].0, "demo-broker-1", "the change may be its cure");
    fixture.kubernetes_moves(false);
    let plan = fixture.pass();
    assert_eq!(restarted(&plan), []);
    assert!(plan.waits[0].contains("waits until demo-broker-1 is ready"), "{:?}", plan.waits);
    fixture.observed.answers.hosted = None;
    assert_eq!(restarted(&fixture.pass()), [], "nobody says that it holds nothing");
    fixture.hosts(1, 0, 0);
    assert_eq!(restarted(&fixture.pass())[0].0, "demo-c-102", "a new one that holds nothing keeps nobody");
    fixture.kubernetes_moves(true);
}

#[test]
fn controllers_alone_and_a_lone_broker_ask_nobody() {
    let mut lone = outdated("{}");
    lone.stays.insert(0, "nobody else".to_owned());
    assert_eq!(roll(&mut lone, 1), ["demo-broker-0"]);
    let mut dedicated = outdated(
        "{replicas: 2, roles: [Broker], pools: [{name: c, replicas: 3, roles: [Controller], firstNodeId: 100}]}",
    );
    for id in 0..200 {
        dedicated.stays.insert(id, "needed".to_owned());
    }
    assert_eq!(roll(&mut dedicated, 5), ["demo-c-102", "demo-c-101", "demo-c-100"], "then the brokers stay");
}

#[test]
fn a_roll_that_waits_for_long_is_a_condition_with_one_event() {
    let mut fixture = outdated("{replicas: 3}");
    fixture.stays.insert(2, "orders-0 needs it".to_owned());
    let mut told = Vec::new();
    for second in [0, 60, 119, 121, 500] {
        fixture.now_second = second;
        let before = fixture.cluster.status.clone().unwrap().conditions;
        fixture.pass();
        let now = fixture.cluster.status.clone().unwrap().conditions;
        let blocked = find(&now, "RollBlocked").unwrap();
        let event = transitions(&before, &now).iter().any(|changed| changed.kind == "RollBlocked");
        told.push((second, blocked.reason.clone(), event));
    }
    let expected = [(0, false), (60, false), (119, false), (121, true), (500, false)];
    let reason = |second| if second > 120 { "RestartWaitsLong" } else { "RestartWaits" };
    assert_eq!(told, expected.map(|(second, event)| (second, reason(second).to_owned(), event)));
    assert!(fixture.condition("RollBlocked").unwrap().2.contains("orders-0 needs it"));
    fixture.stays.clear();
    fixture.pass();
    assert_eq!(fixture.condition("RollBlocked"), None);
}

fn partition(leader: Option<i32>, replicas: &[i32], in_sync: &[i32]) -> LivePartition {
    let (replicas, in_sync) = (replicas.to_vec(), in_sync.to_vec());
    LivePartition { topic: "orders".to_owned(), partition: 0, leader, replicas, in_sync }
}

#[test]
fn a_broker_of_an_earlier_release_stops_when_all_the_others_have_what_it_has() {
    let stays = |partitions: &[LivePartition], id| hindrance(partitions, id);
    let whole = partition(Some(1), &[1, 2, 3], &[1, 2, 3]);
    assert_eq!(stays(std::slice::from_ref(&whole), 1), None);
    let behind = partition(Some(1), &[1, 2, 3], &[1, 3]);
    let why = stays(&[whole, behind.clone(), behind.clone()], 3).unwrap();
    assert_eq!(why, "orders-0 has 2 of 3 replicas in sync, and 1 more partitions need broker 3");
    assert_eq!(stays(std::slice::from_ref(&behind), 2), None, "what is not in sync is counted by nobody");
    assert_eq!(stays(&[behind], 4), None, "it has nothing of it");
    assert_eq!(stays(&[partition(Some(1), &[1], &[1])], 1), None, "waiting would never help");
    assert_eq!(stays(&[partition(None, &[1, 2], &[1])], 1), None, "nobody leads it anyway");
}
