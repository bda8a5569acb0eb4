//! The controller's thread on a real directory, with its publication and this broker's registration.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barnabas_log::fs::{Disk, Fault, FaultyFs, Operation};
use barnabas_metadata::{
    BrokerEndpoint, ConfigResource, ConfigRules, Heartbeat, Image, InvalidConfig, Registration, ResourceType,
    served_features,
};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use barnabas_protocol::records::metadata::{MetadataRecord, NoOpRecord};
use barnabas_raft::{Config, Endpoint, ReplicaKey};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, ProducerId, Timestamp, Uuid};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::*;
use crate::raft::{self, METADATA_LOG, QuorumSettings};
use crate::runtime::Runtime;

struct AnyConfig;

impl ConfigRules for AnyConfig {
    fn validate(&self, _: &ConfigResource, _: &BTreeMap<Box<str>, Box<str>>) -> Result<(), InvalidConfig> {
        Ok(())
    }

    fn is_list(&self, _: ResourceType, _: &str) -> bool {
        false
    }

    fn inherited(&self, _: &ConfigResource, _: &str) -> Option<String> {
        None
    }
}

/// Remembers what was published, and in which order the subscribers were told.
struct Recorder {
    name: &'static str,
    seen: Arc<Mutex<Vec<(&'static str, usize)>>>,
    image: Arc<Mutex<Arc<Image>>>,
}

impl Subscriber for Recorder {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, ()> {
        async move {
            self.seen.lock().unwrap().push((self.name, change.delta.changed_topics.len()));
            *self.image.lock().unwrap() = Arc::clone(&change.new);
        }
        .boxed()
    }
}

/// One node's metadata on a directory that outlives it.
struct NodeContext {
    runtime: Runtime,
    controller: ControllerHandle,
    seen: Arc<Mutex<Vec<(&'static str, usize)>>>,
    image: Arc<Mutex<Arc<Image>>>,
}

const QUIET: ControllerSettings = ControllerSettings {
    default_partitions: 2,
    default_replication_factor: 1,
    broker_session_timeout: Duration::from_secs(9),
    leader_imbalance_check_interval: None,
    unclean_leader_election_interval: Duration::from_secs(300),
    max_idle_interval: None,
    max_bytes_between_snapshots: u64::MAX,
    max_snapshot_interval: None,
};

fn quorum(directory: &Path) -> QuorumSettings {
    let key = ReplicaKey { id: BrokerId(1), directory_id: Uuid::from_u128(7 << 100) };
    let endpoints = vec![Endpoint { name: "CONTROLLER".into(), host: "localhost".into(), port: 9093 }];
    QuorumSettings {
        metadata_log_dir: directory.to_path_buf(),
        replica: Config::new(key, "cluster", endpoints, 0),
        segment_bytes: 1 << 30,
        recordings_dir: directory.to_path_buf(),
    }
}

fn disk() -> Arc<Disk> {
    Arc::new(Disk::new(Arc::new(FaultyFs::default()), 16))
}

impl NodeContext {
    fn start(directory: &Path, settings: ControllerSettings) -> Self {
        Self::start_on(&disk(), directory, settings)
    }

    fn start_on(disk: &Arc<Disk>, directory: &Path, settings: ControllerSettings) -> Self {
        let (runtime, quorum) = (Runtime::current(), quorum(directory));
        if !raft::is_formatted(disk.fs(), directory).unwrap() {
            let (key, endpoints) = (quorum.replica.key, quorum.replica.endpoints.clone());
            raft::format(disk.fs(), directory, key, endpoints, Timestamp(1)).unwrap();
        }
        let applied = Applied::default();
        let (controller, published) =
            start(&runtime, disk, &quorum, settings, Box::new(AnyConfig), applied.clone()).unwrap();
        let (seen, image) = (Arc::default(), Arc::default());
        let recorder = |name| -> Arc<dyn Subscriber> {
            Arc::new(Recorder { name, seen: Arc::clone(&seen), image: Arc::clone(&image) })
        };
        let publisher = Publisher::new(published, vec![recorder("first"), recorder("second")], applied);
        runtime.spawn_control(async move {
            let mut publisher = publisher;
            publisher.publish().await;
            publisher.run().await;
        });
        Self { runtime, controller, seen, image }
    }

    fn deadline(&self) -> tokio::time::Instant {
        self.runtime.deadline(Duration::from_secs(60))
    }

    /// Registers broker 1 and lets it in. Returns its epoch.
    async fn register(&self) -> i64 {
        let registration = Registration {
            broker_id: BrokerId(1),
            incarnation_id: self.runtime.random_uuid(),
            previous_broker_epoch: -1,
            endpoints: vec![endpoint("PLAINTEXT", 9092)],
            features: served_features(),
            rack: None,
            log_dirs: vec![Uuid::from_u128(7 << 100)],
            beside_controller: true,
        };
        let registered = self
            .controller
            .try_decide(self.deadline(), |controller, context| controller.register_broker(context, registration));
        let epoch = registered.await.unwrap().unwrap().broker_epoch;
        assert!(self.image().brokers.get(BrokerId(1)).unwrap().fenced, "a new registration is fenced");
        self.heartbeat(epoch, false).await;
        assert!(!self.image().brokers.get(BrokerId(1)).unwrap().fenced);
        epoch
    }

    async fn heartbeat(&self, broker_epoch: i64, want_shut_down: bool) {
        let heartbeat = Heartbeat {
            broker_id: BrokerId(1),
            broker_epoch,
            applied_offset: Offset(self.controller.applied().end().0 - 1),
            want_fence: false,
            want_shut_down,
            offline_log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        };
        let decided = self
            .controller
            .try_decide(self.deadline(), move |controller, context| controller.heartbeat(context, &heartbeat));
        decided.await.unwrap().unwrap();
    }

    async fn create(&self, name: &'static str) -> Result<Result<Uuid, ErrorCode>, ControllerError> {
        let topic = CreatableTopic {
            name: Cow::Borrowed(name),
            num_partitions: -1,
            replication_factor: -1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let mut results = self
            .controller
            .decide(self.deadline(), move |controller, context| controller.create_topics(context, &request))
            .await?;
        Ok(results.remove(0).map(|created| created.topic_id).map_err(|error| error.code()))
    }

    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.lock().unwrap())
    }
}

fn endpoint(name: &str, port: u16) -> BrokerEndpoint {
    BrokerEndpoint { name: name.into(), host: "localhost".into(), port, security_protocol: 0 }
}

#[tokio::test]
async fn what_is_answered_is_already_applied_here_and_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let node = NodeContext::start(directory.path(), QUIET);
    let epoch = node.register().await;
    let id = node.create("a").await.unwrap().unwrap();
    assert_eq!(node.image().topics.get(id).unwrap().partitions.len(), 2, "the reply came before the topic");
    assert_eq!(node.create("a").await.unwrap(), Err(ErrorCode::TOPIC_ALREADY_EXISTS));
    // The first begins to stop, the second finds that nothing depends on it any more.
    node.heartbeat(epoch, true).await;
    node.heartbeat(epoch, true).await;
    assert!(node.image().brokers.get(BrokerId(1)).unwrap().fenced);
    node.controller.stop().await;
    assert!(matches!(node.create("b").await, Err(ControllerError::Stopped)));

    let again = NodeContext::start(directory.path(), QUIET);
    again.register().await;
    let partition = Arc::clone(&again.image().topics.get(id).unwrap().partitions[&0]);
    assert_eq!((partition.leader, partition.leader_epoch), (BrokerId(1), LeaderEpoch(2)));
}

#[tokio::test]
async fn a_killed_node_keeps_every_answered_topic() {
    let directory = tempfile::tempdir().unwrap();
    let node = NodeContext::start(directory.path(), QUIET);
    node.register().await;
    let id = node.create("a").await.unwrap().unwrap();
    // It goes on living, silent, which to the directory is a process that was killed.
    let again = NodeContext::start(directory.path(), QUIET);
    again.register().await;
    assert_eq!(again.image().topics.named("a").map(|topic| topic.id), Some(id));
}

#[tokio::test]
async fn subscribers_are_told_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let node = NodeContext::start(directory.path(), QUIET);
    node.register().await;
    node.create("a").await.unwrap().unwrap();
    let seen = node.seen.lock().unwrap().clone();
    let names: Vec<_> = seen.iter().map(|(name, _)| *name).collect();
    assert!(names.len() >= 4 && names.chunks(2).all(|pair| pair == ["first", "second"]), "{seen:?}");
    assert_eq!(seen.iter().map(|(_, topics)| topics).sum::<usize>(), 2, "each is told of the topic once: {seen:?}");
}

#[tokio::test]
async fn producer_ids_are_never_given_twice_not_even_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let mut given = Vec::new();
    let mut killed = Vec::new();
    for _ in 0..3 {
        let node = NodeContext::start(directory.path(), QUIET);
        let epoch = node.register().await;
        for _ in 0..2 {
            let allocated = node
                .controller
                .try_decide(node.deadline(), move |controller, _| controller.allocate_producer_ids(BrokerId(1), epoch));
            given.push(allocated.await.unwrap().unwrap().first);
        }
        // It goes on living, silent, which to the directory is a process that was killed.
        killed.push(node);
    }
    assert_eq!(given, [0, 1000, 2000, 3000, 4000, 5000].map(ProducerId));
}

#[tokio::test]
async fn an_idle_quorum_moves_and_its_log_is_replaced_by_snapshots() {
    let directory = tempfile::tempdir().unwrap();
    let busy = ControllerSettings {
        max_idle_interval: Some(Duration::from_millis(2)),
        max_bytes_between_snapshots: 2000,
        ..QUIET
    };
    let node = NodeContext::start(directory.path(), busy);
    node.register().await;
    let id = node.create("a").await.unwrap().unwrap();
    // Each NoOp takes about 80 bytes, so that this is several snapshots away.
    node.controller.applied().reached(Offset(200)).await.unwrap();
    node.controller.stop().await;
    let log = directory.path().join(METADATA_LOG);
    let names = || std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let bytes: u64 = std::fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "log"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(names().any(|name| name.ends_with(".checkpoint") && !name.starts_with("00000000000000000000")));
    assert!(bytes < 12_000, "{bytes} bytes of log are left: {:?}", names().collect::<Vec<_>>());
    let again = NodeContext::start(directory.path(), QUIET);
    again.register().await;
    assert_eq!(again.image().topics.named("a").map(|topic| topic.id), Some(id));
}

#[tokio::test]
async fn a_failed_disk_stops_the_controller_and_no_change_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let disk = Arc::new(Disk::new(Arc::new(fs.clone()), 16));
    let node = NodeContext::start_on(&disk, directory.path(), QUIET);
    node.register().await;
    fs.inject(Fault::always(Operation::Sync, METADATA_LOG, 5));
    assert!(matches!(node.create("a").await, Err(ControllerError::Stopped)));
    node.controller.stopped().await;
    assert!(node.image().topics.named("a").is_none());
}

#[tokio::test]
async fn a_change_that_is_not_applied_in_time_says_so() {
    let directory = tempfile::tempdir().unwrap();
    NodeContext::start(directory.path(), QUIET).controller.stop().await;
    let (runtime, quorum) = (Runtime::current(), quorum(directory.path()));
    // Nobody publishes what this one commits.
    let (controller, _published) =
        start(&runtime, &disk(), &quorum, QUIET, Box::new(AnyConfig), Applied::default()).unwrap();
    let deadline = runtime.deadline(Duration::from_millis(20));
    let decided = controller.decide(deadline, |_, _| barnabas_metadata::Outcome { records: Vec::new(), response: () });
    assert!(matches!(decided.await, Err(ControllerError::TimedOut)));
}

#[tokio::test]
async fn without_room_on_its_disk_the_controller_refuses_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let disk = Arc::new(Disk::new(Arc::new(fs.clone()), 16));
    let node = NodeContext::start_on(&disk, directory.path(), QUIET);
    node.register().await;
    fs.inject(Fault::always(Operation::SetLength, METADATA_LOG, 28));
    let mut made = Vec::new();
    let refused = loop {
        // What room it had taken ahead is used up first.
        let name: &'static str = Box::leak(format!("topic-{}", made.len()).into_boxed_str());
        match node.create(name).await {
            Ok(created) => made.push(created.unwrap()),
            Err(error) => break error,
        }
        assert!(made.len() < 10_000);
    };
    assert!(matches!(refused, ControllerError::NoRoom(_)), "{refused}");
    assert_eq!(refused.code(), ErrorCode::KAFKA_STORAGE_ERROR);
    fs.heal();
    made.push(node.create("with-room").await.unwrap().unwrap());
    node.controller.stop().await;
    let again = NodeContext::start_on(&disk, directory.path(), QUIET);
    again.register().await;
    let image = again.image();
    assert!(made.iter().all(|id| image.topics.get(*id).is_some()));
    assert_eq!(image.topics.by_name().count(), made.len(), "nothing of what was refused is there");
}

/// A record that changes nothing.
fn no_op() -> MetadataRecord<'static> {
    NoOpRecord::default().into()
}

impl NodeContext {
    /// Has the controller write that many records that change nothing.
    async fn write(&self, count: usize) -> Result<(), ControllerError> {
        let decided = self.controller.decide(self.deadline(), move |_, _| barnabas_metadata::Outcome {
            records: vec![no_op(); count],
            response: (),
        });
        decided.await
    }
}

#[tokio::test]
async fn a_broker_that_falls_silent_while_there_is_no_room_is_fenced_once_there_is() {
    const SESSION: Duration = Duration::from_millis(200);
    let directory = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let disk = Arc::new(Disk::new(Arc::new(fs.clone()), 16));
    let settings = ControllerSettings { broker_session_timeout: SESSION, ..QUIET };
    let node = NodeContext::start_on(&disk, directory.path(), settings);
    let epoch = node.register().await;
    fs.inject(Fault::always(Operation::SetLength, METADATA_LOG, 28));
    while node.write(1).await.is_ok() {
        node.controller.heard(node.image().brokers.get(BrokerId(1)).unwrap(), node.runtime.now().monotonic);
    }
    let is_fenced = || node.image().brokers.get(BrokerId(1)).is_some_and(|broker| broker.fenced);
    let silent = node.runtime.now().monotonic;
    while node.runtime.now().monotonic < silent + 3 * SESSION {
        assert!(matches!(node.write(1).await, Err(ControllerError::NoRoom(_))));
    }
    assert!(!is_fenced(), "there was no room to write it");
    let mut applied = node.controller.applied().watch();
    fs.heal();
    while !is_fenced() {
        tokio::time::timeout(Duration::from_secs(60), applied.changed()).await.expect("it is fenced").unwrap();
    }
    assert_eq!(node.image().brokers.get(BrokerId(1)).unwrap().epoch, epoch);
}

#[tokio::test]
async fn a_decision_of_which_only_a_part_finds_room_is_refused_and_the_controller_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let disk = Arc::new(Disk::new(Arc::new(fs.clone()), 16));
    let node = NodeContext::start_on(&disk, directory.path(), QUIET);
    node.register().await;
    let end = node.controller.applied().end();
    // Each batch is larger than what is taken ahead.
    fs.inject(Fault { after: 1, ..Fault::always(Operation::SetLength, METADATA_LOG, 28) });
    let refused = node.write(25_000).await.unwrap_err();
    assert!(matches!(refused, ControllerError::NoRoom(_)), "{refused}");
    fs.heal();
    let id = node.create("a").await.unwrap().unwrap();
    let written = node.controller.applied().end().0 - end.0;
    assert!((10_000..10_010).contains(&written), "{written} records: the first batch, and the topic");
    node.controller.stop().await;
    let again = NodeContext::start_on(&disk, directory.path(), QUIET);
    again.register().await;
    assert!(again.image().topics.get(id).is_some());
}
