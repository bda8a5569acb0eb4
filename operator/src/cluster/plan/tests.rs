//! What is done, in which order, and above all what is not done.

use super::*;
use crate::cluster::fixture::{Fixture, applied, crash, restarted, set_ready};
use crate::crd::schema::Scalar;
use crate::k8s::labels;

const WITH_PORT: &str = "{listeners: [{name: internal, port: 9092}, {name: external, type: NodePort, port: 9094}]}";

#[test]
fn services_come_before_the_configuration_and_pods_last() {
    let mut fixture = Fixture::new(WITH_PORT);
    let first = applied(&fixture.pass());
    assert!(
        first.contains(&"Service demo-external-0".to_owned()) && !first.iter().any(|step| step.contains("StatefulSet"))
    );
    let second = applied(&fixture.pass());
    let position = |kind: &str| second.iter().position(|step| step.starts_with(kind)).unwrap();
    assert!(position("ConfigMap") < position("StatefulSet"), "{second:?}");
}

#[test]
fn a_steady_cluster_is_not_written_to() {
    for spec in ["{}", WITH_PORT, "{resources: {requests: {cpu: 1000m}}, storage: {size: 1024Mi}}"] {
        let mut fixture = Fixture::running(spec);
        let status = fixture.cluster.status.clone();
        fixture.now_second += 100;
        assert_eq!(fixture.pass().steps, [], "{spec}");
        assert_eq!(fixture.cluster.status, status, "{spec}");
    }
}

#[test]
fn a_deleted_object_comes_back_and_no_pod_is_restarted() {
    let mut fixture = Fixture::running(WITH_PORT);
    let pods: Vec<_> = fixture.observed.pods.values().map(|pod| pod.uid()).collect();
    let port = |fixture: &Fixture| {
        let service = fixture.observed.services["demo-external-0"].spec.clone().unwrap();
        service.ports.unwrap()[0].node_port
    };
    let before = port(&fixture);
    fixture.observed.services.clear();
    fixture.observed.budgets.clear();
    fixture.observed.service_accounts.clear();
    fixture.observed.config_maps.clear();
    fixture.settle();
    assert_eq!(port(&fixture), before, "a new port would need a restart");
    assert_eq!(fixture.observed.pods.values().map(|pod| pod.uid()).collect::<Vec<_>>(), pods);
    assert_eq!(fixture.ready().0, "True");
}

#[test]
fn drift_is_put_right() {
    let mut fixture = Fixture::running("{}");
    fixture.observed.services.get_mut("demo-bootstrap").unwrap().spec.as_mut().unwrap().ports = None;
    assert_eq!(applied(&fixture.pass()), ["Service demo-bootstrap"]);
}

#[test]
fn a_changed_configuration_is_written_first_and_then_restarts_the_pod() {
    let mut fixture = Fixture::running("{}");
    fixture.spec(|spec| drop(spec.config.insert("num.partitions".to_owned(), Scalar::Integer(3))));
    let first = fixture.pass();
    assert_eq!(restarted(&first), [], "the pod would come back from the old template");
    assert!(applied(&first).iter().any(|step| step.starts_with("ConfigMap demo-config-")));
    fixture.kubernetes_moves(true);
    let second = fixture.pass();
    assert_eq!(restarted(&second), [("demo-broker-0".to_owned(), "PodTemplateChanged")]);
    fixture.settle();
    assert_eq!(
        fixture.observed.config_maps.len(),
        2,
        "the old configuration is removed: {:?}",
        fixture.observed.config_maps.keys()
    );
}

#[test]
fn a_configuration_that_a_pod_still_mounts_is_not_removed() {
    let mut fixture = Fixture::running("{}");
    let old: Vec<String> = fixture.observed.config_maps.keys().cloned().collect();
    fixture.spec(|spec| drop(spec.config.insert("num.partitions".to_owned(), Scalar::Integer(3))));
    fixture.pass();
    fixture.pass();
    assert!(old.iter().all(|name| fixture.observed.config_maps.contains_key(name)));
}

#[test]
fn having_been_formed_changes_the_template_but_restarts_nothing() {
    let fixture = Fixture::running("{}");
    let template = &fixture.observed.stateful_sets["demo-broker"].spec.as_ref().unwrap().template;
    let args = template.spec.as_ref().unwrap().containers[0].args.clone().unwrap();
    assert!(args.windows(2).any(|pair| pair == ["--format", "never"]), "{args:?}");
    let pod = fixture.observed.pods["demo-broker-0"].annotations()[labels::FORMAT].clone();
    assert_eq!(pod, "if-empty", "the first pod is still the one that formatted");
}

#[test]
fn a_working_pod_is_left_alone_while_another_is_not_ready() {
    let mut fixture = Fixture::running("{}");
    fixture.observed.pods.get_mut("demo-broker-0").unwrap().metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(fixture.now()));
    fixture.spec(|spec| spec.image = Some("barnabas:2".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(true);
    assert_eq!(restarted(&fixture.pass()), [], "it is on its way out already");
}

#[test]
fn a_broken_pod_gets_the_corrected_spec_at_once_and_is_not_restarted_again_and_again() {
    let mut fixture = Fixture::running("{}");
    fixture.spec(|spec| spec.image = Some("barnabas:broken".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(true);
    fixture.pass();
    fixture.kubernetes_moves(false);
    crash(fixture.pod("demo-broker-0"), "CrashLoopBackOff", "cannot start");
    assert_eq!(restarted(&fixture.pass()), [], "restarting does not cure it");
    fixture.spec(|spec| spec.image = Some("barnabas:1".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(true);
    assert_eq!(restarted(&fixture.pass()), [("demo-broker-0".to_owned(), "PodTemplateChanged")]);
}

#[test]
fn kubectl_rollout_restart_is_honoured() {
    let mut fixture = Fixture::running("{}");
    let set = fixture.observed.stateful_sets.get_mut("demo-broker").unwrap();
    let metadata = set.spec.as_mut().unwrap().template.metadata.as_mut().unwrap();
    metadata.annotations.as_mut().unwrap().insert(labels::RESTARTED_AT.to_owned(), "now".to_owned());
    let plan = fixture.pass();
    assert_eq!(restarted(&plan), [("demo-broker-0".to_owned(), "RestartRequested")], "{plan:?}");
    fixture.kubernetes_moves(true);
    assert_eq!(restarted(&fixture.pass()), []);
}

#[test]
fn a_pod_that_only_carries_our_labels_is_never_touched() {
    let mut fixture = Fixture::running("{}");
    fixture.pod("demo-broker-0").metadata.owner_references = None;
    fixture.spec(|spec| spec.image = Some("barnabas:2".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(true);
    assert_eq!(restarted(&fixture.pass()), []);
}

#[test]
fn objects_of_others_are_never_removed() {
    let mut fixture = Fixture::running("{}");
    let mut foreign = fixture.observed.services["demo-bootstrap"].clone();
    foreign.metadata.name = Some("demo-mine".to_owned());
    foreign.metadata.owner_references = None;
    fixture.observed.services.insert("demo-mine".to_owned(), foreign);
    assert_eq!(fixture.pass().steps, []);
}

#[test]
fn a_listener_that_is_gone_loses_its_services() {
    let mut fixture = Fixture::running(WITH_PORT);
    fixture.spec(|spec| spec.listeners.truncate(1));
    fixture.settle();
    let services: Vec<&String> = fixture.observed.services.keys().collect();
    assert_eq!(services, ["demo-bootstrap", "demo-nodes"]);
}

#[test]
fn scaling_to_zero_and_back_keeps_claims_ports_and_data() {
    let mut fixture = Fixture::running(WITH_PORT);
    let claim = fixture.observed.claims["data-demo-broker-0"].uid();
    let services = fixture.observed.services.len();
    fixture.spec(|spec| spec.replicas = 0);
    fixture.settle();
    assert_eq!((fixture.observed.pods.len(), fixture.ready().1.as_str()), (0, "ScaledToZero"));
    assert_eq!(fixture.observed.services.len(), services);
    fixture.spec(|spec| spec.replicas = 1);
    fixture.settle();
    assert_eq!(fixture.observed.claims["data-demo-broker-0"].uid(), claim);
    let args = fixture.observed.pods["demo-broker-0"].spec.as_ref().unwrap().containers[0].args.clone().unwrap();
    assert!(args.windows(2).any(|pair| pair == ["--format", "never"]));
}

#[test]
fn a_volume_grows_and_never_shrinks() {
    let mut fixture = Fixture::running("{storage: {size: 10Gi}}");
    let size = |fixture: &Fixture| {
        let spec = fixture.observed.claims["data-demo-broker-0"].spec.clone().unwrap();
        spec.resources.unwrap().requests.unwrap()["storage"].0.clone()
    };
    fixture.spec(|spec| spec.storage.size = "20Gi".to_owned());
    assert_eq!(
        applied(&fixture.pass()),
        ["PersistentVolumeClaim data-demo-broker-0"],
        "the StatefulSet's template cannot change"
    );
    assert_eq!(size(&fixture), "20Gi");
    fixture.spec(|spec| spec.storage.size = "10Gi".to_owned());
    fixture.settle();
    assert_eq!(size(&fixture), "20Gi");
}

#[test]
fn an_unready_pod_that_is_up_to_date_is_waited_for() {
    let mut fixture = Fixture::running("{}");
    set_ready(fixture.pod("demo-broker-0"), false);
    assert_eq!(fixture.pass().steps, []);
    assert_eq!(fixture.ready(), ("False".to_owned(), "NodesNotReady".to_owned()));
}

#[test]
fn a_claim_that_is_refused_again_and_again_does_not_hold_back_a_restart() {
    let mut fixture = Fixture::running("{}");
    fixture.spec(|spec| {
        spec.storage.size = "20Gi".to_owned();
        spec.image = Some("barnabas:2".to_owned());
    });
    for step in fixture.plan().steps.iter().filter(|step| step.is_essential()) {
        fixture.carry_out(step);
    }
    fixture.kubernetes_moves(true);
    let plan = fixture.plan();
    assert_eq!(applied(&plan), ["PersistentVolumeClaim data-demo-broker-0"], "it is tried again");
    assert_eq!(restarted(&plan), [("demo-broker-0".to_owned(), "PodTemplateChanged")]);
}
