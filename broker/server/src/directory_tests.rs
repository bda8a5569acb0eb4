//! Brokers with several log directories, as whole nodes: the controller knows where each replica lies (KIP-858), so that a disk that fails
//! costs its own partitions their leader and no others.

use barnabas_metadata::Image;
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::CreatableTopic;
use barnabas_protocol::messages::{CreateTopicsRequest, MetadataRequest};
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use crate::logging::LogLevel;
use crate::node::{FormatPolicy, Running};
use crate::quorum_tests::Nodes;
use crate::runtime::Runtime;

/// So many that on every broker each directory has several, some of them led.
const PARTITIONS: i32 = 24;
const TWO_DIRECTORIES: &str = "log.dirs={data}/a,{data}/b\n";
/// What is told between two heartbeats is told for a reason, and long before the next.
const HEARTBEATS_FAR_APART: &str = "broker.heartbeat.interval.ms=60000\nbroker.session.timeout.ms=180000\n";

impl Nodes {
    /// Where the replica of the node at `index` lies.
    fn lies_in(&self, index: usize, key: TopicIdPartition) -> Option<Uuid> {
        self.node(index).node.replicas.get(key).map(|hosted| hosted.directory)
    }

    /// True when the image says of each of the node's replicas where it lies.
    fn is_noted(&self, image: &Image, index: usize, keys: &[TopicIdPartition]) -> bool {
        let broker = self.node(index).node.broker_id;
        keys.iter().all(|&key| {
            let noted = image.topics.partition(key).and_then(|partition| partition.directory(broker));
            noted.is_some() && noted == self.lies_in(index, key)
        })
    }
}

async fn create(nodes: &Nodes, name: &'static str) -> Vec<TopicIdPartition> {
    let topic =
        CreatableTopic { name: name.into(), num_partitions: PARTITIONS, replication_factor: 3, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    let created = nodes.client(0).await.call(7, &request).await.topics.remove(0);
    assert_eq!(created.error_code, ErrorCode::NONE, "{:?}", created.error_message);
    let topic_id = nodes.in_sync(name, 3).await;
    (0..PARTITIONS).map(|partition| TopicIdPartition { topic_id, partition }).collect()
}

#[tokio::test]
async fn a_directory_that_fails_costs_its_own_partitions_their_leader_at_once_and_no_others() {
    let nodes = Nodes::start_with(&format!("{TWO_DIRECTORIES}{HEARTBEATS_FAR_APART}")).await;
    let keys = create(&nodes, "t").await;
    nodes.image_where(0, |image| (0..3).all(|index| nodes.is_noted(image, index, &keys))).await;
    let (failing, other) = (1, 0);
    let broker = BrokerId(2);
    let directory = &nodes.node(failing).node.directories.all()[1];
    let image = nodes.node(other).node.image();
    let leads = |image: &Image, key| image.topics.partition(key).is_some_and(|one| one.leader == broker);
    let led: Vec<_> = keys.iter().copied().filter(|&key| leads(&image, key)).collect();
    let (there, elsewhere): (Vec<_>, Vec<_>) =
        led.into_iter().partition(|&key| nodes.lies_in(failing, key) == Some(directory.id));
    assert!(!there.is_empty() && !elsewhere.is_empty(), "{there:?} {elsewhere:?}");

    directory.condition.fail(&std::io::Error::other("the test says so"));
    let is_gone = |image: &Image, key| !leads(image, key) && image.topics.partition(key).unwrap().isr.len() == 2;
    let image = nodes.image_where(other, |image| there.iter().all(|&key| is_gone(image, key))).await;
    assert!(elsewhere.iter().all(|&key| leads(&image, key)), "what lies in the other directory stays");
    assert_eq!(nodes.node(other).node.image().brokers.get(broker).unwrap().log_dirs.len(), 1);
    let described = nodes.client(other).await.call(12, &MetadataRequest { topics: None, ..Default::default() }).await;
    let partitions = described.topics.iter().filter(|topic| topic.topic_id == keys[0].topic_id);
    for partition in partitions.flat_map(|topic| &topic.partitions) {
        let key = TopicIdPartition { partition: partition.partition_index, ..keys[0] };
        let is_offline = partition.offline_replicas.iter().any(|id| id == broker.0);
        assert_eq!(is_offline, nodes.lies_in(failing, key) == Some(directory.id), "{key:?}");
    }
    let next = nodes.leader(other, there[0]).unwrap();
    nodes.image_where(next, |image| is_gone(image, there[0])).await;
    assert_eq!(nodes.produce(next, there[0], "after the failure").await.0, ErrorCode::NONE);
    assert!(is_gone(&nodes.node(next).node.image(), there[0]), "who has no disk does not join again");
}

#[tokio::test]
async fn leaders_wait_no_longer_for_followers_whose_directory_has_failed() {
    let nodes = Nodes::start_with(TWO_DIRECTORIES).await;
    let keys = create(&nodes, "t").await;
    nodes.image_where(0, |image| (0..3).all(|index| nodes.is_noted(image, index, &keys))).await;
    let (failing, broker) = (1, BrokerId(2));
    let directory = &nodes.node(failing).node.directories.all()[1];
    let is_followed = |key: &TopicIdPartition| {
        nodes.leader(0, *key) != Some(failing) && nodes.lies_in(failing, *key) == Some(directory.id)
    };
    let followed: Vec<_> = keys.iter().copied().filter(is_followed).collect();
    assert!(!followed.is_empty());
    for &key in &followed {
        assert_eq!(nodes.produce(nodes.leader(0, key).unwrap(), key, "before").await.0, ErrorCode::NONE);
    }
    directory.condition.fail(&std::io::Error::other("the test says so"));
    for &key in &followed {
        let leader = nodes.leader(0, key).unwrap();
        let is_gone = |image: &Image| !image.topics.partition(key).unwrap().isr.contains(&broker);
        nodes.image_where(leader, is_gone).await;
        // Its patience is shorter than replica.lag.time.max.ms.
        assert_eq!(nodes.produce(leader, key, "after").await, (ErrorCode::NONE, 1));
        assert!(is_gone(&nodes.node(leader).node.image()), "who has no disk does not join again");
    }
}

#[tokio::test]
async fn replicas_of_a_directory_that_was_replaced_are_made_anew_and_their_new_place_is_told() {
    let mut nodes = Nodes::start_with(TWO_DIRECTORIES).await;
    let keys = create(&nodes, "t").await;
    let replaced = nodes.node(1).node.directories.all()[1].id;
    let lay_there: Vec<_> = keys.iter().copied().filter(|&key| nodes.lies_in(1, key) == Some(replaced)).collect();
    assert!(!lay_there.is_empty());
    nodes.running[1].take().unwrap().stop().await.unwrap();
    std::fs::remove_dir_all(nodes.directories[1].path().join("b")).unwrap();
    let level = LogLevel::detached("off").unwrap();
    let started = Running::start(nodes.boot(1), FormatPolicy::NewDirectories, level, Runtime::current()).await;
    nodes.running[1] = Some(started.unwrap());
    assert!(nodes.node(1).node.directories.get(replaced).is_none());
    nodes.image_where(0, |image| nodes.is_noted(image, 1, &keys)).await;
    nodes.in_sync("t", 3).await;
    nodes.stop().await;
}
