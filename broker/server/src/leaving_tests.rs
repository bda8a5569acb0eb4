//! Brokers that stop, on three whole nodes in one process: who may, how long they stay, and what clients see of it; and with which epoch they
//! come back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::RealFs;
use barnabas_log::identity::{CLEAN_SHUTDOWN, KeptEpoch};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::CreateTopicsRequest;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use barnabas_types::TopicIdPartition;
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::admin::stopping::{self, CAUGHT_UP, PERMIT};
use crate::logging::LogLevel;
use crate::node::{FormatPolicy, Running};
use crate::quorum_tests::{Nodes, create};
use crate::replication_tests::{is_in_sync, try_produce};
use crate::runtime::Runtime;
use crate::testing::{Client, booted};

/// Far longer than what is waited for takes.
const LONG: Duration = Duration::from_secs(60);

/// Produces to the node at `leader` as long as it leads, one record after the other: how many were acknowledged, and how
/// it ended. `begun` is told after the third.
async fn produce_until_refused(
    mut client: Client,
    key: TopicIdPartition,
    begun: oneshot::Sender<()>,
) -> (i64, std::io::Result<ErrorCode>) {
    let mut acknowledged = 0;
    let mut begun = Some(begun);
    loop {
        if acknowledged == 3 {
            _ = begun.take().map(|begun| begun.send(()));
        }
        match try_produce(&mut client, key, &format!("record {acknowledged}")).await {
            Ok((ErrorCode::NONE, offset)) => {
                assert_eq!(offset, acknowledged);
                acknowledged += 1;
            }
            Ok((code, _)) => return (acknowledged, Ok(code)),
            Err(error) => return (acknowledged, Err(error)),
        }
    }
}

#[tokio::test]
async fn clients_are_served_until_others_lead_what_a_stopping_broker_led() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "moved", 3).await, ErrorCode::NONE);
    let topic_id = nodes.in_sync("moved", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    let (begun, begins) = oneshot::channel();
    let producing = tokio::spawn(produce_until_refused(nodes.client(leader).await, key, begun));
    begins.await.unwrap();
    let stopping = nodes.running[leader].take().unwrap();
    let node = Arc::clone(&stopping.node);
    stopping.stop().await.unwrap();
    let (acknowledged, end) = producing.await.unwrap();
    // It is told to look for the new leader. A connection that ends would leave it in doubt of what it has sent.
    assert_eq!(end.unwrap(), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let image = node.image();
    assert!(
        image.brokers.get(node.broker_id).unwrap().in_controlled_shutdown,
        "it has asked for a controlled shutdown"
    );
    let next = nodes.leader((leader + 1) % 3, key).expect("another leader");
    assert_ne!(next, leader);
    let kept = nodes.offsets(next, key).await;
    assert!(kept.len() as i64 >= acknowledged && acknowledged >= 3, "{} of {acknowledged} are kept", kept.len());
    nodes.stop().await;
}

/// A topic with a replica on each node, two of which have to be in sync.
async fn create_with_minimum(client: &mut Client, name: &'static str) {
    let minimum =
        CreatableTopicConfig { name: "min.insync.replicas".into(), value: Some("2".into()), ..Default::default() };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 3,
        configs: vec![minimum],
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    assert_eq!(client.call(7, &request).await.topics[0].error_code, ErrorCode::NONE);
}

/// The indices of the nodes whose controller is not active.
fn others(nodes: &Nodes) -> (usize, usize) {
    let active = nodes.active();
    ((active + 1) % 3, (active + 2) % 3)
}

/// What the admin port of a node answers.
async fn ask(running: &Running, method: Method, path: &str) -> (u16, Value) {
    let deadline = |patience| running.node.runtime.deadline(patience);
    let answer = stopping::answer(&running.registered(), &method, path, deadline).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn one_broker_gets_the_permit_to_stop_and_the_others_are_told_who_has_it() {
    let nodes = Nodes::start().await;
    create_with_minimum(&mut nodes.client(0).await, "guarded").await;
    nodes.in_sync("guarded", 3).await;
    let (one, other) = others(&nodes);
    for index in 0..3 {
        let (status, body) = ask(nodes.node(index), Method::GET, CAUGHT_UP).await;
        assert_eq!((status, &body["caughtUp"], &body["partitionCount"]), (200, &json!(true), &json!(0)), "{body}");
        assert!(body["metadataOffset"].as_i64().unwrap() > 0 && body["ageMs"].is_u64(), "{body}");
    }
    let (status, body) = ask(nodes.node(one), Method::POST, PERMIT).await;
    assert_eq!((status, &body["granted"], &body["expiresInMs"]), (200, &json!(true), &json!(30_000)), "{body}");
    let (status, body) = ask(nodes.node(other), Method::POST, PERMIT).await;
    let holder = nodes.node(one).node.broker_id.0;
    assert_eq!(
        (status, &body["reason"], &body["heldBy"]),
        (409, &json!("AnotherBrokerStops"), &json!(holder)),
        "{body}"
    );
    assert_eq!(ask(nodes.node(one), Method::DELETE, PERMIT).await.1["released"], true);
    assert_eq!(ask(nodes.node(other), Method::POST, PERMIT).await.0, 200);
    nodes.stop().await;
}

#[tokio::test]
async fn a_broker_stays_until_the_replica_that_was_away_is_in_sync_again() {
    let mut nodes = Nodes::start_with("barnabas.shutdown.grace.ms=60000\n").await;
    create_with_minimum(&mut nodes.client(0).await, "guarded").await;
    let topic_id = nodes.in_sync("guarded", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let (away, stays) = others(&nodes);
    nodes.running[away].take().unwrap().stop().await.unwrap();
    let (status, body) = ask(nodes.node(stays), Method::POST, PERMIT).await;
    assert_eq!(
        (status, &body["reason"], &body["partitionCount"]),
        (409, &json!("PartitionsNeedIt"), &json!(1)),
        "{body}"
    );
    let partition = &body["partitions"][0];
    assert_eq!((&partition["topic"], &partition["minInsyncReplicas"]), (&json!("guarded"), &json!(2)), "{body}");

    let stopping = nodes.running[stays].take().unwrap();
    let mut staying = Box::pin(stopping.stay_while_needed());
    let seen = tokio::time::timeout(Duration::from_millis(1500), &mut staying).await;
    assert!(seen.is_err(), "it is needed, and asks again");
    let back = nodes.start_one(away).await;
    let stayed = tokio::time::timeout(LONG / 2, staying).await;
    stayed.expect("it may stop long before its grace time is over");
    let (_, body) = ask(&stopping, Method::GET, CAUGHT_UP).await;
    assert_eq!(body["caughtUp"], true, "{body}");
    assert!(is_in_sync(&stopping.node.image(), "guarded", 3), "it went before the other was in sync");
    nodes.running[away] = Some(back);
    stopping.stop().await.unwrap();
    let leader = nodes.leader(away, key).expect("a leader");
    assert_eq!(nodes.produce(leader, key, "after").await.0, ErrorCode::NONE, "two are in sync");
    let (_, body) = ask(nodes.node(away), Method::GET, CAUGHT_UP).await;
    assert_eq!(body["caughtUp"], true, "{body}");
    nodes.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_needed_stays_no_longer_than_its_grace_time() {
    const GRACE: Duration = Duration::from_millis(400);
    let mut nodes = Nodes::start_with("barnabas.shutdown.grace.ms=400\n").await;
    create_with_minimum(&mut nodes.client(0).await, "guarded").await;
    nodes.in_sync("guarded", 3).await;
    let (away, stays) = others(&nodes);
    nodes.running[away].take().unwrap().stop().await.unwrap();
    let runtime = nodes.node(stays).node.runtime.clone();
    let began = runtime.now().monotonic;
    tokio::time::timeout(LONG, nodes.node(stays).stay_while_needed()).await.unwrap();
    let stayed = runtime.now().monotonic - began;
    assert!(stayed >= GRACE, "{stayed:?}");
    nodes.stop().await;
}

#[tokio::test]
async fn a_broker_alone_never_waits() {
    let directory = tempfile::tempdir().unwrap();
    let running = start(directory.path()).await;
    let mut client = client(&running).await;
    assert_eq!(create(&mut client, "single", 1).await, ErrorCode::NONE);
    drop(client);
    let stayed = tokio::time::timeout(Duration::from_secs(5), running.stay_while_needed()).await;
    assert!(stayed.is_ok(), "it may stop at once, and has a grace time of a minute");
    running.stop().await.unwrap();
}

/// A node of its own.
async fn start(directory: &Path) -> Running {
    let boot = booted(directory, "broker.session.timeout.ms=1000\nbarnabas.shutdown.grace.ms=60000\n");
    let level = LogLevel::detached("off").unwrap();
    Running::start(boot, FormatPolicy::IfEmpty, level, Runtime::current()).await.unwrap()
}

async fn client(running: &Running) -> Client {
    let (_, address) = running.advertised()[0].split_once("://").unwrap();
    Client::to(address).await
}

/// The epoch and the incarnation under which a node is registered.
fn registered(running: &Running) -> (i64, barnabas_types::Uuid) {
    let image = running.node.image();
    let broker = image.brokers.get(running.node.broker_id).unwrap();
    (broker.epoch, broker.incarnation_id)
}

/// What the directory promises.
fn promised(directory: &Path) -> Option<i64> {
    KeptEpoch::read(&RealFs, directory).unwrap().map(|promise| promise.broker_epoch)
}

#[tokio::test]
async fn a_broker_registers_with_the_epoch_that_it_has_kept_and_without_where_it_has_lost_something() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    let running = start(directory).await;
    let mut producer = client(&running).await;
    assert_eq!(create(&mut producer, "kept", 1).await, ErrorCode::NONE);
    let topic_id = running.node.image().topics.named("kept").unwrap().id;
    let key = TopicIdPartition { topic_id, partition: 0 };
    assert_eq!(try_produce(&mut producer, key, "one").await.unwrap(), (ErrorCode::NONE, 0));
    drop(producer);
    let (first, _) = registered(&running);
    assert_eq!(promised(directory), Some(first));
    running.stop().await.unwrap();

    let clean = start(directory).await;
    assert_eq!(clean.node.directories.clean_broker_epoch(), Some(first));
    let (second, incarnation) = registered(&clean);
    assert_eq!((promised(directory), incarnation), (Some(second), clean.node.incarnation_id));
    clean.stop().await.unwrap();

    // As a kill leaves it.
    std::fs::remove_file(directory.join(CLEAN_SHUTDOWN)).unwrap();
    let killed = start(directory).await;
    let directories = &killed.node.directories;
    assert_eq!((directories.clean_broker_epoch(), directories.kept_broker_epoch()), (None, Some(second)));
    let (third, incarnation) = registered(&killed);
    assert_eq!((promised(directory), incarnation), (Some(third), killed.node.incarnation_id));
    killed.stop().await.unwrap();

    // A kill, and a disk that has forgotten what was synced.
    std::fs::remove_file(directory.join(CLEAN_SHUTDOWN)).unwrap();
    std::fs::write(directory.join("kept-0/00000000000000000000.log"), b"").unwrap();
    let lost = start(directory).await;
    assert_eq!(lost.node.directories.kept_broker_epoch(), Some(third));
    assert!(!lost.node.directories.have_kept_all());
    let (fourth, incarnation) = registered(&lost);
    assert_ne!(incarnation, lost.node.incarnation_id, "it has registered again");
    assert!(fourth > third && promised(directory).is_none(), "nothing is promised any more");
    lost.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_is_promised_from_the_first_topic_on_that_does_not_wait_for_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let running = start(root.path()).await;
    assert!(promised(root.path()).is_some());
    let mut client = client(&running).await;
    let replicated = CreatableTopicConfig {
        name: "barnabas.durability".into(),
        value: Some("replicated".into()),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: "loose".into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![replicated],
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    assert_eq!(client.call(7, &request).await.topics[0].error_code, ErrorCode::NONE);
    assert_eq!(promised(root.path()), None, "it is taken back before the topic can be used");
    drop(client);
    running.stop().await.unwrap();
    let again = start(root.path()).await;
    assert_eq!(promised(root.path()), None);
    again.stop().await.unwrap();
}
