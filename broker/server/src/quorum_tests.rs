//! Three whole nodes in one process, as three processes would be: each with its directory and its ports. What is killed is killed
//! elsewhere, in processes; here is what nodes say to each other and to clients.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::RealFs;
use barnabas_log::identity::MetaProperties;
use barnabas_metadata::Image;
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::CreatableTopic;
use barnabas_protocol::messages::{CreateTopicsRequest, DescribeClusterRequest, InitProducerIdRequest};

use barnabas_types::BrokerId;

use crate::config::Boot;
use crate::format::{FirstVoters, FormatRequest, NodeToFormat, format};
use crate::logging::LogLevel;
use crate::node::{FormatPolicy, Running};
use crate::runtime::Runtime;
use crate::testing::{Client, booted, booted_without_id};

/// A port that was free a moment ago: voters have to be told of each other before they are there.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// So long a node may take to hear of something, on a machine with much else to do.
const SOON: Duration = Duration::from_secs(30);
/// For so long it is seen that a broker waits; its predecessor is heard of every two seconds.
const ALIVE: Duration = Duration::from_secs(3);
const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

async fn try_start(boot: Boot) -> anyhow::Result<Running> {
    start_on(Runtime::current(), boot).await
}

async fn start_on(runtime: Runtime, boot: Boot) -> anyhow::Result<Running> {
    let level = LogLevel::detached("off").unwrap();
    Running::start(boot, FormatPolicy::IfEmpty, level, runtime).await
}

pub(crate) struct Nodes {
    pub(crate) directories: Vec<tempfile::TempDir>,
    pub(crate) ports: Vec<u16>,
    /// Further lines in the properties of each.
    pub(crate) properties: String,
    pub(crate) running: Vec<Option<Running>>,
}

impl Nodes {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    pub(crate) async fn start_with(properties: &str) -> Self {
        let directories = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let ports = (0..3).map(|_| free_port()).collect();
        let mut nodes = Self { directories, ports, properties: properties.to_owned(), running: Vec::new() };
        let starts = (0..3).map(|index| nodes.start_one(index));
        nodes.running = futures::future::join_all(starts).await.into_iter().map(Some).collect();
        nodes
    }

    /// A controller beside these nodes, which knows where they are, on `directory`, formatted for `cluster_id`.
    fn formatted(&self, directory: &Path, cluster_id: &str, first_voters: FirstVoters) -> Boot {
        let servers: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let text = format!(
            "process.roles=controller\ncontroller.listener.names=CONTROLLER\nnode.id=9\n\
             controller.quorum.bootstrap.servers={}\nlisteners=CONTROLLER://127.0.0.1:{}\nadvertised.listeners=\n",
            servers.join(","),
            free_port()
        );
        let boot = booted(directory, &text);
        let request = FormatRequest {
            cluster_id: cluster_id.into(),
            first_voters,
            release_version: None,
            features: Vec::new(),
            scram: Vec::new(),
            ignore_formatted: false,
        };
        format(&RealFs, &NodeToFormat::of(&boot.config), &request, &mut |_| {}).unwrap();
        boot
    }

    pub(crate) fn boot(&self, index: usize) -> Boot {
        let voters: Vec<String> =
            self.ports.iter().enumerate().map(|(index, port)| format!("{}@127.0.0.1:{port}", index + 1)).collect();
        let id = index + 1;
        let port = self.ports[index];
        let text = format!(
            "process.roles=broker,controller\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters={}\nnode.id={id}\n\
             listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{port}\nadvertised.listeners=PLAINTEXT://127.0.0.1:0\n{}",
            voters.join(","),
            self.properties
        );
        let mut boot = booted(self.directories[index].path(), &text);
        boot.cluster_id = Some(CLUSTER.into());
        boot
    }

    pub(crate) async fn start_one(&self, index: usize) -> Running {
        try_start(self.boot(index)).await.unwrap()
    }

    /// As [`Self::start_one`], on threads of its own: shut down, they leave of the node what a kill leaves.
    pub(crate) fn start_to_die(
        &self,
        index: usize,
    ) -> (tokio::runtime::Runtime, impl Future<Output = Running> + use<>) {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let runtime = Runtime::new(threads.handle().clone(), threads.handle().clone(), []);
        let started = threads.spawn(start_on(runtime, self.boot(index)));
        (threads, async move { started.await.unwrap().unwrap() })
    }

    /// A broker on `directory` that is told of one controller, and not of any id.
    fn boot_without_id(&self, directory: &Path, controller: usize) -> Boot {
        let text = format!(
            "process.roles=broker\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:{}\n",
            self.ports[controller]
        );
        let mut boot = booted_without_id(directory, &text);
        boot.cluster_id = Some(CLUSTER.into());
        boot
    }

    async fn start_without_id(&self, directory: &Path, controller: usize) -> Running {
        try_start(self.boot_without_id(directory, controller)).await.unwrap()
    }

    pub(crate) fn node(&self, index: usize) -> &Running {
        self.running[index].as_ref().unwrap()
    }

    /// Returns once the node has applied that there are so many brokers, all of them let in.
    pub(crate) async fn await_brokers(&self, index: usize, count: usize) {
        let has_all = |image: &Image| image.brokers.iter().filter(|broker| !broker.fenced).count() >= count;
        self.image_where(index, has_all).await;
    }

    /// The image of the node at `index`, once it is as `expected`.
    pub(crate) async fn image_where(&self, index: usize, expected: impl Fn(&Image) -> bool) -> Arc<Image> {
        let node = &self.node(index).node;
        let mut applied = node.controller.applied().watch();
        let found = async {
            while !expected(&node.image()) {
                applied.changed().await.unwrap();
            }
        };
        tokio::time::timeout(SOON, found).await.expect("in time");
        node.image()
    }

    pub(crate) async fn client(&self, index: usize) -> Client {
        let (_, address) = self.node(index).advertised()[0].split_once("://").unwrap();
        Client::to(address).await
    }

    /// The index of the active controller.
    pub(crate) fn active(&self) -> usize {
        let running = self.running.iter().enumerate().filter_map(|(index, node)| Some((index, node.as_ref()?)));
        let mut active = running.filter(|(_, node)| node.node.is_active_controller()).map(|(index, _)| index);
        active.next().expect("an active controller")
    }

    pub(crate) async fn stop(self) {
        for node in self.running.into_iter().flatten() {
            node.stop().await.unwrap();
        }
    }
}

pub(crate) async fn create(client: &mut Client, name: &'static str, replication_factor: i16) -> ErrorCode {
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
    let mut client = nodes.client(0).await;
    assert_eq!(create(&mut client, "copied", 3).await, ErrorCode::NONE);
    for factor in [0, 4] {
        let refused = create(&mut client, "too-often", factor).await;
        assert_eq!(refused, ErrorCode::INVALID_REPLICATION_FACTOR, "{factor} of three brokers");
    }
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

fn kept(directory: &Path) -> MetaProperties {
    MetaProperties::read(&RealFs, directory).unwrap().unwrap()
}

#[tokio::test]
async fn brokers_without_an_id_are_given_different_ones_and_keep_them() {
    let nodes = Nodes::start().await;
    let (active, directories) = (nodes.active(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let [first, second] = directories.each_ref().map(|directory| directory.path());
    // The one is told of the active controller, the other of one that only knows who is.
    let (one, other) =
        tokio::join!(nodes.start_without_id(first, active), nodes.start_without_id(second, (active + 1) % 3));
    let ids = [&one, &other].map(|running| running.node.broker_id);
    assert!(ids == [BrokerId(1001), BrokerId(1002)] || ids == [BrokerId(1002), BrokerId(1001)], "{ids:?}");
    for (directory, id) in [first, second].into_iter().zip(ids) {
        assert_eq!((kept(directory).node_id, &*kept(directory).cluster_id), (Some(id), CLUSTER));
    }
    for running in [&one, &other] {
        let config = (running.node.config.node_id, running.node.settings.explicit("broker.id").map(str::to_owned));
        assert_eq!(config, (Some(running.node.broker_id), Some(running.node.broker_id.to_string())));
    }
    nodes.await_brokers(0, 5).await;
    let request = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
    assert_eq!(nodes.client(0).await.call(2, &request).await.brokers.len(), 5);
    one.stop().await.unwrap();
    let one = nodes.start_without_id(first, active).await;
    assert_eq!(one.node.broker_id, ids[0]);
    one.stop().await.unwrap();
    // As a process leaves it that ends before it has written down what it was given.
    MetaProperties { node_id: None, ..kept(first) }.write(&RealFs, first).unwrap();
    let one = nodes.start_without_id(first, active).await;
    assert_eq!((one.node.broker_id, kept(first).node_id), (ids[0], Some(ids[0])), "its directory is known");
    for running in [one, other] {
        running.stop().await.unwrap();
    }
    nodes.stop().await;
}

#[tokio::test]
async fn a_broker_without_an_id_is_given_none_that_is_alive_nor_by_another_cluster() {
    let nodes = Nodes::start().await;
    let (active, directory) = (nodes.active(), tempfile::tempdir().unwrap());
    let mut foreign = nodes.boot_without_id(directory.path(), active);
    foreign.cluster_id = Some("another".into());
    let error = try_start(foreign).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("it is of another cluster"), "{error}");
    assert_eq!(kept(directory.path()).node_id, None);
    // A copy of the directory of a broker that is alive: whoever takes it is not given that one's id.
    let copy = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let running = nodes.start_without_id(other.path(), active).await;
    MetaProperties { node_id: None, ..kept(other.path()) }.write(&RealFs, copy.path()).unwrap();
    let second = tokio::time::timeout(ALIVE, try_start(nodes.boot_without_id(copy.path(), active)));
    assert!(second.await.is_err(), "it waits for the first to be gone, which it is not");
    assert_eq!(kept(copy.path()).node_id, None);
    running.stop().await.unwrap();
    nodes.stop().await;
}

/// Why a node does not start.
async fn refusal(boot: Boot) -> String {
    try_start(boot).await.err().expect("the node must not start").to_string()
}

#[tokio::test]
async fn a_node_that_was_formatted_as_a_quorum_of_its_own_does_not_begin_one_where_there_is_one() {
    let nodes = Nodes::start().await;
    let (alone, stranger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let said = refusal(nodes.formatted(alone.path(), CLUSTER, FirstVoters::Standalone)).await;
    for part in ["has a quorum already", "127.0.0.1:", "--no-initial-controllers", "add-controller"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = refusal(nodes.formatted(stranger.path(), "AAAAAAAAAAAAAAAAAAAAAQ", FirstVoters::Standalone)).await;
    assert!(said.contains("belongs to another cluster") && said.contains("AAAAAAAAAAAAAAAAAAAAAQ"), "{said}");
    nodes.stop().await;
}

#[tokio::test]
async fn a_voter_that_comes_back_on_an_empty_disk_copies_everything_before_it_votes() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "before", 1).await, ErrorCode::NONE);
    let leader = nodes.active();
    let (lost, other) = ((leader + 1) % 3, (leader + 2) % 3);
    nodes.running[lost].take().unwrap().stop().await.unwrap();
    nodes.directories[lost] = tempfile::tempdir().unwrap();
    let back = nodes.start_one(lost).await;
    nodes.running[lost] = Some(back);
    assert_eq!(create(&mut nodes.client(lost).await, "between", 1).await, ErrorCode::NONE);
    // From here on nothing goes without its vote.
    nodes.running[leader].take().unwrap().stop().await.unwrap();
    assert_eq!(create(&mut nodes.client(other).await, "after", 1).await, ErrorCode::NONE);
    // Whose client was answered need not be the active controller, and hears of it a moment later.
    let has_all = |image: &Image| ["before", "between", "after"].iter().all(|name| image.topics.named(name).is_some());
    nodes.image_where(other, has_all).await;
    nodes.stop().await;
}

#[tokio::test]
async fn a_controller_is_ready_once_it_has_what_was_committed_when_it_was_started_and_no_sooner() {
    let nodes = Nodes::start().await;
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        assert_eq!(create(&mut nodes.client(0).await, name, 3).await, ErrorCode::NONE);
    }
    let directory = tempfile::tempdir().unwrap();
    let controller = try_start(nodes.formatted(directory.path(), CLUSTER, FirstVoters::Elsewhere)).await.unwrap();
    let mut applied = controller.node.controller.applied().watch();
    loop {
        // Asked in this order: in between it may have caught up.
        let ready = controller.ready();
        let image = controller.node.image();
        let registered = image.controllers.get(controller.node.broker_id);
        match ready {
            Ok(()) => {
                let own = registered.expect("its registration was committed after all that there was before");
                assert_eq!(own.incarnation_id, controller.node.incarnation_id);
                break assert!(image.topics.named("h").is_some());
            }
            Err(reason) => assert!(reason.starts_with("catching up: this controller lacks"), "{reason}"),
        }
        if registered.is_none() {
            tokio::time::timeout(Duration::from_secs(30), applied.changed()).await.expect("in time").unwrap();
        }
    }
    controller.stop().await.unwrap();
    nodes.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_by_itself_waits_for_the_others_of_its_quorum_however_long_it_takes() {
    const FIVE_MINUTES: Duration = Duration::from_secs(300);
    let directory = tempfile::tempdir().unwrap();
    let (own, other) = (free_port(), free_port());
    let text = format!(
        "process.roles=controller\ncontroller.listener.names=CONTROLLER\nnode.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{own},2@127.0.0.1:{other}\nlisteners=CONTROLLER://127.0.0.1:{own}\n\
         advertised.listeners=\n"
    );
    let boot = Boot { cluster_id: Some(CLUSTER.into()), ..booted(directory.path(), &text) };
    let started = tokio::time::timeout(FIVE_MINUTES, try_start(boot)).await;
    assert!(started.is_err(), "the other one may need its vote: {:?}", started.map(|started| started.map(drop)));
}
