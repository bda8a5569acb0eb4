//! Who is asked, and which answer counts.

use super::*;
use crate::broker_client::fake::FakeCluster;
use crate::broker_client::{BrokerClient, LivePartition, StopPermit};
use crate::cluster::fixture::{Fixture, set_ready, settings};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Nodes by address, and who was asked.
#[derive(Default)]
struct FakeNodes {
    nodes: BTreeMap<String, Arc<FakeCluster>>,
    asked: Mutex<Vec<String>>,
    /// What brokers say on their admin ports; those that are not here are of an earlier release.
    permits: BTreeMap<String, StopPermit>,
}

impl Brokers for FakeNodes {
    fn client(&self, bootstrap: &str) -> Result<Arc<dyn BrokerClient>, BrokerError> {
        self.asked.lock().unwrap().push(bootstrap.to_owned());
        match self.nodes.get(bootstrap) {
            Some(node) => Ok(Arc::<FakeCluster>::clone(node)),
            None => Err(BrokerError::Unavailable { reason: format!("{bootstrap} is down") }),
        }
    }

    fn may_stop<'a>(&'a self, admin: &'a str) -> BoxFuture<'a, StopPermit> {
        let unknown = || StopPermit::NotAsked { reason: "404".to_owned() };
        let answer = self.permits.get(admin).cloned().unwrap_or_else(unknown);
        async move { answer }.boxed()
    }
}

fn node(quorum: Option<(i32, i32)>) -> Arc<FakeCluster> {
    let fake = FakeCluster::default();
    fake.state.lock().unwrap().quorum =
        quorum.map(|(leader, epoch)| LiveQuorum { leader, epoch, voters: Vec::new(), observers: Vec::new() });
    Arc::new(fake)
}

fn address(id: i32) -> String {
    format!("demo-broker-{id}.demo-nodes.shop.svc.cluster.local:9093")
}

async fn ask(nodes: &FakeNodes, fixture: &Fixture) -> Answers {
    quorum(nodes, &fixture.cluster, &settings(), &fixture.observed).await
}

#[tokio::test]
async fn of_two_that_think_they_lead_the_one_of_the_higher_epoch_is_believed() {
    let fixture = Fixture::running("{replicas: 3}");
    let nodes = [(0, node(Some((0, 4)))), (1, node(Some((1, 5)))), (2, node(None))];
    let nodes = FakeNodes { nodes: nodes.map(|(id, node)| (address(id), node)).into(), ..FakeNodes::default() };
    let answers = ask(&nodes, &fixture).await;
    assert_eq!(answers.quorum.map(|quorum| quorum.leader), Some(1));
    assert_eq!(answers.silence, None);
    assert_eq!(nodes.asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn where_nobody_leads_a_controller_that_answered_says_why() {
    let fixture = Fixture::running("{replicas: 3}");
    let nodes = FakeNodes { nodes: [(address(2), node(None))].into(), ..FakeNodes::default() };
    let answers = ask(&nodes, &fixture).await;
    assert_eq!(answers.quorum, None);
    assert!(answers.silence.unwrap().contains("NOT_LEADER_OR_FOLLOWER"));
}

#[tokio::test]
async fn only_controllers_that_run_are_asked() {
    let mut fixture = Fixture::running(
        "{replicas: 2, roles: [Broker], pools: [{name: c, replicas: 1, roles: [Controller], firstNodeId: 9}]}",
    );
    let nodes = FakeNodes::default();
    ask(&nodes, &fixture).await;
    assert_eq!(*nodes.asked.lock().unwrap(), ["demo-c-9.demo-nodes.shop.svc.cluster.local:9093"]);
    fixture.pod("demo-c-9").status.as_mut().unwrap().phase = Some("Pending".to_owned());
    let nodes = FakeNodes::default();
    assert_eq!(ask(&nodes, &fixture).await, Answers::default());
}

#[tokio::test]
async fn what_brokers_hold_is_asked_only_when_something_hangs_on_it() {
    let mut fixture = Fixture::running("{replicas: 3}");
    let bootstrap = fixture.cluster.status.as_ref().unwrap().bootstrap.clone().unwrap();
    let nodes = FakeNodes { nodes: [(bootstrap, node(None))].into(), ..FakeNodes::default() };
    for lost in [false, true] {
        if lost {
            fixture.lose_volume("demo-broker-2");
        }
        let resolved = fixture.resolve().unwrap();
        brokers(&nodes, &fixture.cluster, &resolved, &mut fixture.observed).await;
        assert_eq!(fixture.observed.answers.hosted.is_some(), lost);
    }
}

#[tokio::test]
async fn what_a_broker_holds_is_asked_while_it_is_new_and_before_it_is_forgotten() {
    let pool = "{replicas: 3, pools: [{name: more, replicas: 1, roles: [Broker], firstNodeId: 10}]}";
    let asked = async |fixture: &mut Fixture, registered: &[i32]| {
        let bootstrap = fixture.cluster.status.as_ref().unwrap().bootstrap.clone().unwrap();
        let known = node(None);
        known.state.lock().unwrap().registered = registered.iter().copied().collect();
        let nodes = FakeNodes { nodes: [(bootstrap, known)].into(), ..FakeNodes::default() };
        let resolved = fixture.resolve().unwrap();
        brokers(&nodes, &fixture.cluster, &resolved, &mut fixture.observed).await;
        fixture.observed.answers.hosted.take().is_some()
    };
    let mut grown = Fixture::running(pool);
    grown.spec(|spec| spec.pools[0].replicas = 2);
    grown.pass();
    grown.kubernetes_moves(false);
    assert!(asked(&mut grown, &[]).await, "a new one that is not ready may be filled");
    set_ready(grown.pod("demo-more-11"), true);
    assert!(!asked(&mut grown, &[]).await);
    let mut removed = Fixture::running(pool);
    removed.spec(|spec| spec.pools[0].replicas = 0);
    removed.settle();
    removed.spec(|spec| spec.pools.clear());
    assert!(asked(&mut removed, &[0, 1, 2, 10]).await);
    assert!(!asked(&mut removed, &[0, 1, 2]).await, "it is forgotten already");
}

#[tokio::test]
async fn what_is_set_at_run_time_is_asked_while_the_resource_says_something_and_a_broker_is_ready() {
    for (spec, ready, expected) in [("{replicas: 3}", true, true), ("{replicas: 3}", false, false), ("{}", true, false)]
    {
        let mut fixture = Fixture::running(spec);
        let bootstrap = fixture.cluster.status.as_ref().unwrap().bootstrap.clone().unwrap();
        let known = node(None);
        known.state.lock().unwrap().dynamic.insert("min.insync.replicas".to_owned(), "1".to_owned());
        let nodes = FakeNodes { nodes: [(bootstrap, known)].into(), ..FakeNodes::default() };
        fixture.observed.answers.dynamic = None;
        fixture.observed.pods.values_mut().for_each(|pod| set_ready(pod, ready));
        let resolved = fixture.resolve().unwrap();
        brokers(&nodes, &fixture.cluster, &resolved, &mut fixture.observed).await;
        let told = fixture.observed.answers.dynamic.and_then(|dynamic| dynamic.get("min.insync.replicas").cloned());
        assert_eq!(told.as_deref(), expected.then_some("1"), "{spec}, ready: {ready}");
    }
}

#[tokio::test]
async fn whether_a_broker_may_stop_it_says_itself_and_for_an_old_one_the_others_do() {
    let mut fixture = Fixture::running("{replicas: 3}");
    let bootstrap = fixture.cluster.status.as_ref().unwrap().bootstrap.clone().unwrap();
    let refused = StopPermit::Refused { why: "broker 0 holds the permit".to_owned() };
    let admin = |id: i32| address(id).replace(":9093", ":9644");
    let old = node(None);
    old.state.lock().unwrap().partitions = vec![LivePartition {
        topic: "orders".to_owned(),
        partition: 4,
        leader: Some(2),
        replicas: vec![0, 1, 2],
        in_sync: vec![0, 2],
    }];
    let mut nodes = FakeNodes {
        nodes: [(bootstrap, old)].into(),
        permits: [(admin(0), StopPermit::Granted), (admin(1), refused)].into(),
        ..FakeNodes::default()
    };
    let resolved = fixture.resolve().unwrap();
    let ask = async |nodes: &FakeNodes, fixture: &Fixture, id| {
        may_stop(nodes, &fixture.cluster, &resolved, &fixture.observed, id).await.refusal
    };
    assert_eq!(ask(&nodes, &fixture, 0).await, None);
    assert_eq!(ask(&nodes, &fixture, 1).await.as_deref(), Some("broker 0 holds the permit"));
    assert_eq!(ask(&nodes, &fixture, 2).await.as_deref(), Some("orders-4 has 2 of 3 replicas in sync"));
    nodes.permits.insert(admin(2), StopPermit::Unanswered { why: "no quorum".to_owned() });
    assert_eq!(ask(&nodes, &fixture, 2).await.as_deref(), Some("no quorum"));
    set_ready(fixture.pod("demo-broker-2"), false);
    let told = ask(&nodes, &fixture, 2).await;
    assert_eq!(
        told.as_deref(),
        Some("orders-4 has 2 of 3 replicas in sync"),
        "one that is not ready may wait for ever"
    );
    set_ready(fixture.pod("demo-broker-2"), true);
    nodes.permits.clear();
    nodes.nodes.clear();
    let silence = ask(&nodes, &fixture, 2).await.unwrap();
    assert!(silence.contains("nobody says whether partitions need it"), "{silence}");
    for id in 0..3 {
        set_ready(fixture.pod(&format!("demo-broker-{id}")), false);
    }
    assert_eq!(ask(&nodes, &fixture, 2).await, None, "with no broker left there is nothing to lose");
}
