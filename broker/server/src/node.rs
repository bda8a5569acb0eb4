//! One node: what handlers reach for, put together in start order and taken apart in stop order on this page. Decides nothing.

mod assignments;
mod auto_create;
mod broker;
mod disks;
mod formatting;
mod given_id;
mod health;
mod internal_topics;
mod quorum;
pub(crate) mod registration;
mod rules;
mod staying;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use barnabas_coordinator::group::GroupConfig;
use barnabas_log::fs::Disk;
use barnabas_metadata::Image;
use barnabas_net::Listening;
use barnabas_records::{Codec, Compression};
use barnabas_types::{BrokerId, Uuid};
use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::active_controller::ControllerConnections;
use crate::admin::{Admin, Health as _, RegisteredBroker};
use crate::api::FetchSessions;
use crate::config::{Boot, BrokerConfig, GroupsConfig, Settings, TopicToCreate};
use crate::connection::{self, ConnectionLimits, Listener, ListenerKind, OpenConnections, Placement};
use crate::coordinator::{CoordinatorConfig, GroupCoordinators};
use crate::logging::LogLevel;
use crate::memory::MemoryBudget;
use crate::metadata::{
    Applied, ControllerHandle, Detection, ProducerIds, Published, Publisher, RegistrationFailed, detect,
    register_controller, watch_leader,
};
use crate::metrics::{
    DirectoryCollector, MetadataCollector, Metrics, OpeningCollector, PartitionCollector, ReplicationCollector,
};
use crate::raft::QuorumSettings;
use crate::recordings::{AskedRecordings, LeftRecordings, RecordingFiles};
use crate::replica::{Replicas, Surroundings};
use crate::runtime::Runtime;
use crate::storage::{LogDirectories, LogDirectory, OpeningProgress, checkpoints};
use broker::BrokerPart;
pub(crate) use formatting::{MIGRATE, is_partition_name};
use health::NodeHealth;

/// What requests between nodes may hold together, at most.
const MAX_CONTROL_MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// And at least: what a broker tells the controller of all its partitions fits, however little clients may have.
const MIN_CONTROL_MEMORY_BYTES: usize = 8 * 1024 * 1024;
/// Partitions that `/metrics` shows at most.
const MAX_SHOWN_PARTITIONS: usize = 20_000;

/// Whether an empty data directory may be formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatPolicy {
    /// A directory that holds nothing becomes a new cluster's.
    IfEmpty,
    /// As `IfEmpty`, and a directory that holds nothing beside others of a cluster is a disk that is added.
    NewDirectories,
    /// An empty directory means that data is missing: refuse to start.
    Never,
}

/// Everything a handler may use. Shared by all connections.
pub struct Node {
    /// Clocks, randomness, tasks.
    pub runtime: Runtime,
    /// `node.id`.
    pub broker_id: BrokerId,
    /// This start of the process.
    pub incarnation_id: Uuid,
    /// The cluster's id.
    pub cluster_id: Arc<str>,
    /// What the node was started with.
    pub config: Arc<BrokerConfig>,
    /// Every static setting, for what topics inherit and for DescribeConfigs.
    pub settings: Arc<Settings>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Memory for requests in flight.
    pub request_memory: MemoryBudget,
    /// The same for what nodes ask the controller: clients must not keep it from being heard.
    pub control_memory: MemoryBudget,
    /// The same for what followers fetch: acks=all would wait for followers that wait for clients.
    pub follower_memory: MemoryBudget,
    /// Open connections, counted.
    pub open_connections: Arc<OpenConnections>,
    /// Which thread serves which connection.
    pub placement: Arc<Placement>,
    /// The log directories.
    pub directories: Arc<LogDirectories>,
    /// The partitions hosted here.
    pub replicas: Arc<Replicas>,
    /// How far opening them has come.
    pub opening: Arc<OpeningProgress>,
    /// What fetching clients want.
    pub fetch_sessions: FetchSessions,
    /// Decides about metadata.
    pub controller: ControllerHandle,
    /// Finds brokers that are dead, while this node's controller is the active one.
    pub detection: Detection,
    /// Connections to the active controller, where that is another node.
    pub controller_connections: ControllerConnections,
    /// Ids for idempotent producers.
    pub producer_ids: ProducerIds,
    /// Consumer groups.
    pub groups: Arc<GroupCoordinators>,
    published: Arc<ArcSwap<Image>>,
}

impl Node {
    /// The metadata that this node has applied. A handler takes it once.
    #[must_use]
    pub fn image(&self) -> Arc<Image> {
        self.published.load_full()
    }
}

/// In the clean-shutdown file of a node that has no broker.
const NO_BROKER_EPOCH: i64 = -1;

/// What is the matter with the directory of the metadata log.
#[derive(Debug, thiserror::Error)]
#[error("the metadata quorum has stopped by itself, as it does after a failed write or sync (see the error above)")]
struct QuorumStopped;

/// A node that runs.
pub struct Running {
    /// What it serves.
    pub node: Arc<Node>,
    health: Arc<NodeHealth>,
    /// None on a node that is only a controller.
    broker: Option<BrokerPart>,
    quorum: Serving,
    publishing: JoinHandle<()>,
    admin: Option<JoinHandle<()>>,
}

/// What serves, and how it is told to stop.
struct Serving {
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Serving {
    fn begin(tasks: impl FnOnce(&watch::Receiver<bool>) -> Vec<JoinHandle<()>>) -> Self {
        let (stopping, stop) = watch::channel(false);
        Self { tasks: tasks(&stop), stopping }
    }

    async fn end(self) {
        self.stopping.send_replace(true);
        for task in self.tasks {
            let _ended = task.await;
        }
    }
}

impl Running {
    /// Starts a node: sockets first, so that a port in use is an error before anything is touched; then disks, metadata,
    /// partitions, groups; clients last.
    ///
    /// # Errors
    /// What could not be bound, read or recovered, and what to do about it.
    pub async fn start(
        mut boot: Boot,
        format: FormatPolicy,
        log_level: LogLevel,
        runtime: Runtime,
    ) -> anyhow::Result<Self> {
        let sockets = bind(&boot.config, &runtime).await?;
        let metrics = Arc::new(Metrics::new()?);
        let (health, registered) = (Arc::new(NodeHealth::default()), RegisteredBroker::default());
        let told = (&health, &registered);
        let (admin, recordings) = serve_admin(&boot.config, &metrics, told, log_level, &runtime).await?;
        let incarnation_id = runtime.random_uuid();
        let node_id = given_id::settle(&mut boot, format, &sockets, incarnation_id, &runtime).await?;
        let (config, settings) = (Arc::new(boot.config), Arc::new(boot.settings));

        let cluster_id = boot.cluster_id.as_deref();
        let wanted = disks::Wanted { config: &config, policy: format, cluster_id, runtime: &runtime };
        let mut disks = disks::open_when_free(wanted, node_id).await?;
        disks.ask_others().await?;
        let directories = Arc::new(disks.directories);
        health.watch_directories(Arc::clone(&directories));
        flush(&directories, &runtime);
        let (published, applied) = (Arc::<ArcSwap<Image>>::default(), Applied::default());
        let rules = rules::LiveRules::new(node_id, Arc::clone(&settings), Arc::clone(&published));
        let disk = (directories.disk(), &disks.quorum);
        let (controller, committed) = start_controller(&runtime, disk, &config, rules, applied.clone())?;
        health.metadata_read();
        let (replicas, groups) = recorded(node_id, &config, &directories, &runtime);

        let node = Arc::new(Node {
            broker_id: node_id,
            incarnation_id,
            cluster_id: directories.cluster_id().into(),
            request_memory: MemoryBudget::new(request_memory_bytes(&config)),
            control_memory: MemoryBudget::new(control_memory_bytes(&config)),
            follower_memory: MemoryBudget::new(control_memory_bytes(&config)),
            detection: Detection::new(runtime.clone(), config.failure_detection),
            open_connections: Arc::default(),
            placement: Arc::default(),
            replicas,
            opening: Arc::default(),
            fetch_sessions: FetchSessions::new(config.network.max_incremental_fetch_session_cache_slots),
            controller_connections: ControllerConnections::default(),
            producer_ids: ProducerIds::default(),
            groups,
            runtime,
            config,
            settings,
            metrics,
            directories,
            controller,
            published,
        });
        recordings.ask(&node);
        let (quorum, sockets) = serve_quorum(&node, sockets, committed.clone());
        register_collectors(&node, MetadataCollector::new(committed.clone(), applied.clone())?)?;
        let mut publisher = Publisher::new(committed, assignments::subscribers(&node), applied);
        publisher.publish().await;
        let publishing = node.runtime.spawn_control(publisher.run());

        register_own_controller(&node, &health).await?;
        let broker = start_broker(&node, sockets, &registered, &health).await?;
        health.serving();
        let running = Self { node, health, broker, quorum, publishing, admin };
        if running.broker.is_some() {
            running.create_topics(boot.create_topics).await;
        }
        Ok(running)
    }

    /// What the admin port answers for.
    #[cfg(test)]
    pub(crate) fn registered(&self) -> RegisteredBroker {
        let registered = RegisteredBroker::default();
        _ = self.broker.as_ref().map(|broker| registered.set(broker.life().clone()));
        registered
    }

    /// Returns once the broker of this node may stop: nobody needs it any more, or `barnabas.shutdown.grace.ms` is over.
    pub async fn stay_while_needed(&self) {
        if let Some(broker) = &self.broker {
            broker.stay_while_needed(&self.node).await;
        }
    }

    /// Stops: leadership goes to others while clients are still served, then connections end, what fetches and keeps up, the controller, and
    /// the logs. What was acknowledged is on disk, and the next start needs no recovery.
    ///
    /// # Errors
    /// A disk that could not be left clean; the next start recovers.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.health.stopping();
        if self.node.controller.stopped().now_or_never().is_some()
            && let Some(directory) = metadata_directory(&self.node)
        {
            // Nobody has stopped it yet: its directory must not be left as if all were well there.
            directory.condition.fail(&QuorumStopped);
        }
        let epoch = match self.broker {
            Some(broker) => broker.stop(&self.node).await,
            None => NO_BROKER_EPOCH,
        };
        self.node.controller.stop().await;
        self.quorum.end().await;
        let _ended = self.publishing.await;
        let node = Arc::clone(&self.node);
        let closed = self.node.runtime.spawn_blocking(move || {
            for directory in node.directories.all() {
                directory.flusher.stop();
            }
            let partitions = node.replicas.all();
            partitions.iter().for_each(|partition| partition.stop());
            checkpoints::close(&node.directories, &partitions, epoch, || node.runtime.now().monotonic)
        });
        let closed = closed.await?;
        self.admin.inspect(JoinHandle::abort);
        closed.context("the logs could not be closed cleanly; the next start recovers them")
    }

    /// The listeners as clients are told, `NAME://host:port`.
    #[must_use]
    pub fn advertised(&self) -> &[String] {
        self.broker.as_ref().map_or(&[], |broker| &broker.advertised)
    }

    /// What `/readyz` answers: why clients and whoever takes brokers away should not count on it yet.
    ///
    /// # Errors
    /// The reason.
    pub fn ready(&self) -> Result<(), String> {
        self.health.ready()
    }

    /// Resolves when the node cannot go on: its quorum has stopped, or the disk of its metadata has failed, as Kafka's ends then.
    pub async fn failed(&self) {
        let metadata = metadata_directory(&self.node);
        tokio::select! {
            biased;
            () = self.node.controller.stopped() => {}
            () = async { match metadata { Some(directory) => directory.condition.failed().await, None => std::future::pending().await } } => {}
        }
    }

    async fn create_topics(&self, topics: Vec<TopicToCreate>) {
        if let Err(error) = auto_create::create_configured(&self.node, topics).await {
            tracing::error!(%error, "topics of KAFKA_CREATE_TOPICS were not made");
        }
    }
}

/// What decides about metadata here, and what it has committed.
fn start_controller(
    runtime: &Runtime,
    (disk, quorum): (&Arc<Disk>, &QuorumSettings),
    config: &BrokerConfig,
    rules: rules::LiveRules,
    applied: Applied,
) -> anyhow::Result<(ControllerHandle, watch::Receiver<Published>)> {
    let settings = disks::controller_settings(config);
    Ok(crate::metadata::start(runtime, disk, quorum, settings, Box::new(rules), applied)?)
}

/// Partitions and groups, none yet, which leave recordings when they break.
fn recorded(
    own: BrokerId,
    config: &BrokerConfig,
    directories: &LogDirectories,
    runtime: &Runtime,
) -> (Arc<Replicas>, Arc<GroupCoordinators>) {
    let files = RecordingFiles::new(directories.disk(), &config.recordings_dir, own);
    let recordings = LeftRecordings::new(files, runtime.clone());
    let clock = runtime.clone();
    let surroundings = Surroundings::new(move || clock.now(), own, config.replication.lag_time_max_ms);
    #[cfg(feature = "simulated")]
    runtime.bug().into_iter().for_each(|bug| surroundings.put_in(bug));
    surroundings.leave_recordings(recordings.clone());
    let groups = GroupCoordinators::new(runtime.clone(), coordinator_config(&config.groups, recordings));
    (Arc::new(Replicas::new(surroundings)), Arc::new(groups))
}

/// The broker's part, where the node has one.
async fn start_broker(
    node: &Arc<Node>,
    sockets: Vec<Socket>,
    registered: &RegisteredBroker,
    health: &NodeHealth,
) -> anyhow::Result<Option<BrokerPart>> {
    if !node.config.roles.broker {
        return Ok(None);
    }
    let broker = BrokerPart::start(node, sockets, registered).await?;
    health.watch_broker(Arc::clone(node));
    Ok(Some(broker))
}

/// Gives each directory the thread that syncs it.
fn flush(directories: &LogDirectories, runtime: &Runtime) {
    for directory in directories.all() {
        let (flusher, clock) = (Arc::clone(&directory.flusher), runtime.clone());
        #[cfg(feature = "simulated")]
        if !runtime.has_threads() {
            _ = runtime.spawn_data(async move { flusher.run_as_task(&clock).await });
            continue;
        }
        runtime.spawn_thread("flusher", move |_| flusher.run(|| clock.now().monotonic));
    }
}

/// A socket and the listener it belongs to.
struct Socket {
    name: Arc<str>,
    kind: ListenerKind,
    listening: Listening,
}

async fn bind(config: &BrokerConfig, runtime: &Runtime) -> anyhow::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    let brokers = config.listeners.iter().map(|listener| (ListenerKind::Broker, listener));
    let controllers = config.controller_listeners.iter().map(|listener| (ListenerKind::Controller, listener));
    for (kind, listener) in brokers.chain(controllers) {
        let (host, port) = (listener.host.clone(), listener.port);
        let bound = async move { barnabas_net::bind(&host, port).await };
        let bound = match kind {
            ListenerKind::Broker => bound.await,
            // There, so that connections are told of there, even when the data threads wait for a disk.
            ListenerKind::Controller => runtime.spawn_control(bound).await?,
        };
        let listening = bound.with_context(|| {
            format!("cannot listen on {}://{}:{} (listeners)", listener.name, listener.host, listener.port)
        })?;
        sockets.push(Socket { name: listener.name.as_str().into(), kind, listening });
    }
    Ok(sockets)
}

async fn serve_admin(
    config: &BrokerConfig,
    metrics: &Arc<Metrics>,
    (health, broker): (&Arc<NodeHealth>, &RegisteredBroker),
    log_level: LogLevel,
    runtime: &Runtime,
) -> anyhow::Result<(Option<JoinHandle<()>>, Arc<AskedRecordings>)> {
    let recordings = Arc::<AskedRecordings>::default();
    let Some(address) = &config.admin_listener else { return Ok((None, recordings)) };
    let (host, port) = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .with_context(|| format!("barnabas.admin.listener {address}: expected host:port"))?;
    // There, so that it is told of connections there, even when the data threads wait for a disk.
    let host = host.to_owned();
    let bound = runtime.spawn_control(async move { barnabas_net::bind(&host, port).await });
    let listening = bound
        .await?
        .with_context(|| format!("cannot listen on {address} (barnabas.admin.listener; empty switches it off)"))?;
    tracing::info!("admin port: http://{}/metrics", listening.address);
    let (metrics, health, broker) = (Arc::clone(metrics), Arc::clone(health), Arc::clone(broker));
    let admin =
        Admin { metrics, health, log_level, recordings: Arc::clone(&recordings), broker, runtime: runtime.clone() };
    let serving = crate::admin::serve(Arc::new(admin), listening.socket, runtime.clone());
    Ok((Some(runtime.spawn_control(serving)), recordings))
}

/// Figures that are read when somebody asks.
fn register_collectors(node: &Node, metadata: MetadataCollector) -> Result<(), prometheus::Error> {
    node.metrics.register(Box::new(metadata))?;
    let (directories, replicas) = (Arc::clone(&node.directories), Arc::clone(&node.replicas));
    node.metrics.register(Box::new(PartitionCollector::new(Arc::clone(&replicas), MAX_SHOWN_PARTITIONS)?))?;
    node.metrics.register(Box::new(ReplicationCollector::new(Arc::clone(&replicas))?))?;
    node.metrics.register(Box::new(DirectoryCollector::new(directories, replicas)?))?;
    node.metrics.register(Box::new(OpeningCollector::new(Arc::clone(&node.opening))?))
}

/// The directory that the metadata log lies in.
fn metadata_directory(node: &Node) -> Option<&Arc<LogDirectory>> {
    node.directories.all().iter().find(|directory| directory.path == node.config.metadata_log_dir)
}

async fn register_own_controller(node: &Arc<Node>, health: &NodeHealth) -> Result<(), RegistrationFailed> {
    if node.config.roles.controller && register_controller(node, &registration::of_controller(node)).await? {
        health.watch_controller(Arc::clone(node));
    }
    Ok(())
}

/// The other nodes of the quorum ask before there is anything to serve to clients, and until the last decision is made. Returns the sockets of
/// the broker as well.
fn serve_quorum(
    node: &Arc<Node>,
    sockets: Vec<Socket>,
    committed: watch::Receiver<Published>,
) -> (Serving, Vec<Socket>) {
    let (stopping, stop) = watch::channel(false);
    let (of_quorum, others) = sockets.into_iter().partition(|socket| socket.kind == ListenerKind::Controller);
    let mut tasks = accept(node, of_quorum, &stop);
    tasks.push(node.runtime.spawn_control(watch_leader(Arc::clone(node), stop.clone())));
    tasks.push(node.runtime.spawn_control(detect(Arc::clone(node), committed, stop)));
    (Serving { stopping, tasks }, others)
}

fn accept(node: &Arc<Node>, sockets: Vec<Socket>, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let network = &node.config.network;
    let limits = ConnectionLimits {
        max_connections: network.max_connections,
        max_connections_per_ip: network.max_connections_per_ip,
        max_idle: milliseconds(network.connections_max_idle_ms),
        max_request_bytes: network.socket_request_max_bytes,
        max_control_request_bytes: network.socket_request_max_bytes.min(control_memory_bytes(&node.config) / 2),
    };
    let serve = |socket: Socket| {
        let listener = Listener { name: socket.name, kind: socket.kind, socket: socket.listening.socket };
        let accepting = connection::accept(Arc::clone(node), listener, limits.clone(), stop.clone());
        match socket.kind {
            ListenerKind::Broker => node.runtime.spawn_data(accepting),
            ListenerKind::Controller => node.runtime.spawn_control(accepting),
        }
    };
    sockets.into_iter().map(serve).collect()
}

/// The codec with Kafka's number `id`, at its default level; none for a number that Kafka does not have.
fn compression_by_id(id: i32) -> Compression {
    match u8::try_from(id).ok().and_then(Codec::from_id) {
        Some(Codec::Gzip) => Compression::Gzip { level: -1 },
        Some(Codec::Snappy) => Compression::Snappy,
        Some(Codec::Lz4) => Compression::Lz4,
        Some(Codec::Zstd) => Compression::Zstd { level: 3 },
        Some(Codec::None) | None => Compression::None,
    }
}

fn coordinator_config(groups: &GroupsConfig, recordings: LeftRecordings) -> CoordinatorConfig {
    let defaults = CoordinatorConfig::default();
    CoordinatorConfig {
        group: GroupConfig {
            min_session_timeout_ms: groups.group_min_session_timeout_ms,
            max_session_timeout_ms: groups.group_max_session_timeout_ms,
            initial_rebalance_delay_ms: groups.group_initial_rebalance_delay_ms,
            max_size: groups.group_max_size,
            offset_metadata_max_bytes: groups.offset_metadata_max_bytes,
            offsets_retention_ms: groups.offsets_retention_minutes.saturating_mul(60_000),
            offsets_retention_check_interval_ms: groups.offsets_retention_check_interval_ms,
            ..defaults.group
        },
        commit_timeout: milliseconds(groups.offsets_commit_timeout_ms),
        load_buffer_bytes: groups.offsets_load_buffer_size,
        compression: compression_by_id(groups.offsets_topic_compression_codec),
        recordings: Some(recordings),
        ..defaults
    }
}

/// `queued.max.request.bytes`, or a quarter of the memory that the process may use: a bound that holds without being set.
fn request_memory_bytes(config: &BrokerConfig) -> usize {
    match usize::try_from(config.network.queued_max_request_bytes) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => disks::memory_limit_bytes() / 4,
    }
}

/// What nodes ask each other has a quarter as much, within bounds.
fn control_memory_bytes(config: &BrokerConfig) -> usize {
    (request_memory_bytes(config) / 4).clamp(MIN_CONTROL_MEMORY_BYTES, MAX_CONTROL_MEMORY_BYTES)
}

/// A duration out of a configured number; a negative one is as good as never.
fn milliseconds(number: i64) -> Duration {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    u64::try_from(number).map_or(NEVER, |number| Duration::from_millis(number).min(NEVER))
}
