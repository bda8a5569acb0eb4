//! What users read.

use super::*;
use crate::cluster::fixture::{ALLOW_FORMAT, Fixture, crash, restarted, set_ready};

const WITH_PORT: &str = "{listeners: [{name: internal, port: 9092}, {name: external, type: NodePort, port: 9094}]}";

#[test]
fn a_cluster_is_ready_when_its_nodes_are() {
    let mut fixture = Fixture::new("{}");
    fixture.pass();
    assert_eq!(fixture.ready(), ("False".to_owned(), "NodesNotReady".to_owned()));
    assert!(fixture.condition("Reconciling").is_some(), "kstatus: in progress");
    fixture.settle();
    assert_eq!(fixture.ready(), ("True".to_owned(), "NodesReady".to_owned()));
    assert!(fixture.condition("Reconciling").is_none() && fixture.condition("Stalled").is_none());
    let status = fixture.cluster.status.unwrap();
    assert_eq!(status.bootstrap.as_deref(), Some("demo-bootstrap.shop.svc.cluster.local:9092"));
    assert_eq!((status.observed_generation, status.ready_replicas), (Some(1), 1));
    assert_eq!(status.label_selector.as_deref(), Some("barnabas.dev/cluster=demo,barnabas.dev/pool=broker"));
}

#[test]
fn addresses_from_outside_name_the_machine_and_its_port() {
    let fixture = Fixture::running(WITH_PORT);
    let status = fixture.cluster.status.unwrap();
    let external = status.listeners.iter().find(|listener| listener.name == "external").unwrap();
    assert!(external.bootstrap.as_deref().unwrap().starts_with("10.0.0.1:30"), "{external:?}");
    assert!(external.brokers[0].address.starts_with("10.0.0.1:30"), "{external:?}");
}

#[test]
fn an_even_number_of_controllers_is_refused_and_the_running_cluster_left_alone() {
    let mut fixture = Fixture::running("{}");
    fixture.spec(|spec| spec.replicas = 2);
    assert_eq!(fixture.pass().steps, []);
    assert_eq!(fixture.ready(), ("False".to_owned(), "ControllerCount".to_owned()));
    assert!(fixture.condition("Stalled").is_some());
    assert_eq!(fixture.cluster.status.as_ref().unwrap().ready_replicas, 1);
    fixture.spec(|spec| spec.replicas = 1);
    fixture.settle();
    assert_eq!(fixture.ready().0, "True");
}

#[test]
fn a_lost_volume_is_data_missing_until_the_user_allows_to_format_that_very_claim() {
    let mut fixture = Fixture::running("{}");
    fixture.observed.claims.clear();
    fixture.observed.pods.clear();
    fixture.pass();
    fixture.kubernetes_moves(false);
    fixture.pass();
    assert_eq!(fixture.ready(), ("False".to_owned(), "DataMissing".to_owned()));
    let (status, _, message) = fixture.condition("DataMissing").unwrap();
    let uid = fixture.observed.claims["data-demo-broker-0"].uid().unwrap();
    assert!(status == "True" && message.contains(&format!("{ALLOW_FORMAT}={uid}")), "{message}");
    assert!(fixture.condition("Stalled").is_some(), "only a person can help");

    fixture.annotate(ALLOW_FORMAT, "some-other-uid");
    assert_eq!(restarted(&fixture.pass()), [], "another claim was meant");
    fixture.annotate(ALLOW_FORMAT, &uid);
    let mut reasons = Vec::new();
    for _ in 0..4 {
        reasons.extend(restarted(&fixture.pass()));
        fixture.kubernetes_moves(true);
    }
    assert_eq!(reasons, [("demo-broker-0".to_owned(), "FormatAllowed")]);
    fixture.settle();
    assert_eq!(fixture.ready().0, "True");
    assert!(fixture.condition("DataMissing").is_none());

    // The annotation is spent: it names a claim that holds data now.
    fixture.observed.claims.clear();
    fixture.observed.pods.clear();
    fixture.pass();
    fixture.kubernetes_moves(false);
    fixture.pass();
    assert_eq!(fixture.ready().1, "DataMissing");
}

#[test]
fn a_volume_that_was_brought_back_is_accepted_by_what_is_on_it() {
    let mut fixture = Fixture::running("{}");
    fixture.observed.claims.clear();
    fixture.observed.pods.clear();
    fixture.pass();
    fixture.kubernetes_moves(false);
    fixture.pass();
    // The broker, told never to format, found its data after all.
    set_ready(fixture.pod("demo-broker-0"), true);
    fixture.settle();
    assert_eq!(fixture.ready().0, "True");
}

#[test]
fn a_broker_that_finds_nothing_on_its_old_claim_is_data_missing_too() {
    let mut fixture = Fixture::running("{}");
    crash(
        fixture.pod("demo-broker-0"),
        "CrashLoopBackOff",
        "data is missing: /var/lib/kafka/data/log holds no meta.properties",
    );
    fixture.pass();
    assert_eq!(fixture.ready().1, "DataMissing");
}

#[test]
fn what_a_crashing_broker_said_is_in_the_status() {
    let mut fixture = Fixture::running("{}");
    crash(
        fixture.pod("demo-broker-0"),
        "CrashLoopBackOff",
        "a warning\nmore of it\nnum.partitions: 'x' is not a number\n",
    );
    fixture.pass();
    let (_, reason, message) = fixture.condition("Ready").unwrap();
    assert_eq!(reason, "BrokerCrashes");
    assert_eq!(message, "demo-broker-0: num.partitions: 'x' is not a number; exit code 1");
    assert!(fixture.condition("Stalled").is_some());
}

#[test]
fn a_paused_cluster_says_so_and_keeps_its_status_fresh() {
    let mut fixture = Fixture::running("{}");
    set_ready(fixture.pod("demo-broker-0"), false);
    let resolved = fixture.resolve().unwrap();
    let status = compute(&fixture.cluster, &fixture.observed, &Progress::Paused(&resolved), fixture.now());
    let kinds: Vec<&str> = status.conditions.iter().map(|condition| condition.kind.as_str()).collect();
    assert_eq!((kinds, status.ready_replicas), (vec!["Ready", "Paused"], 0));
}

#[test]
fn a_pod_that_ends_because_it_was_told_to_is_no_trouble() {
    let mut fixture = Fixture::running("{}");
    crash(fixture.pod("demo-broker-0"), "", "stopped");
    let now = fixture.now();
    fixture.pod("demo-broker-0").metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    fixture.pass();
    assert_eq!(fixture.ready(), ("False".to_owned(), "NodesNotReady".to_owned()));
}
