//! What is set on all brokers at run time, and who is restarted for it.

use super::*;
use crate::broker_client::BrokerError;
use crate::cluster::apply::Outcome;
use crate::cluster::error::ClusterError;
use crate::cluster::fixture::{Fixture, applied, restarted};
use crate::cluster::plan::{Plan, Step};
use crate::cluster::status::{Progress, compute};
use crate::crd::condition::{ConditionStatus, find};
use crate::crd::schema::Scalar;
use barnabas_protocol::ErrorCode;
use kube::ResourceExt as _;

const RETENTION: &str = "log.retention.ms";

/// What a plan sets at run time.
fn altered(plan: &Plan) -> Vec<String> {
    let words = |step: &Step| match step {
        Step::AlterConfigs { changes } => Some(in_words(changes)),
        _ => None,
    };
    plan.steps.iter().filter_map(words).collect()
}

fn say(fixture: &mut Fixture, key: &str, value: i64) {
    fixture.spec(|spec| drop(spec.config.insert(key.to_owned(), Scalar::Integer(value))));
}

fn say_no_more(fixture: &mut Fixture, key: &str) {
    fixture.spec(|spec| drop(spec.config.remove(key)));
}

/// What somebody sets with kafka-configs.
fn set(fixture: &mut Fixture, key: &str, value: &str) {
    fixture.observed.answers.dynamic.as_mut().unwrap().insert(key.to_owned(), value.to_owned());
}

fn live(fixture: &Fixture, key: &str) -> Option<String> {
    fixture.observed.answers.dynamic.as_ref().unwrap().get(key).cloned()
}

fn remembered(fixture: &Fixture, key: &str) -> Option<String> {
    fixture.cluster.status.as_ref().unwrap().dynamic_config.get(key).cloned()
}

/// One pass, and Kubernetes has seen what it applied.
fn pass(fixture: &mut Fixture) -> Plan {
    let plan = fixture.pass();
    fixture.kubernetes_moves(true);
    fixture.quorum_moves();
    plan
}

/// Brings the cluster to rest; what was set at run time on the way, and how many pods are other ones than before.
fn settle(fixture: &mut Fixture) -> (Vec<String>, usize) {
    let uids = |fixture: &Fixture| fixture.observed.pods.values().filter_map(|pod| pod.uid()).collect::<BTreeSet<_>>();
    let before = uids(fixture);
    let set = altered(&pass(fixture));
    fixture.settle();
    (set, uids(fixture).difference(&before).count())
}

fn settled(changes: &[&str], restarts: usize) -> (Vec<String>, usize) {
    (changes.iter().map(|change| (*change).to_owned()).collect(), restarts)
}

#[test]
fn another_minimum_is_set_on_all_brokers_and_restarts_nobody() {
    let mut fixture = Fixture::running("{replicas: 3}");
    assert_eq!(remembered(&fixture, MIN_IN_SYNC_REPLICAS).as_deref(), Some("2"), "the operator's own word");
    say(&mut fixture, MIN_IN_SYNC_REPLICAS, 1);
    let plan = fixture.plan();
    let is_alter = |step: &Step| matches!(step, Step::AlterConfigs { .. });
    let is_file = |step: &Step| matches!(step, Step::Apply { desired, .. } if desired.resource.kind == "ConfigMap");
    let (alter, file) = (plan.steps.iter().position(is_alter), plan.steps.iter().position(is_file));
    assert!(alter.is_some() && alter < file, "a refusal comes before the files: {:?}", applied(&plan));
    assert_eq!(settle(&mut fixture), settled(&["min.insync.replicas=1"], 0));
    assert_eq!(remembered(&fixture, MIN_IN_SYNC_REPLICAS).as_deref(), Some("1"));
    assert_eq!(fixture.ready().0, "True");
    let mounted = |template: &k8s_openapi::api::core::v1::PodSpec| {
        let volumes = template.volumes.clone().unwrap();
        let volume = volumes.into_iter().find(|volume| volume.name == CONFIG_VOLUME).unwrap();
        let name = volume.config_map.unwrap().name;
        fixture.observed.config_maps[&name].data.as_ref().unwrap()[SERVER_FILE].clone()
    };
    let template = fixture.observed.stateful_sets["demo-broker"].spec.clone().unwrap().template.spec.unwrap();
    assert!(mounted(&template).contains("min.insync.replicas=1\n"), "who restarts later reads the same");
    say_no_more(&mut fixture, MIN_IN_SYNC_REPLICAS);
    assert_eq!(settle(&mut fixture), settled(&["min.insync.replicas=2"], 0));
}

#[test]
fn a_cluster_that_was_formed_with_another_minimum_gets_that_of_its_resource() {
    let spec =
        "{replicas: 3, roles: [Broker], pools: [{name: quorum, replicas: 3, roles: [Controller], firstNodeId: 100}]}";
    let mut fixture = Fixture::running(spec);
    set(&mut fixture, MIN_IN_SYNC_REPLICAS, "1");
    assert_eq!(settle(&mut fixture), settled(&["min.insync.replicas=2"], 0));
}

#[test]
fn a_key_that_brokers_take_at_run_time_restarts_nobody_whether_it_comes_changes_or_goes() {
    let mut fixture = Fixture::running("{replicas: 3}");
    say(&mut fixture, RETENTION, 1000);
    assert_eq!(settle(&mut fixture), settled(&["log.retention.ms=1000"], 0));
    say(&mut fixture, RETENTION, 2000);
    assert_eq!(settle(&mut fixture), settled(&["log.retention.ms=2000"], 0));
    say_no_more(&mut fixture, RETENTION);
    assert_eq!(settle(&mut fixture), settled(&["no log.retention.ms"], 0));
    assert_eq!((live(&fixture, RETENTION), remembered(&fixture, RETENTION)), (None, None));
}

#[test]
fn a_key_that_is_in_the_pods_files_and_is_said_no_more_restarts_them() {
    let mut fixture = Fixture::running("{replicas: 3, config: {log.retention.ms: 1000}}");
    assert_eq!(live(&fixture, RETENTION), None, "the files say it");
    say(&mut fixture, RETENTION, 2000);
    assert_eq!(settle(&mut fixture), settled(&["log.retention.ms=2000"], 0));
    say_no_more(&mut fixture, RETENTION);
    assert_eq!(settle(&mut fixture), settled(&["no log.retention.ms"], 3));
    assert_eq!(live(&fixture, RETENTION), None);
}

#[test]
fn a_change_that_needs_a_restart_restarts_and_what_does_not_is_set_before() {
    let mut fixture = Fixture::running("{replicas: 3}");
    say(&mut fixture, RETENTION, 1000);
    say(&mut fixture, "num.partitions", 3);
    let plan = pass(&mut fixture);
    assert_eq!((altered(&plan), restarted(&plan)), (vec!["log.retention.ms=1000".to_owned()], Vec::new()));
    assert_eq!(settle(&mut fixture).1, 3);
    assert_eq!(fixture.ready().0, "True");
    say(&mut fixture, "num.io.threads", 64);
    assert_eq!(settle(&mut fixture), settled(&[], 3), "numbers of threads change by no more than twice at run time");
}

#[test]
fn what_contradicts_the_resource_is_put_right_and_what_it_does_not_name_is_left_alone() {
    for spec in [
        "{config: {message.max.bytes: 9, num.io.threads: 4}}",
        "{replicas: 3, config: {message.max.bytes: 9, num.io.threads: 4}}",
    ] {
        let mut fixture = Fixture::running(spec);
        set(&mut fixture, "message.max.bytes", "7");
        set(&mut fixture, "num.io.threads", "6");
        set(&mut fixture, RETENTION, "5");
        assert_eq!(settle(&mut fixture), settled(&["message.max.bytes=9, num.io.threads=4"], 0), "{spec}");
        assert_eq!(live(&fixture, RETENTION).as_deref(), Some("5"));
        assert_eq!(remembered(&fixture, RETENTION), None);
    }
}

#[test]
fn what_somebody_changed_after_the_resource_last_said_it_is_his() {
    let mut fixture = Fixture::running("{replicas: 3}");
    say(&mut fixture, RETENTION, 1000);
    fixture.settle();
    say_no_more(&mut fixture, RETENTION);
    set(&mut fixture, RETENTION, "77");
    assert_eq!(settle(&mut fixture).0, Vec::<String>::new());
    assert_eq!((live(&fixture, RETENTION).as_deref(), remembered(&fixture, RETENTION)), (Some("77"), None));
}

#[test]
fn a_cluster_without_copies_keeps_the_minimum_that_somebody_set_and_gives_back_its_own() {
    let mut fixture = Fixture::running("{}");
    set(&mut fixture, MIN_IN_SYNC_REPLICAS, "2");
    assert_eq!(settle(&mut fixture), settled(&[], 0));
    say(&mut fixture, MIN_IN_SYNC_REPLICAS, 3);
    assert_eq!(settle(&mut fixture), settled(&["min.insync.replicas=3"], 0));
    say_no_more(&mut fixture, MIN_IN_SYNC_REPLICAS);
    assert_eq!(settle(&mut fixture), settled(&["min.insync.replicas=1"], 0), "there has to be one");
}

#[test]
fn while_nobody_answers_nothing_is_set_and_nobody_is_restarted_for_what_was() {
    let mut fixture = Fixture::running("{replicas: 3}");
    say(&mut fixture, RETENTION, 1000);
    fixture.settle();
    let (status, dynamic) = (fixture.cluster.status.clone(), fixture.observed.answers.dynamic.take());
    assert_eq!(fixture.pass().steps, []);
    assert_eq!(fixture.cluster.status, status);
    say(&mut fixture, RETENTION, 2000);
    let plan = pass(&mut fixture);
    assert_eq!((altered(&plan), restarted(&plan)), (Vec::new(), Vec::new()));
    let plan = pass(&mut fixture);
    assert_eq!(restarted(&plan), [], "whether brokers take it nobody knows");
    assert!(plan.roll_waits.as_ref().unwrap().contains("until brokers say what is set"), "{:?}", plan.roll_waits);
    fixture.observed.answers.dynamic = dynamic;
    let quorum = fixture.observed.answers.quorum.take();
    assert_eq!(altered(&fixture.plan()), Vec::<String>::new(), "nobody could write it down");
    fixture.observed.answers.quorum = quorum;
    assert_eq!(settle(&mut fixture), settled(&["log.retention.ms=2000"], 0));
}

#[test]
fn what_brokers_refuse_is_in_the_status_in_their_words() {
    let mut fixture = Fixture::running("{replicas: 3}");
    say(&mut fixture, MIN_IN_SYNC_REPLICAS, 0);
    let (resolved, plan) = (fixture.resolve().unwrap(), fixture.plan());
    let refused = |code| ClusterError::AlterConfigs {
        source: BrokerError::Refused {
            what: "IncrementalAlterConfigs of all brokers".to_owned(),
            code,
            message: Some("Invalid value 0 for configuration min.insync.replicas".to_owned()),
        },
    };
    for code in [ErrorCode::INVALID_CONFIG, ErrorCode::INVALID_REQUEST] {
        let outcome = Outcome { failure: Some(refused(code)), ..Outcome::default() };
        let progress = Progress::Done(&resolved, &plan, &outcome);
        let status = compute(&fixture.cluster, &fixture.observed, &progress, fixture.now());
        for (kind, expected) in [("Ready", ConditionStatus::False), ("Stalled", ConditionStatus::True)] {
            let condition = find(&status.conditions, kind).unwrap();
            assert_eq!((condition.status, condition.reason.as_str()), (expected, "ConfigRefused"), "{kind}");
            assert!(condition.message.contains("Invalid value 0 for"), "{}", condition.message);
        }
        assert_eq!(status.dynamic_config.get(MIN_IN_SYNC_REPLICAS).map(String::as_str), Some("2"), "it is in force");
    }
    assert!(!refused(ErrorCode::NOT_CONTROLLER).needs_a_person());
    // Where it goes unrefused it is not in the plan of the same pass that pods are restarted.
    assert_eq!(
        (altered(&fixture.plan()), restarted(&fixture.plan())),
        (vec!["min.insync.replicas=0".to_owned()], vec![])
    );
    say_no_more(&mut fixture, MIN_IN_SYNC_REPLICAS);
    assert_eq!(settle(&mut fixture), settled(&[], 0));
}

#[test]
fn brokers_take_at_run_time_what_is_not_restarted_for() {
    let rows = include_str!("../../../../broker/server/src/config/keys/broker.rs");
    for key in AT_RUN_TIME {
        let row = rows.lines().find(|line| line.trim_start().starts_with(&format!("key(\"{key}\","))).unwrap();
        assert!(row.contains(" ClusterWide,") && !row.contains("Public, \"\")"), "{row}");
    }
}
