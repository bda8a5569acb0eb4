//! Three whole nodes in one process, as three processes would be: each with its directory and its ports. What is killed is killed
//! elsewhere, in processes; here is what nodes say to each other and to clients.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::CreatableTopic;
use barnabas_protocol::messages::{CreateTopicsRequest, DescribeClusterRequest, InitProducerIdRequest};

use crate::config::Boot;
use crate::logging::LogLevel;
use crate::node::{FormatPolicy, Running};
use crate::runtime::Runtime;
use crate::testing::{Client, booted};

/// A port that was free a moment ago: voters have to be told of each other before they are there.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Nodes {
    directories: Vec<tempfile::TempDir>,
    ports: Vec<u16>,
    running: Vec<Option<Running>>,
}

impl Nodes {
    async fn start() -> Self {
        let directories = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let ports = (0..3).map(|_| free_port()).collect();
        let mut nodes = Self { directories, ports, running: Vec::new() };
        let starts = (0..3).map(|index| nodes.start_one(index));
        nodes.running = futures::future::join_all(starts).await.into_iter().map(Some).collect();
        nodes
    }

    fn boot(&self, index: usize) -> Boot {
        let voters: Vec<String> =
            self.ports.iter().enumerate().map(|(index, port)| format!("{}@127.0.0.1:{port}", index + 1)).collect();
        let id = index + 1;
        let port = self.ports[index];
        let text = format!(
            "process.roles=broker,controller\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters={}\nnode.id={id}\n\
             listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{port}\nadvertised.listeners=PLAINTEXT://127.0.0.1:0\n",
            voters.join(",")
        );
        let mut boot = booted(self.directories[index].path(), &text);
        boot.cluster_id = Some("4L6g3nShT-eMCtK--X86sw".into());
        boot
    }

    async fn start_one(&self, index: usize) -> Running {
        let level = LogLevel::detached("off").unwrap();
        let started = Running::start(self.boot(index), FormatPolicy::IfEmpty, level, Runtime::current());
        started.await.unwrap()
    }

    fn node(&self, index: usize) -> &Running {
        self.running[index].as_ref().unwrap()
    }

    async fn client(&self, index: usize) -> Client {
        let (_, address) = self.node(index).advertised()[0].split_once("://").unwrap();
        Client::to(address).await
    }

    /// The index of the active controller.
    fn active(&self) -> usize {
        let running = self.running.iter().enumerate().filter_map(|(index, node)| Some((index, node.as_ref()?)));
        let mut active = running.filter(|(_, node)| node.node.is_active_controller()).map(|(index, _)| index);
        active.next().expect("an active controller")
    }

    async fn stop(self) {
        for node in self.running.into_iter().flatten() {
            node.stop().await.unwrap();
        }
    }
}

async fn create(client: &mut Client, name: &'static str, replication_factor: i16) -> ErrorCode {
    let topic = CreatableTopic { name: name.into(), num_partitions: 3, replication_factor, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    client.call(7, &request).await.topics[0].error_code
}

#[tokio::test]
async fn every_node_makes_topics_and_gives_producer_ids_whichever_controller_is_active() {
    let nodes = Nodes::start().await;
    let mut given = std::collections::BTreeSet::new();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut client = nodes.client(index).await;
        assert_eq!(create(&mut client, name, 1).await, ErrorCode::NONE);
        let again = nodes.client((index + 1) % 3).await;
        assert_eq!(create(&mut { again }, name, 1).await, ErrorCode::TOPIC_ALREADY_EXISTS);
        let request = InitProducerIdRequest {
            transaction_timeout_ms: 1000,
            transactional_id: None,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let response = client.call(4, &request).await;
        assert!(given.insert(response.producer_id), "{response:?}");
        let cluster = client.call(2, &DescribeClusterRequest { endpoint_type: 1, ..Default::default() }).await;
        assert_eq!(cluster.brokers.len(), 3);
    }
    let refused = create(&mut nodes.client(0).await, "copied", 3).await;
    assert_eq!(refused, ErrorCode::INVALID_REPLICATION_FACTOR, "what is not replicated is not promised");
    nodes.stop().await;
}

#[tokio::test]
async fn topics_are_the_same_on_all_nodes_and_outlive_the_active_controller() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "before", 1).await, ErrorCode::NONE);
    let first = nodes.active();
    nodes.running[first].take().unwrap().stop().await.unwrap();
    let other = (first + 1) % 3;
    // The broker waits for the next controller by itself.
    assert_eq!(create(&mut nodes.client(other).await, "after", 1).await, ErrorCode::NONE);
    assert_ne!(nodes.active(), first);
    let back = nodes.start_one(first).await;
    nodes.running[first] = Some(back);
    assert_eq!(create(&mut nodes.client(first).await, "third", 1).await, ErrorCode::NONE);
    let end = nodes.node(nodes.active()).node.controller.applied().end();
    let mut topics = Vec::new();
    for index in 0..3 {
        let node = &nodes.node(index).node;
        node.controller.applied().reached(end).await.unwrap();
        for name in ["before", "after", "third"] {
            assert!(node.image().topics.named(name).is_some(), "{name} on node {}", index + 1);
        }
        let image = node.image();
        topics.push(image.topics.by_name().map(|topic| (topic.name.clone(), topic.id)).collect::<Vec<_>>());
    }
    assert!(topics.windows(2).all(|pair| pair[0] == pair[1]));
    nodes.stop().await;
}
