//! A topic brought to what its resource says, against brokers in memory.

use super::*;
use crate::broker_client::fake::FakeCluster;
use barnabas_protocol::ErrorCode;

fn topic(spec: &str) -> Topic {
    Topic::new("orders", serde_yaml::from_str(&format!("{{clusterRef: {{name: c}}, {spec}}}")).unwrap())
}

#[tokio::test]
async fn a_topic_is_made_once_and_then_left_alone() {
    let brokers = FakeCluster::default();
    let wanted = topic("partitions: 3, config: {retention.ms: 1000}");
    let first = settle(&wanted, &brokers).await.unwrap();
    assert_eq!((first.live.partitions, first.done), (3, vec!["TopicCreated"]));
    let second = settle(&wanted, &brokers).await.unwrap();
    assert_eq!(second.done, Vec::<&str>::new());
    assert_eq!(brokers.state.lock().unwrap().changes, ["create orders"]);
}

#[tokio::test]
async fn what_others_changed_is_put_right_in_one_pass() {
    let brokers = FakeCluster::default();
    let wanted = topic("partitions: 3, config: {retention.ms: 1000}");
    settle(&wanted, &brokers).await.unwrap();
    {
        let mut state = brokers.state.lock().unwrap();
        let live = state.topics.get_mut("orders").unwrap();
        live.configs.insert("cleanup.policy".to_owned(), "compact".to_owned());
        live.configs.remove("retention.ms");
    }
    let grown = topic("partitions: 5, config: {retention.ms: 1000}");
    let settled = settle(&grown, &brokers).await.unwrap();
    assert_eq!(settled.done, ["PartitionsCreated", "ConfigsAltered"]);
    assert_eq!(settled.live.configs.keys().collect::<Vec<_>>(), ["retention.ms"]);
}

#[tokio::test]
async fn a_refusal_is_reported_and_nothing_is_tried_twice() {
    let brokers = FakeCluster::default();
    brokers.state.lock().unwrap().refuse = Some(ErrorCode::INVALID_CONFIG);
    let error = settle(&topic("config: {nonsense: 1}"), &brokers).await.unwrap_err();
    assert!(error.needs_a_person() && error.to_string().contains("INVALID_CONFIG"), "{error}");
}
