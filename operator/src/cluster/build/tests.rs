//! The objects, byte for byte, against files in `golden/`. Set BARNABAS_UPDATE_GOLDEN=1 to write them anew, then read the
//! difference: a change in a pod template restarts every broker of every user.

use crate::cluster::fixture::Fixture;
use std::fmt::Write as _;
use std::path::PathBuf;

fn golden(name: &str, spec: &str) {
    let mut fixture = Fixture::new(spec);
    // NodePorts are picked in the first pass.
    fixture.pass();
    let built = fixture.build();
    let mut text = String::new();
    for group in [&built.foundations, &built.configuration, &built.claims, &built.workloads] {
        for desired in group {
            writeln!(text, "---\n{}", serde_yaml::to_string(&desired.value).unwrap().trim_end()).unwrap();
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/cluster/build/golden/{name}.yaml"));
    if std::env::var_os("BARNABAS_UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} differs from what is built now:\n{text}", path.display());
}

#[test]
fn an_empty_spec_makes_one_restricted_broker() {
    golden("minimal", "{}");
}

#[test]
fn a_full_spec_reaches_every_object() {
    golden(
        "full",
        r"
image: registry.example/barnabas:2
imagePullPolicy: Never
firstNodeId: 7
listeners:
- {name: internal, type: Internal, port: 9092}
- {name: external, type: NodePort, port: 9094}
- {name: public, type: NodePort, port: 9095, nodePort: 32000, advertisedHost: 'b{nodeId}.example.com'}
storage: {size: 20Gi, storageClassName: fast, deleteClaim: true}
resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}
config: {log.retention.ms: 60000, num.partitions: '3', offsets.topic.replication.factor: 1}
template:
  metadata: {annotations: {team: blue}}
  spec:
    priorityClassName: high
    nodeSelector: {disk: ssd}
    containers:
    - {name: broker, env: [{name: RUST_LOG, value: debug}]}
    - {name: sidecar, image: 'sidecar:1'}
",
    );
}

#[test]
fn three_controllers_and_two_brokers_have_a_template_each() {
    golden(
        "dedicated",
        "{replicas: 2, roles: [Broker], pools: [{name: quorum, replicas: 3, roles: [Controller], firstNodeId: 100}]}",
    );
}

#[test]
fn three_nodes_that_are_both_share_one_template() {
    golden("quorum", "{replicas: 3}");
}

#[test]
fn the_same_spec_builds_the_same_objects() {
    let fixture = Fixture::new("{config: {b: 1, a: 2}}");
    assert_eq!(fixture.build().workloads, fixture.build().workloads);
}

#[test]
fn nothing_that_needs_a_port_is_built_before_the_port_is_known() {
    let fixture = Fixture::new("{listeners: [{name: i, port: 9092}, {name: x, type: NodePort, port: 9094}]}");
    let built = fixture.build();
    assert_eq!(built.ports_pending, ["demo-x-0"]);
    assert!(built.configuration.is_empty());
    assert!(built.workloads.iter().all(|desired| desired.resource.kind != "StatefulSet"));
}

#[test]
fn a_broker_stays_no_longer_than_the_kubelet_lets_it_and_leaves_in_time() {
    let staying = |template: &str| {
        let built = Fixture::new(&format!("{{replicas: 3{template}}}")).build();
        let text = serde_yaml::to_string(&built.configuration[0].value).unwrap();
        let line =
            text.lines().find_map(|line| line.trim().strip_prefix("barnabas.shutdown.grace.ms=")).map(str::to_owned);
        line.unwrap()
    };
    assert_eq!(staying(""), "60000");
    assert_eq!(staying(", template: {spec: {terminationGracePeriodSeconds: 600}}"), "540000");
    assert_eq!(
        staying(", template: {spec: {terminationGracePeriodSeconds: 30}}"),
        "0",
        "it hands over, and that is all"
    );
}
