//! A topic brought to what its resource says, against brokers in memory.

use super::*;
use crate::broker_client::fake::FakeCluster;
use barnabas_protocol::ErrorCode;

fn topic(spec: &str) -> Topic {
    Topic::new("orders", serde_yaml::from_str(&format!("{{clusterRef: {{name: c}}, {spec}}}")).unwrap())
}

impl Settled {
    fn live(&self) -> &LiveTopic {
        match &self.topic {
            Outcome::Live(live, _) => live,
            Outcome::Impossible(conflict) => panic!("{conflict}"),
        }
    }
}

#[tokio::test]
async fn a_topic_is_made_once_and_then_left_alone() {
    let brokers = FakeCluster::default();
    let wanted = topic("partitions: 3, config: {retention.ms: 1000}");
    let first = settle(&wanted, 3, &brokers).await.unwrap();
    assert_eq!((first.live().partitions, first.done.as_slice()), (3, ["TopicCreated"].as_slice()));
    let second = settle(&wanted, 3, &brokers).await.unwrap();
    assert_eq!(second.done, Vec::<&str>::new());
    assert_eq!(brokers.state.lock().unwrap().changes, ["create orders"]);
}

#[tokio::test]
async fn what_others_changed_is_put_right_in_one_pass() {
    let brokers = FakeCluster::default();
    let wanted = topic("partitions: 3, config: {retention.ms: 1000}");
    settle(&wanted, 3, &brokers).await.unwrap();
    {
        let mut state = brokers.state.lock().unwrap();
        let live = state.topics.get_mut("orders").unwrap();
        live.configs.insert("cleanup.policy".to_owned(), "compact".to_owned());
        live.configs.remove("retention.ms");
    }
    let grown = topic("partitions: 5, config: {retention.ms: 1000}");
    let settled = settle(&grown, 3, &brokers).await.unwrap();
    assert_eq!(settled.done, ["PartitionsCreated", "ConfigsAltered"]);
    assert_eq!(settled.live().configs.keys().collect::<Vec<_>>(), ["retention.ms"]);
}

#[tokio::test]
async fn a_refusal_is_reported_and_nothing_is_tried_twice() {
    let brokers = FakeCluster::default();
    brokers.state.lock().unwrap().refuse = Some(ErrorCode::INVALID_CONFIG);
    let error = settle(&topic("config: {nonsense: 1}"), 3, &brokers).await.unwrap_err();
    assert!(error.needs_a_person() && error.to_string().contains("INVALID_CONFIG"), "{error}");
}

#[tokio::test]
async fn a_topic_of_more_copies_than_there_are_brokers_waits_for_brokers_and_says_so() {
    let brokers = FakeCluster::default();
    let wanted = topic("replicas: 3");
    let settled = settle(&wanted, 2, &brokers).await.unwrap();
    let status = status::compute(&wanted, &settled.progress(), Timestamp::UNIX_EPOCH);
    assert_eq!(
        (status.conditions[0].reason.as_str(), brokers.state.lock().unwrap().changes.len()),
        ("TooFewBrokers", 0)
    );
    assert!(status.conditions[0].message.contains("has 2 brokers"), "{}", status.conditions[0].message);
    assert_eq!(settle(&wanted, 3, &brokers).await.unwrap().done, ["TopicCreated"]);
    let fewer = settle(&wanted, 2, &brokers).await.unwrap();
    assert_eq!((fewer.live().replication_factor, fewer.done.len()), (3, 0), "what is there stays as it is");
}

#[tokio::test]
async fn brokers_that_are_too_few_for_the_default_may_be_on_their_way() {
    let brokers = FakeCluster::default();
    brokers.state.lock().unwrap().refuse = Some(ErrorCode::INVALID_REPLICATION_FACTOR);
    let error = settle(&topic("partitions: 1"), 3, &brokers).await.unwrap_err();
    assert_eq!((error.reason(), error.needs_a_person()), ("TooFewBrokers", false));
}
