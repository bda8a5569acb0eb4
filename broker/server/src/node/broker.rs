//! The broker's part of a node, beside the quorum's: registered with the active controller, let in once its partitions are open, then
//! serving clients and keeping its logs. A node that is only a controller has none.

use std::sync::Arc;
use std::time::Duration;

use barnabas_metadata::BrokerEndpoint;
use barnabas_protocol::messages::BrokerRegistrationRequest;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{NO_BROKER_EPOCH, Node, Serving, Socket, accept, milliseconds, registration, staying};
use crate::admin::RegisteredBroker;
use crate::config::{BrokerConfig, CleanerConfig, FailureDetection, Layers};
use crate::metadata::{BrokerLife, Directories, DirectoryNews, Presence, RegistrationFailed};
use crate::replica;
use crate::storage::compaction::{self, Cleaner};
use crate::storage::space::{Reserve, SpaceWatch};
use crate::storage::{Hosting, LogDirectory, Scrub, Upkeep, watchdog};

/// See the module.
pub struct BrokerPart {
    /// The listeners as clients are told, `NAME://host:port`.
    pub advertised: Vec<String>,
    life: BrokerLife,
    /// As long as this broker has a registration, until it has left.
    presence: Serving,
    /// What keeps the controller hearing of this broker.
    heartbeats: Serving,
    /// Connections.
    clients: Serving,
    /// Fetchers, ISR updates, what looks after logs and directories.
    background: Serving,
}

impl BrokerPart {
    /// Registers, waits until everything committed up to then is in force here, is let in, and serves.
    pub(super) async fn start(
        node: &Arc<Node>,
        sockets: Vec<Socket>,
        registered: &RegisteredBroker,
    ) -> anyhow::Result<Self> {
        hosting(node).remove_leftovers();
        let endpoints = endpoints(&node.config, &sockets);
        let life = register(node, &endpoints).await?;
        // Who starts it wants to know how far it has come.
        _ = registered.set(life.clone());
        let presence = show_presence(node, &life);
        let (stopping, stop) = watch::channel(false);
        let telling = replica::carry_directory_reports(Arc::clone(node), stop.clone());
        let mut tasks = vec![node.runtime.spawn_control(telling)];
        life.unfence(heartbeat_interval(node)).await?;
        let heartbeats = Serving::begin(|stop| vec![keep_heard_of(node, life.clone(), stop)]);
        // All metadata that was committed when this broker registered is applied now.
        let image = node.image();
        hosting(node).set_strays_aside(move |key| image.topics.partition(key).is_some()).await;
        watch_directories(node, &life, &stop).await;
        tasks.extend(keep_up(node, &stop));
        tasks.extend(replicate(node, &stop));
        let background = Serving { stopping, tasks };
        let clients = Serving::begin(|stop| {
            let mut tasks = accept(node, sockets, stop);
            let placement = Arc::clone(&node.placement).keep(node.runtime.clone(), stop.clone());
            tasks.push(node.runtime.spawn_control(placement));
            tasks
        });
        let advertised = endpoints.iter().map(|one| format!("{}://{}:{}", one.name, one.host, one.port)).collect();
        Ok(Self { advertised, life, presence, heartbeats, clients, background })
    }

    #[cfg(test)]
    pub(super) const fn life(&self) -> &BrokerLife {
        &self.life
    }

    /// See [`super::Running::stay_while_needed`].
    pub(super) async fn stay_while_needed(&self, node: &Node) {
        staying::stay_while_needed(node, &self.life).await;
    }

    /// Hands over what it leads while clients are served and fetchers run, so that nobody waits for a broker that is gone; then answers what
    /// waits, and ends the rest. Returns its epoch.
    ///
    /// Where nobody could take over, leaving only takes the leadership away: then clients are answered first.
    pub(super) async fn stop(self, node: &Node) -> i64 {
        // Leaving sends its own: one that says otherwise must not follow it.
        self.heartbeats.end().await;
        let hands_over = could_hand_over(node);
        if hands_over {
            leave(&self.life).await;
        }
        // Members that wait for their group would keep their connections open.
        self.clients.stopping.send_replace(true);
        node.groups.resign().await;
        self.clients.end().await;
        if !hands_over {
            leave(&self.life).await;
        }
        self.presence.end().await;
        self.background.end().await;
        self.life.epoch()
    }
}

/// True when there is another broker that may lead.
fn could_hand_over(node: &Node) -> bool {
    node.image().brokers.iter().any(|broker| broker.is_active() && broker.id != node.broker_id)
}

async fn leave(life: &BrokerLife) {
    if let Err(error) = life.leave().await {
        tracing::warn!(%error, "stopping without having handed over");
    }
}

/// Registers with the epoch up to which everything was kept, if that is known. The partitions are open then, and if one of them has lost
/// something all the same, the broker registers again, as one that may have: nothing was elected here meanwhile.
async fn register(node: &Arc<Node>, endpoints: &[BrokerEndpoint]) -> Result<BrokerLife, RegistrationFailed> {
    let registration = registration::of_broker(node, endpoints);
    let claims = registration.previous_broker_epoch != NO_BROKER_EPOCH;
    let mut life = BrokerLife::register(Arc::clone(node), registration, directory_news(node)).await?;
    if claims && !node.directories.have_kept_all() {
        tracing::error!(
            "a log of this broker has lost records, or cannot be opened (see the errors above): it registers again as a broker that may \
             have lost something, once its first registration is not heard of any more (broker.session.timeout.ms)"
        );
        let registration = BrokerRegistrationRequest {
            incarnation_id: node.runtime.random_uuid(),
            previous_broker_epoch: NO_BROKER_EPOCH,
            ..registration::of_broker(node, endpoints)
        };
        life = BrokerLife::register(Arc::clone(node), registration, directory_news(node)).await?;
    }
    let (directories, epoch) = (Arc::clone(&node.directories), life.epoch());
    let promised = node.runtime.spawn_blocking(move || directories.promise_to_keep(epoch));
    // Without it a kill costs this broker what it is eligible for, and nothing else.
    match promised.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "what this broker keeps could not be promised"),
        Err(error) => tracing::warn!(%error, "what this broker keeps could not be promised"),
    }
    Ok(life)
}

/// What clients are told; a port that the system chose is told as it is.
pub(super) fn endpoints(config: &BrokerConfig, sockets: &[Socket]) -> Vec<BrokerEndpoint> {
    let endpoint = |advertised: &crate::config::Listener| {
        let bound = sockets.iter().find(|socket| *socket.name == *advertised.name);
        let port =
            bound.filter(|_| advertised.port == 0).map_or(advertised.port, |bound| bound.listening.address.port());
        BrokerEndpoint {
            name: advertised.name.as_str().into(),
            host: advertised.host.as_str().into(),
            port,
            security_protocol: advertised.protocol.id(),
        }
    };
    config.advertised_listeners.iter().map(endpoint).collect()
}

/// Lets the active controller see that this broker is there, from its registration until it has left.
fn show_presence(node: &Arc<Node>, life: &BrokerLife) -> Serving {
    let (stopping, stop) = watch::channel(false);
    let tasks = match node.config.failure_detection {
        FailureDetection::Fast => vec![node.runtime.spawn_control(Presence::of(life).keep(stop))],
        FailureDetection::Kafka => Vec::new(),
    };
    Serving { stopping, tasks }
}

/// Sends heartbeats until the node stops.
fn keep_heard_of(node: &Node, life: BrokerLife, stop: &watch::Receiver<bool>) -> JoinHandle<()> {
    node.runtime.spawn_control(life.keep(heartbeat_interval(node), stop.clone()))
}

fn heartbeat_interval(node: &Node) -> Duration {
    milliseconds(node.config.metadata_log.broker_heartbeat_interval_ms.max(1))
}

/// What heartbeats tell of the directories.
fn directory_news(node: &Node) -> Directories {
    let directories = Arc::clone(&node.directories);
    Arc::new(move || {
        let ids = |wanted: fn(&LogDirectory) -> bool| {
            let those = directories.all().iter().filter(|directory| wanted(directory.as_ref()));
            those.map(|directory| directory.id).collect()
        };
        DirectoryNews {
            offline: ids(|directory| directory.condition.is_offline()),
            cordoned: ids(LogDirectory::is_cordoned),
        }
    })
}

pub(super) fn hosting(node: &Node) -> Hosting {
    Hosting {
        runtime: node.runtime.clone(),
        directories: Arc::clone(&node.directories),
        replicas: Arc::clone(&node.replicas),
        progress: Arc::clone(&node.opening),
    }
}

/// Fetches what others lead, and keeps the ISRs of what is led here, until the node stops.
fn replicate(node: &Arc<Node>, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let runtime = &node.runtime;
    vec![
        runtime.spawn_data(replica::run_fetchers(Arc::clone(node), stop.clone())),
        runtime.spawn_data(replica::carry_isr_updates(Arc::clone(node), stop.clone())),
        runtime.spawn_data(replica::look_for_lag(Arc::clone(node), stop.clone())),
    ]
}

/// Retention and checkpoints, and compaction, until the node stops.
fn keep_up(node: &Node, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let cleaner = Arc::new(cleaner(node));
    scrub_on(node, stop.clone());
    vec![node.runtime.spawn_data(upkeep(node).run(stop.clone())), node.runtime.spawn_data(cleaner.run(stop.clone()))]
}

fn scrub_on(node: &Node, stop: watch::Receiver<bool>) {
    let scrub = scrub(node);
    #[cfg(feature = "simulated")]
    if !node.runtime.has_threads() {
        _ = node.runtime.spawn_data(scrub.run_as_task(stop));
        return;
    }
    node.runtime.spawn_thread("scrub", move |timers| scrub.run(timers, &stop));
}

fn upkeep(node: &Node) -> Upkeep {
    let storage = &node.config.storage;
    Upkeep {
        runtime: node.runtime.clone(),
        directories: Arc::clone(&node.directories),
        replicas: Arc::clone(&node.replicas),
        retention_check_interval: milliseconds(storage.log_retention_check_interval_ms),
        checkpoint_interval: milliseconds(storage.replica_high_watermark_checkpoint_interval_ms),
    }
}

/// Has somebody look after room, hanging syncs and failures, from before the first client on.
async fn watch_directories(node: &Arc<Node>, life: &BrokerLife, stop: &watch::Receiver<bool>) {
    let (runtime, storage) = (&node.runtime, &node.config.storage);
    let reserve = Reserve::new(storage.log_dir_reserve_bytes);
    for directory in node.directories.all() {
        let disk = Arc::clone(node.directories.disk());
        let mut space = SpaceWatch::new(runtime.clone(), disk, Arc::clone(directory), reserve);
        space.look().await;
        runtime.spawn_data(space.run(stop.clone()));
        runtime.spawn_data(end_promise(Arc::clone(node), Arc::clone(directory), stop.clone()));
        runtime.spawn_control(tell_failure(life.clone(), Arc::clone(directory), stop.clone()));
        let (directory, replicas) = (Arc::clone(directory), Arc::clone(&node.replicas));
        runtime.spawn_data(watchdog::await_failure(runtime.clone(), directory, replicas, stop.clone()));
    }
    let timeout = milliseconds(storage.log_dir_sync_timeout_ms);
    let (directories, replicas) = (Arc::clone(&node.directories), Arc::clone(&node.replicas));
    let watchdog = watchdog::Watchdog::new(directories, replicas, timeout);
    runtime.spawn_control(watchdog.run(runtime.clone(), stop.clone()));
}

/// The controller learns of a directory that has failed at once, not with the heartbeat that is due next.
async fn tell_failure(life: BrokerLife, directory: Arc<LogDirectory>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = directory.condition.failed() => life.hurry(),
    }
}

/// A directory that has failed keeps nothing for sure.
async fn end_promise(node: Arc<Node>, directory: Arc<LogDirectory>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return,
        () = directory.condition.failed() => {}
    }
    let directories = Arc::clone(&node.directories);
    // Where every disk has failed there is nothing left to write on.
    let _ = node.runtime.spawn_blocking(move || directories.take_promise_back()).await;
}

fn cleaner(node: &Node) -> Cleaner {
    let (broker, settings, published) = (node.broker_id, Arc::clone(&node.settings), Arc::clone(&node.published));
    let config = move || {
        let image = published.load();
        // The controller accepts no value that is not understood: it would be another release's.
        CleanerConfig::resolve(Layers::of(&image, broker, &settings)).unwrap_or(CleanerConfig::kafkas())
    };
    Cleaner {
        runtime: node.runtime.clone(),
        directories: Arc::clone(&node.directories),
        replicas: Arc::clone(&node.replicas),
        config: Box::new(config),
        metrics: Arc::clone(&node.metrics.cleaner),
        shared: compaction::Shared::default(),
    }
}

fn scrub(node: &Node) -> Scrub {
    Scrub {
        replicas: Arc::clone(&node.replicas),
        bytes_per_second: node.config.storage.barnabas_log_scrub_bytes_per_second,
        metrics: node.metrics.scrub.clone(),
    }
}
