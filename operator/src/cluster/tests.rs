//! Whole stories of a quorum: formed, restarted, short of a volume, grown and shrunk.

use crate::broker_client::{LiveReplica, VoterChange};
use crate::cluster::fixture::{ALLOW_FORMAT, Fixture, crash, restarted, set_ready};
use crate::cluster::plan::{Plan, Step};
use crate::k8s::labels;
use barnabas_types::Uuid;
use kube::ResourceExt as _;

const DEDICATED: &str =
    "{replicas: 2, roles: [Broker], pools: [{name: quorum, replicas: 3, roles: [Controller], firstNodeId: 100}]}";

/// What a plan does to pods and votes, in short.
fn acts(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::RestartPod { pod, reason, .. } => Some(format!("restart {pod}: {}", reason.name())),
            Step::ChangeVoter { change: VoterChange::Add { id, .. }, .. } => Some(format!("add {id}")),
            Step::ChangeVoter { change: VoterChange::Remove { id, .. }, .. } => Some(format!("remove {id}")),
            Step::UnregisterBroker { id } => Some(format!("forget {id}")),
            _ => None,
        })
        .collect()
}

/// Passes, Kubernetes and the quorum by turns until all rests; what was done to pods and votes, and the pods that there were at
/// each act.
fn story(fixture: &mut Fixture) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..60 {
        let status = fixture.cluster.status.clone();
        let plan = fixture.pass();
        let before: Vec<String> = fixture.observed.pods.keys().cloned().collect();
        told.extend(acts(&plan));
        let moved = fixture.kubernetes_moves(true);
        fixture.quorum_moves();
        told.extend(
            before.iter().filter(|pod| !fixture.observed.pods.contains_key(*pod)).map(|pod| format!("{pod} leaves")),
        );
        if plan.steps.is_empty() && !moved && status == fixture.cluster.status {
            return told;
        }
    }
    panic!("the cluster never comes to rest: {told:?}");
}

fn arguments(fixture: &Fixture, set: &str, container: &str) -> Option<Vec<String>> {
    let spec = fixture.observed.stateful_sets[set].spec.clone().unwrap().template.spec.unwrap();
    let all = spec.init_containers.unwrap_or_default().into_iter().chain(spec.containers);
    all.into_iter().find(|found| found.name == container)?.args
}

/// Whether the formatter of this pod would make an empty volume that of its node.
fn would_format(fixture: &Fixture, pod: &str) -> bool {
    let spec = fixture.observed.pods[pod].spec.clone().unwrap();
    let Some(formatter) = spec.init_containers.unwrap_or_default().into_iter().find(|found| found.name == "format")
    else {
        return false;
    };
    let only =
        formatter.env.unwrap_or_default().into_iter().find(|variable| variable.name == "BARNABAS_FORMAT_NODE_IDS");
    let id = pod.rsplit('-').next().unwrap();
    only.is_none_or(|only| only.value.unwrap().split(',').any(|allowed| allowed == id))
}

fn voters(fixture: &Fixture) -> Vec<i32> {
    let quorum = fixture.cluster.status.as_ref().unwrap().quorum.clone().unwrap_or_default();
    quorum.voters.iter().map(|voter| voter.id).collect()
}

#[test]
fn the_first_controllers_are_written_down_before_any_of_them_is_told_and_told_once() {
    let mut fixture = Fixture::new("{replicas: 3}");
    let plan = fixture.pass();
    assert!(
        !plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Apply { desired, .. } if desired.resource.kind == "StatefulSet"))
    );
    let recorded = fixture.cluster.status.as_ref().unwrap().initial_controllers.clone();
    assert_eq!(recorded.iter().map(|controller| controller.id).collect::<Vec<_>>(), [0, 1, 2]);
    fixture.pass();
    let told = arguments(&fixture, "demo-broker", "format").unwrap();
    let set = told.iter().find(|arg| arg.starts_with("--initial-controllers=")).unwrap();
    for controller in &recorded {
        let host = format!("demo-broker-{0}.demo-nodes.shop.svc.cluster.local:9093", controller.id);
        assert!(set.contains(&format!("{}@{host}:{}", controller.id, controller.directory_id)), "{set}");
    }
    fixture.kubernetes_moves(false);
    fixture.quorum_moves();
    fixture.pass();
    assert_eq!(fixture.condition("QuorumReady").unwrap().1, "QuorumForming");
    for id in 0..3 {
        set_ready(fixture.pod(&format!("demo-broker-{id}")), true);
    }
    fixture.settle();
    assert_eq!(arguments(&fixture, "demo-broker", "format"), None, "the quorum is formed");
    let server = arguments(&fixture, "demo-broker", "broker").unwrap();
    assert!(server.windows(2).any(|pair| pair == ["--format", "never"]));
    assert_eq!(fixture.ready(), ("True".to_owned(), "NodesReady".to_owned()));
    assert_eq!(fixture.condition("QuorumReady").unwrap().0, "True");
    let quorum = fixture.cluster.status.as_ref().unwrap().quorum.clone().unwrap();
    assert_eq!((quorum.leader_id, quorum.caught_up.as_deref()), (Some(0), Some("3/3")));
    assert_eq!(fixture.cluster.status.as_ref().unwrap().initial_controllers, recorded);
}

#[test]
fn a_steady_quorum_is_not_written_to() {
    for spec in ["{replicas: 3}", "{replicas: 5}", DEDICATED] {
        let mut fixture = Fixture::running(spec);
        let status = fixture.cluster.status.clone();
        fixture.now_second += 100;
        fixture.quorum_moves();
        assert_eq!(fixture.pass().steps, [], "{spec}");
        assert_eq!(fixture.cluster.status, status, "{spec}");
    }
}

#[test]
fn a_voter_that_is_dead_falls_back_further_and_the_status_is_not_written_for_each_record() {
    let mut fixture = Fixture::running("{replicas: 3}");
    set_ready(fixture.pod("demo-broker-2"), false);
    fixture.quorum_moves();
    let mut written = Vec::new();
    for lag in 1000..1100 {
        fixture.observed.answers.quorum.as_mut().unwrap().voters[2].lag = lag;
        let before = fixture.cluster.status.clone();
        fixture.pass();
        written.extend((fixture.cluster.status != before).then_some(lag));
    }
    assert_eq!(written, [1000, 1025], "once that it is behind, once that it is twice as much");
}

#[test]
fn a_new_volume_that_catches_up_is_not_written_down_record_by_record() {
    let mut fixture = Fixture::running(DEDICATED);
    fixture.lose_volume("demo-quorum-102");
    fixture.quorum_moves();
    for _ in 0..4 {
        fixture.pass();
        fixture.kubernetes_moves(false);
    }
    let observer = LiveReplica { id: 102, directory_id: Uuid::from_u128(7), caught_up: false, lag: 0 };
    let mut written = 0;
    for lag in (900..1000).rev() {
        fixture.observed.answers.quorum.as_mut().unwrap().observers = vec![LiveReplica { lag, ..observer.clone() }];
        let before = fixture.cluster.status.clone();
        fixture.pass();
        written += i32::from(fixture.cluster.status != before);
    }
    assert!(
        fixture.condition("QuorumReady").unwrap().2.contains("up to 1024 records behind"),
        "{:?}",
        fixture.condition("QuorumReady")
    );
    assert_eq!(written, 1);
}

#[test]
fn dedicated_controllers_form_the_quorum_and_brokers_join_it() {
    let fixture = Fixture::running(DEDICATED);
    assert_eq!(voters(&fixture), [100, 101, 102]);
    let mut forming = Fixture::new(DEDICATED);
    forming.pass();
    forming.pass();
    assert!(arguments(&forming, "demo-broker", "format").unwrap().contains(&"--no-initial-controllers".to_owned()));
    assert!(
        arguments(&forming, "demo-quorum", "format")
            .unwrap()
            .iter()
            .any(|arg| arg.starts_with("--initial-controllers=100@"))
    );
    let selector = fixture.observed.services["demo-bootstrap"].spec.clone().unwrap().selector.unwrap();
    assert_eq!(selector.get(labels::BROKER).map(String::as_str), Some("true"), "clients are sent to brokers alone");
    assert_eq!(fixture.observed.pods["demo-quorum-100"].labels()[labels::BROKER], "false");
    assert_eq!(fixture.observed.config_maps.keys().filter(|name| name.starts_with("demo-config-")).count(), 2);
}

#[test]
fn a_roll_takes_controllers_first_the_leader_last_of_them_and_never_two_at_once() {
    let mut fixture = Fixture::running(DEDICATED);
    fixture.observed.answers.quorum.as_mut().unwrap().leader = 102;
    fixture.spec(|spec| spec.image = Some("barnabas:2".to_owned()));
    let restarts: Vec<String> = story(&mut fixture).into_iter().filter(|act| act.starts_with("restart")).collect();
    let pods: Vec<&str> = restarts.iter().map(|act| act.split([' ', ':']).nth(1).unwrap()).collect();
    assert_eq!(pods, ["demo-quorum-101", "demo-quorum-100", "demo-quorum-102", "demo-broker-1", "demo-broker-0"]);
}

#[test]
fn a_roll_waits_for_a_voter_that_lags_and_for_a_leader_that_does_not_answer() {
    let mut fixture = Fixture::running("{replicas: 3}");
    let quorum = fixture.observed.answers.quorum.clone();
    fixture.spec(|spec| spec.image = Some("barnabas:2".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(true);
    fixture.observed.answers.quorum.as_mut().unwrap().voters[1].caught_up = false;
    let plan = fixture.pass();
    assert_eq!(acts(&plan), Vec::<String>::new());
    assert!(fixture.condition("Ready").unwrap().2.contains("no majority"), "{:?}", fixture.condition("Ready"));
    fixture.observed.answers.quorum = None;
    fixture.observed.answers.silence = Some("nobody leads".to_owned());
    assert_eq!(acts(&fixture.pass()), Vec::<String>::new());
    assert!(fixture.condition("Ready").unwrap().2.contains("until the quorum's leader answers"));
    assert_eq!(fixture.condition("QuorumReady").unwrap().1, "NoLeader");
    fixture.observed.answers.quorum = quorum;
    assert_eq!(acts(&fixture.pass()), ["restart demo-broker-2: PodTemplateChanged"]);
}

#[test]
fn a_pod_that_is_broken_and_yet_votes_is_not_taken_from_a_quorum_that_needs_it() {
    let mut fixture = Fixture::running("{replicas: 3}");
    fixture.spec(|spec| spec.image = Some("barnabas:2".to_owned()));
    fixture.pass();
    fixture.kubernetes_moves(true);
    set_ready(fixture.pod("demo-broker-1"), false);
    fixture.observed.answers.quorum.as_mut().unwrap().voters[2].caught_up = false;
    assert_eq!(acts(&fixture.pass()), Vec::<String>::new());
    fixture.observed.answers.quorum.as_mut().unwrap().voters[2].caught_up = true;
    assert_eq!(acts(&fixture.pass()), ["restart demo-broker-1: PodTemplateChanged"]);
}

#[test]
fn a_lost_volume_of_a_controller_is_replaced_and_then_its_vote() {
    let mut fixture = Fixture::running(DEDICATED);
    let old = fixture.observed.answers.quorum.clone().unwrap().voters[2].directory_id;
    fixture.lose_volume("demo-quorum-102");
    fixture.quorum_moves();
    assert_eq!(story(&mut fixture), ["restart demo-quorum-102: FormatAllowed", "remove 102", "add 102"]);
    assert_eq!(voters(&fixture), [100, 101, 102]);
    assert_ne!(fixture.observed.answers.quorum.clone().unwrap().voters[2].directory_id, old);
    assert_eq!(fixture.ready().0, "True");
    assert_eq!(arguments(&fixture, "demo-quorum", "format"), None, "no other volume may be formatted any more");
}

#[test]
fn an_empty_volume_never_gets_the_first_controllers_again() {
    let mut fixture = Fixture::running("{replicas: 3}");
    fixture.hosts(0, 1, 1);
    for node in ["demo-broker-0", "demo-broker-1", "demo-broker-2"] {
        fixture.lose_volume(node);
        fixture.quorum_moves();
        for _ in 0..5 {
            fixture.pass();
            let format = arguments(&fixture, "demo-broker", "format").unwrap_or_default();
            assert!(!format.iter().any(|arg| arg.starts_with("--initial-controllers")), "{format:?}");
            fixture.kubernetes_moves(false);
            fixture.quorum_moves();
        }
    }
    assert_eq!(fixture.ready(), ("False".to_owned(), "DataMissing".to_owned()));
}

#[test]
fn a_lost_volume_that_alone_held_partitions_waits_for_the_users_word() {
    let mut fixture = Fixture::running("{replicas: 3}");
    fixture.hosts(2, 4, 4);
    fixture.lose_volume("demo-broker-2");
    crash(fixture.pod("demo-broker-2"), "CrashLoopBackOff", "data is missing: no meta.properties");
    fixture.quorum_moves();
    fixture.pass();
    assert_eq!(fixture.ready(), ("False".to_owned(), "DataMissing".to_owned()));
    let (_, _, message) = fixture.condition("DataMissing").unwrap();
    let uid = fixture.observed.claims["data-demo-broker-2"].uid().unwrap();
    assert!(
        message.contains(&format!("{ALLOW_FORMAT}={uid}")) && message.contains("records that only it had"),
        "{message}"
    );
    assert_eq!(fixture.condition("QuorumReady").unwrap().1, "VoterBehind");
    fixture.annotate(ALLOW_FORMAT, &uid);
    let told = story(&mut fixture);
    assert_eq!(told, ["restart demo-broker-2: FormatAllowed", "remove 2", "add 2"]);
    assert_eq!((fixture.ready().0.as_str(), voters(&fixture)), ("True", vec![0, 1, 2]));
}

#[test]
fn a_node_that_is_new_opens_no_other_volume_of_its_pool() {
    let mut fixture =
        Fixture::running("{replicas: 3, pools: [{name: more, replicas: 2, roles: [Broker], firstNodeId: 10}]}");
    fixture.spec(|spec| spec.pools[0].replicas = 3);
    fixture.hosts(11, 4, 4);
    for _ in 0..3 {
        fixture.pass();
        fixture.kubernetes_moves(false);
    }
    fixture.lose_volume("demo-more-11");
    crash(fixture.pod("demo-more-11"), "CrashLoopBackOff", "data is missing: no meta.properties");
    fixture.pass();
    assert!(would_format(&fixture, "demo-more-12"), "it is new");
    assert!(!would_format(&fixture, "demo-more-11"), "it alone held partitions");
    assert_eq!(fixture.ready(), ("False".to_owned(), "DataMissing".to_owned()));
    let uid = fixture.observed.claims["data-demo-more-11"].uid().unwrap();
    fixture.annotate(ALLOW_FORMAT, &uid);
    fixture.pass();
    fixture.kubernetes_moves(false);
    assert_eq!(acts(&fixture.pass()), ["restart demo-more-11: FormatAllowed"]);
    fixture.kubernetes_moves(false);
    assert!(would_format(&fixture, "demo-more-11"), "the user has said so");
    fixture.observed.pods.remove("demo-more-10");
    fixture.kubernetes_moves(false);
    assert!(!would_format(&fixture, "demo-more-10"));
}

#[test]
fn two_lost_volumes_of_three_are_nobodys_to_format() {
    let mut fixture = Fixture::running(DEDICATED);
    for pod in ["demo-quorum-101", "demo-quorum-102"] {
        fixture.observed.claims.remove(&format!("data-{pod}"));
        fixture.observed.pods.remove(pod);
    }
    fixture.kubernetes_moves(false);
    fixture.quorum_moves();
    for _ in 0..5 {
        assert_eq!(acts(&fixture.pass()), Vec::<String>::new());
        fixture.kubernetes_moves(false);
    }
    assert_eq!(fixture.ready().1, "DataMissing");
    assert_eq!(arguments(&fixture, "demo-quorum", "format"), None);
}

#[test]
fn one_node_grows_to_three_voters_and_five_one_at_a_time_and_shrinks_back() {
    let mut fixture = Fixture::running("{}");
    fixture.spec(|spec| spec.replicas = 3);
    fixture.hosts(0, 5, 5);
    let told = story(&mut fixture);
    assert_eq!(told, ["restart demo-broker-0: PodTemplateChanged", "add 1", "add 2"]);
    assert_eq!(voters(&fixture), [0, 1, 2]);
    fixture.spec(|spec| spec.replicas = 5);
    assert_eq!(story(&mut fixture), ["add 3", "add 4"], "no pod is restarted for it");
    fixture.spec(|spec| spec.replicas = 3);
    fixture.observed.answers.registered = [0, 1, 2, 3, 4].into();
    assert_eq!(
        story(&mut fixture),
        ["remove 4", "demo-broker-4 leaves", "remove 3", "forget 4", "demo-broker-3 leaves", "forget 3"]
    );
    assert_eq!((fixture.ready().0.as_str(), voters(&fixture)), ("True", vec![0, 1, 2]));
    fixture.spec(|spec| spec.replicas = 5);
    assert_eq!(story(&mut fixture), ["add 3", "add 4"], "they come back with their old volumes");
    fixture.spec(|spec| spec.replicas = 1);
    fixture.observed.answers.registered.clear();
    let told = story(&mut fixture);
    let votes: Vec<&String> = told.iter().filter(|act| act.starts_with("remove")).collect();
    assert_eq!(votes, ["remove 4", "remove 3", "remove 2", "remove 1"], "{told:?}");
    assert_eq!((fixture.ready().0.as_str(), fixture.observed.pods.len()), ("True", 1));
}

#[test]
fn a_node_that_holds_partitions_stays_and_the_status_says_why() {
    let mut fixture =
        Fixture::running("{replicas: 3, pools: [{name: more, replicas: 2, roles: [Broker], firstNodeId: 10}]}");
    fixture.hosts(11, 7, 7);
    fixture.spec(|spec| spec.pools[0].replicas = 1);
    assert_eq!(story(&mut fixture), Vec::<String>::new());
    let (_, reason, message) = fixture.condition("Ready").unwrap();
    assert_eq!(reason, "NodesLeaving");
    assert!(message.contains("node 11 holds replicas of 7 partitions"), "{message}");
    fixture.hosts(11, 0, 0);
    assert_eq!(story(&mut fixture), ["demo-more-11 leaves"]);
    assert_eq!(fixture.ready().0, "True");
}

#[test]
fn brokers_of_a_pool_that_was_stopped_are_not_forgotten_while_partitions_have_replicas_on_them() {
    let mut fixture =
        Fixture::running("{replicas: 3, pools: [{name: more, replicas: 1, roles: [Broker], firstNodeId: 10}]}");
    fixture.observed.answers.registered = [0, 1, 2, 10].into();
    fixture.hosts(10, 7, 7);
    fixture.spec(|spec| spec.pools[0].replicas = 0);
    assert_eq!(story(&mut fixture), ["demo-more-10 leaves"]);
    let hosted = fixture.observed.answers.hosted.take();
    fixture.spec(|spec| spec.pools.clear());
    assert_eq!(story(&mut fixture), Vec::<String>::new(), "nobody says what it holds");
    fixture.observed.answers.hosted = hosted;
    assert_eq!(story(&mut fixture), Vec::<String>::new());
    assert_eq!(fixture.ready(), ("False".to_owned(), "PoolHoldsPartitions".to_owned()));
    let (_, _, message) = fixture.condition("Stalled").unwrap();
    assert!(message.contains("pool more") && message.contains("7 partitions"), "{message}");
    fixture.hosts(10, 0, 0);
    assert_eq!(story(&mut fixture), ["forget 10"]);
    assert_eq!(fixture.ready().0, "True");
}

#[test]
fn controllers_move_to_a_pool_of_their_own_while_the_quorum_serves() {
    let mut fixture = Fixture::running("{replicas: 3}");
    for id in 0..3 {
        fixture.hosts(id, 0, 0);
    }
    fixture.spec(|spec| {
        spec.replicas = 0;
        spec.pools = serde_yaml::from_str(
            "[{name: quorum, replicas: 3, roles: [Controller], firstNodeId: 10}, {name: data, replicas: 2, roles: [Broker], firstNodeId: 20}]",
        )
        .unwrap();
    });
    let told = story(&mut fixture);
    let votes: Vec<&String> = told.iter().filter(|act| act.starts_with("add") || act.starts_with("remove")).collect();
    assert_eq!(votes, ["add 10", "add 11", "add 12", "remove 2", "remove 1", "remove 0"]);
    assert_eq!((fixture.ready().0.as_str(), voters(&fixture)), ("True", vec![10, 11, 12]));
    assert!(restarted(&fixture.pass()).is_empty());
}

#[test]
fn a_claim_that_cannot_grow_is_told_and_lengthens_no_wait() {
    use crate::cluster::apply::Outcome;
    use crate::cluster::{CATCHING_UP, ClusterError, STEADY_QUORUM, finish};
    use kube::runtime::controller::Action;
    let fixture = Fixture::running("{replicas: 3}");
    let status = fixture.cluster.status.unwrap();
    let refused = || ClusterError::NameTaken { kind: "PersistentVolumeClaim".to_owned(), name: "data".to_owned() };
    let claims = || Outcome { claim_failures: vec![refused()], ..Outcome::default() };
    let votes = || Outcome { quorum_failures: vec![refused()], ..Outcome::default() };
    let catching_up = Plan { waits: vec!["node 2 is to vote".to_owned()], ..Plan::default() };
    for (plan, wait) in [(Plan::default(), STEADY_QUORUM), (catching_up, CATCHING_UP)] {
        for outcome in [claims(), votes()] {
            let error = finish(&status, &plan, outcome, false).unwrap_err();
            assert_eq!((error.step(), error.longest_wait()), ("NameTaken", Some(wait)), "it is counted as what it is");
        }
        assert_eq!(finish(&status, &plan, Outcome::default(), false).unwrap(), Action::requeue(wait));
    }
    let ended = Outcome { failure: Some(refused()), ..claims() };
    assert_eq!(
        finish(&status, &Plan::default(), ended, false).unwrap_err().longest_wait(),
        None,
        "it waits twice as long each time"
    );
}
