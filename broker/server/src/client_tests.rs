//! The workspace's own client against a running node: this one, or the cluster that BARNABAS_TEST_BOOTSTRAP names (Apache Kafka, say).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barnabas_client::{Client, ClientError, ConfigChange, ConfigResource, OffsetQuery, Settings};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use barnabas_types::TopicPartition;

use crate::testing::Broker;

/// A client, and the broker that it speaks to unless another is named.
async fn client() -> (Client, Option<Broker>) {
    let (address, broker) = match std::env::var("BARNABAS_TEST_BOOTSTRAP") {
        Ok(address) => (address, None),
        Err(_) => {
            let broker = Broker::start().await;
            (broker.address(), Some(broker))
        }
    };
    let mut settings = Settings::new(vec![address], "client-tests");
    settings.call_timeout = Duration::from_secs(30);
    (Client::new(settings).unwrap(), broker)
}

/// Kafka may answer before the broker that is asked next has heard of a change, so what should be seen is asked for until it is.
async fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, ask: impl AsyncFn() -> T) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let seen = ask().await;
        if seen == expected || tokio::time::Instant::now() > deadline {
            assert_eq!(seen, expected);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> ErrorCode {
    result.unwrap_err().code().unwrap()
}

#[tokio::test]
async fn a_topic_lives_and_dies_on_a_cluster() {
    let (client, _broker) = client().await;
    let name = format!("client-{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos());
    let retention =
        CreatableTopicConfig { name: "retention.ms".into(), value: Some("3600000".into()), ..Default::default() };
    let topic = CreatableTopic {
        name: name.as_str().into(),
        num_partitions: 2,
        replication_factor: -1,
        configs: vec![retention],
        ..Default::default()
    };
    client.create_topic(&topic, true).await.unwrap();
    let created = client.create_topic(&topic, false).await.unwrap();
    assert_eq!((created.num_partitions, created.topic_id.is_zero()), (2, false));
    assert_eq!(code(client.create_topic(&topic, false).await), ErrorCode::TOPIC_ALREADY_EXISTS);

    client.create_partitions(&name, 3, false).await.unwrap();
    assert_eq!(code(client.create_partitions(&name, 2, false).await), ErrorCode::INVALID_PARTITIONS);
    eventually((1, 3), async || {
        let metadata = client.metadata(Some(&[&name])).await.unwrap();
        (metadata.topics.len(), metadata.topics[0].partitions.len())
    })
    .await;

    let resource = ConfigResource::Topic(name.clone());
    let changes = [
        ("retention.ms".to_owned(), ConfigChange::Set("60000".to_owned())),
        ("cleanup.policy".to_owned(), ConfigChange::Append("compact".to_owned())),
    ];
    client.incremental_alter_configs(&resource, &changes, false).await.unwrap();
    eventually(["60000", "delete,compact"].map(str::to_owned), async || {
        let keys = ["retention.ms", "cleanup.policy"];
        let configs = client.describe_configs(&resource, Some(&keys)).await.unwrap();
        keys.map(|key| {
            let config = configs.iter().find(|config| config.name == key).unwrap();
            config.value.as_deref().unwrap().to_owned()
        })
    })
    .await;
    let wrong = [("retention.ms".to_owned(), ConfigChange::Set("soon".to_owned()))];
    assert_eq!(code(client.incremental_alter_configs(&resource, &wrong, false).await), ErrorCode::INVALID_CONFIG);

    let partitions: Vec<_> = (0..4).map(|partition| TopicPartition::new(name.as_str(), partition)).collect();
    let ends = client.list_offsets(&partitions, OffsetQuery::Latest).await.unwrap();
    assert_eq!(ends[&partitions[0]].unwrap().offset, 0);
    assert_eq!(ends[&partitions[3]], Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    client.delete_topic_by_id(created.topic_id).await.unwrap();
    eventually(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, async || code(client.delete_topic(&name).await)).await;
}

#[tokio::test]
async fn nodes_disks_and_groups_of_a_cluster_are_described() {
    let (client, _broker) = client().await;
    let nodes = client.nodes().await.unwrap();
    let cluster = client.describe_cluster(false).await.unwrap();
    assert_eq!(cluster.brokers.len(), nodes.len());
    assert!(!cluster.cluster_id.is_empty());
    for node in &nodes {
        let directories = client.describe_log_dirs(node.node_id).await.unwrap();
        assert!(directories.iter().all(|directory| directory.error_code.is_none() && directory.total_bytes > 0));
        let resource = ConfigResource::Broker(node.node_id);
        let configs = client.describe_configs(&resource, Some(&["node.id"])).await.unwrap();
        assert_eq!(configs[0].value.as_deref(), Some(node.node_id.to_string().as_str()));
    }
    client.list_groups().await.unwrap();
    let coordinator = client.find_coordinator("nobody").await.unwrap();
    assert!(nodes.iter().any(|node| node.node_id == coordinator));
    assert_eq!(client.offset_fetch("nobody").await.unwrap(), []);
    assert_eq!(code(client.describe_group("nobody").await), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(code(client.delete_group("nobody").await), ErrorCode::GROUP_ID_NOT_FOUND);
}
