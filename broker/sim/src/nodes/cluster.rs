//! Three nodes, each broker and controller, on machines that can be killed, stopped, cut off and deprived of power. Does what it is told, and
//! looks at what it has; chooses neither.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_server::config::{Boot, BootInput, HostFacts, SourceFile, boot};
use barnabas_server::logging::LogLevel;
use barnabas_server::node::{Node, Running};
use barnabas_server::replica::Marks;
use barnabas_server::runtime::Runtime;
use barnabas_server::runtime::simulated::Turns;
use barnabas_server::{FormatPolicy, Seeded};
use barnabas_types::{BrokerId, LeaderEpoch, TopicIdPartition};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::clients::{CLIENT_PORT, Place};
use super::disks::{Disks, LOG_DIRECTORIES, METADATA_DIRECTORY};
use super::history::{Assigned, Event, History};
use super::machine::{Calendar, Hardware, Machine};
use super::network::{Interface, Network};
use super::scene::Scene;
use crate::disk::VirtualDisk;
use crate::random::Random;

/// How many nodes there are; their places are 1 to this.
pub const NODES: usize = 3;
const QUORUM_PORT: u16 = 9093;
const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";

/// A partition's, and those of all brokers.
type Epochs = (i32, Vec<(i32, i64)>);

/// What runs on a machine.
#[derive(Default)]
struct Process {
    /// Once it has started, and until it begins to stop.
    node: Mutex<Option<Arc<Node>>>,
    /// It is asked to stop.
    asked: Notify,
    /// It has stopped in order.
    has_stopped: AtomicBool,
}

type Slot = Arc<Process>;

impl Process {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Node>>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for a machine.
struct Stand {
    disk: VirtualDisk,
    ahead_ms: i64,
    drift: i64,
    life: Option<(Arc<Machine>, Slot)>,
    /// A disk was replaced by an empty one.
    has_new_disk: bool,
    /// What ran here last had stopped in order.
    had_stopped: bool,
}

/// See the module.
pub struct Cluster {
    network: Network,
    turns: Arc<Turns>,
    began: Instant,
    stands: BTreeMap<usize, Stand>,
    random: Random,
    /// What was put into every replica on purpose.
    bug: Option<Seeded>,
    scene: Scene,
    history: History,
    /// What images have said last, by node and partition.
    seen: BTreeMap<(usize, i32), Epochs>,
    /// The newest that any image has said, by partition.
    newest: BTreeMap<i32, Assigned>,
    /// What replicas were last.
    replicas: BTreeMap<(usize, i32), (Marks, usize, bool)>,
}

fn properties(place: usize, scene: &Scene) -> String {
    let (session_ms, lag_ms) = (scene.session.as_millis(), scene.lag.as_millis());
    let log_dirs = LOG_DIRECTORIES.join(",");
    let voters: Vec<String> = (1..=NODES).map(|node| format!("{node}@{}:{QUORUM_PORT}", Network::host(node))).collect();
    let (host, voters) = (Network::host(place), voters.join(","));
    format!(
        "process.roles=broker,controller\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters={voters}\nnode.id={place}\n\
         listeners=PLAINTEXT://{host}:{CLIENT_PORT},CONTROLLER://{host}:{QUORUM_PORT}\n\
         advertised.listeners=PLAINTEXT://{host}:{CLIENT_PORT}\nlog.dirs={log_dirs}\nmetadata.log.dir={METADATA_DIRECTORY}\nbarnabas.admin.listener=\n\
         default.replication.factor=3\nmin.insync.replicas=2\noffsets.topic.replication.factor=3\n\
         broker.session.timeout.ms={session_ms}\nbroker.heartbeat.interval.ms=500\nreplica.lag.time.max.ms={lag_ms}\n\
         queued.max.request.bytes=67108864\nlog.segment.bytes=1048576\nlog.retention.ms=-1\n"
    )
}

fn configured(place: usize, scene: &Scene) -> Result<Boot, String> {
    let file = SourceFile { name: "server.properties".into(), text: properties(place, scene) };
    let booted = boot(BootInput {
        files: &[file],
        environment: &BTreeMap::new(),
        overrides: &[],
        strict: true,
        host: &HostFacts::default(),
    });
    let mut booted = booted.map_err(|error| error.to_string())?;
    booted.cluster_id = Some(CLUSTER_ID.into());
    Ok(booted)
}

impl Cluster {
    /// Machines that are off.
    #[must_use]
    pub fn new(network: Network, history: History, scene: Scene, bug: Option<Seeded>, mut random: Random) -> Self {
        let mut stand = |place| {
            let ahead_ms = i64::try_from(random.below(4_000)).unwrap_or(0) - 2_000;
            let drift = i64::try_from(random.below(400)).unwrap_or(0) - 200;
            (
                place,
                Stand {
                    disk: VirtualDisk::default(),
                    ahead_ms,
                    drift,
                    life: None,
                    has_new_disk: false,
                    had_stopped: false,
                },
            )
        };
        let stands = (1..=NODES).map(&mut stand).collect();
        let turns = Turns::new(random.bits());
        drop(tokio::spawn(Arc::clone(&turns).give()));
        let (began, seen, newest, replicas) = (Instant::now(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { network, turns, began, stands, random, bug, scene, history, seen, newest, replicas }
    }

    /// A machine for clients, which nothing ever happens to.
    #[must_use]
    pub fn client_machine(&mut self, place: usize) -> Arc<Machine> {
        let calendar = Calendar { began: self.began, ahead_ms: 0, drift: 0 };
        let of = self.hardware(place, VirtualDisk::default());
        Machine::new(of, calendar, None, self.random.fork())
    }

    fn hardware(&self, place: usize, disk: VirtualDisk) -> Hardware {
        let interface = Arc::new(Interface { network: self.network.clone(), place });
        Hardware { disk, interface, turns: Arc::clone(&self.turns) }
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Switches a machine on, and starts its node.
    pub fn start(&mut self, place: usize) {
        let booted = match configured(place, &self.scene) {
            Ok(booted) => booted,
            Err(error) => return self.history.violated("configuration", error),
        };
        let random = self.random.fork();
        let Some(disk) = self.stands.get(&place).map(|stand| stand.disk.clone()) else { return };
        let hardware = self.hardware(place, disk);
        let Some(stand) = self.stands.get_mut(&place).filter(|stand| stand.life.is_none()) else { return };
        self.network.set_power(place, true);
        stand.disk.heal();
        // Whoever puts an empty disk in says so.
        let format = match std::mem::take(&mut stand.has_new_disk) {
            true => FormatPolicy::NewDirectories,
            false => FormatPolicy::IfEmpty,
        };
        let calendar = Calendar { began: self.began, ahead_ms: stand.ahead_ms, drift: stand.drift };
        let machine = Machine::new(hardware, calendar, self.bug, random);
        let slot = Slot::default();
        let runtime = Runtime::simulated(Arc::clone(&machine) as Arc<dyn barnabas_server::runtime::simulated::Machine>);
        let (history, started) = (self.history.clone(), Arc::clone(&slot));
        let on_machine = runtime.clone();
        _ = runtime.spawn_control(async move { run((booted, format), on_machine, place, &history, &started).await });
        stand.life = Some((machine, slot));
        self.seen.retain(|(node, _), _| *node != place);
    }

    /// Ends a node without a word to anybody; what it wrote stays.
    pub async fn kill(&mut self, place: usize) {
        let Some(stand) = self.stands.get_mut(&place) else { return };
        if let Some((machine, slot)) = stand.life.take() {
            machine.kill();
            stand.had_stopped = slot.has_stopped.load(Ordering::Relaxed);
            drop(slot.lock().take());
            // Its tasks are dropped when it is their turn.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes the power away from machines, all at the same moment: what they never synced may be gone.
    pub async fn cut_power(&mut self, places: &[usize]) {
        let known: Vec<_> = places.iter().map(|place| self.known_epoch(*place)).collect();
        places.iter().for_each(|place| self.network.set_power(*place, false));
        for place in places {
            self.kill(*place).await;
        }
        for (place, node, broker_epoch) in known {
            let mut random = self.random.fork();
            if let Some(stand) = self.stands.get(&place) {
                self.history.note(Event::LosesPower { node, broker_epoch, had_stopped: stand.had_stopped });
                stand.disk.cut_power(&mut random);
            }
        }
    }

    /// The place, the broker that is there, and its newest epoch that any image knows.
    fn known_epoch(&self, place: usize) -> (usize, i32, i64) {
        let broker = BrokerId(i32::try_from(place).unwrap_or(-1));
        let images = self.nodes().into_iter().map(|(_, node)| node.image());
        let epochs = images.filter_map(|image| image.brokers.get(broker).map(|broker| broker.epoch));
        (place, broker.0, epochs.max().unwrap_or(-1))
    }

    /// A machine that is off and whose broker nobody counts on for now: it is fenced, as all nodes that run say, and of every partition it is not
    /// in sync, and neither leads nor led last. What it loses then others have, and the controller lets it lead nothing before it has said
    /// that it may have lost something.
    #[must_use]
    pub fn spare(&self) -> Option<usize> {
        let (place, _) = self.stands.iter().find(|(_, stand)| stand.life.is_none())?;
        let (_, broker, _) = self.known_epoch(*place);
        let is_needed =
            |of: &Assigned| of.leader == broker || of.isr.contains(&broker) || of.last_known.contains(&broker);
        let nodes = self.nodes();
        let is_fenced = |node: &Node| node.image().brokers.get(BrokerId(broker)).is_some_and(|broker| broker.fenced);
        let all_know = !nodes.is_empty() && nodes.iter().all(|(_, node)| is_fenced(node));
        (all_know && !self.newest.values().any(is_needed)).then_some(*place)
    }

    /// Asks a node to stop.
    pub fn ask_to_stop(&self, place: usize) {
        if let Some((_, slot)) = self.stands.get(&place).and_then(|stand| stand.life.as_ref()) {
            slot.asked.notify_one();
        }
    }

    /// Whether what runs at a place has stopped in order.
    #[must_use]
    pub fn has_stopped(&self, place: usize) -> bool {
        let life = self.stands.get(&place).and_then(|stand| stand.life.as_ref());
        life.is_some_and(|(_, slot)| slot.has_stopped.load(Ordering::Relaxed))
    }

    /// A machine's disk fails every write and sync from now on, until the machine is started again.
    pub fn fail_disk(&self, place: usize, disk: usize) {
        if let (Some(stand), Some(directory)) = (self.stands.get(&place), LOG_DIRECTORIES.get(1 + disk)) {
            stand.disk.set_failing(Path::new(directory));
        }
    }

    /// A machine that is off has an empty disk instead of one that it had.
    pub fn lose_disk(&mut self, place: usize, disk: usize) {
        if let (Some(stand), Some(directory)) = (self.stands.get_mut(&place), LOG_DIRECTORIES.get(1 + disk)) {
            stand.disk.lose(Path::new(directory));
            stand.has_new_disk = true;
        }
    }

    /// What a sync takes on a machine.
    pub fn set_sync_takes(&self, place: usize, takes: Duration) {
        if let Some((machine, _)) = self.stands.get(&place).and_then(|stand| stand.life.as_ref()) {
            machine.set_sync_takes(takes);
        }
    }

    /// A machine stands still, or goes on.
    pub fn set_paused(&self, place: usize, paused: bool) {
        if let Some((machine, _)) = self.stands.get(&place).and_then(|stand| stand.life.as_ref()) {
            if paused { machine.stand_still() } else { machine.go_on() }
        }
    }

    fn nodes(&self) -> Vec<(usize, Arc<Node>)> {
        let running = self.stands.iter().filter_map(|(place, stand)| Some((*place, stand.life.as_ref()?)));
        let started = running.filter_map(|(place, (_, slot))| Some((place, slot.lock().clone()?)));
        started.collect()
    }

    /// Who leads, as some node knows; places may be named twice.
    #[must_use]
    pub fn leaders(&self, places: &[Place]) -> Vec<usize> {
        let images = self.nodes().into_iter().map(|(_, node)| node.image());
        let leaders = images.flat_map(|image| {
            let partitions = places.iter().filter_map(|place| {
                image.topics.get(place.topic_id)?.partitions.get(&Place::PARTITION).map(|partition| partition.leader.0)
            });
            partitions.collect::<Vec<_>>()
        });
        leaders
            .filter_map(|leader| usize::try_from(leader).ok().filter(|leader| (1..=NODES).contains(leader)))
            .collect()
    }

    /// Looks at all replicas, and at what images say.
    pub fn look(&mut self, places: &[Place]) {
        self.history.note_again(&Event::Looks);
        // What any image says first: a leader may know of it already, by its own way.
        let nodes = self.nodes();
        for (at, node) in &nodes {
            places.iter().for_each(|place| self.look_at_image(*at, node, *place));
        }
        for (at, node) in &nodes {
            places.iter().for_each(|place| self.look_at_replica(*at, node, *place));
        }
    }

    fn look_at_replica(&mut self, at: usize, node: &Node, place: Place) {
        let key = TopicIdPartition { topic_id: place.topic_id, partition: Place::PARTITION };
        let Some(partition) = node.replicas.get(key) else { return };
        let (marks, leads) = (partition.marks(), partition.led_since() != LeaderEpoch::NONE);
        let in_sync = partition.standing().map_or(0, |standing| standing.in_sync);
        let replica = Event::Replica {
            node: node.broker_id.0,
            partition: place.number,
            leads,
            in_sync,
            leader_epoch: marks.leader_epoch.0,
            log_end: marks.log_end.0,
            high_watermark: marks.high_watermark.0,
        };
        let before = self.replicas.insert((at, place.number), (marks, in_sync, leads));
        match before == Some((marks, in_sync, leads)) {
            true => self.history.note_again(&replica),
            false => self.history.note(replica),
        }
    }

    fn look_at_image(&mut self, at: usize, node: &Node, place: Place) {
        let image = node.image();
        let Some(topic) = image.topics.get(place.topic_id) else { return };
        let Some(partition) = topic.partitions.get(&Place::PARTITION) else { return };
        let broker_epochs: Vec<_> = image.brokers.iter().map(|broker| (broker.id.0, broker.epoch)).collect();
        let now = (partition.partition_epoch, broker_epochs.clone());
        if self.seen.insert((at, place.number), now.clone()) == Some(now) {
            return;
        }
        let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect::<Vec<_>>();
        let unfenced = image.brokers.iter().filter(|broker| !broker.fenced).map(|broker| broker.id.0);
        let assigned = Assigned {
            replicas: ids(&partition.replicas),
            isr: ids(&partition.isr),
            eligible: ids(partition.eligible_leaders()),
            last_known: ids(&partition.unusual().last_known_eligible_leaders),
            leader: partition.leader.0,
            leader_epoch: partition.leader_epoch.0,
            partition_epoch: partition.partition_epoch,
            unfenced: unfenced.collect(),
            broker_epochs,
        };
        let newest = self.newest.entry(place.number).or_insert_with(|| assigned.clone());
        if newest.partition_epoch < assigned.partition_epoch {
            newest.clone_from(&assigned);
        }
        self.history.note(Event::Image { node: node.broker_id.0, partition: place.number, assigned });
    }

    /// Why not all is well: nothing once every node runs and has every replica of `places` in sync.
    #[must_use]
    pub fn what_is_missing(&self, places: &[Place]) -> Option<String> {
        let nodes = self.nodes();
        if nodes.len() < NODES {
            return Some(format!("{} of {NODES} nodes have started", nodes.len()));
        }
        for (at, node) in nodes {
            let image = node.image();
            let fenced = image.brokers.iter().filter(|broker| broker.fenced).count();
            if fenced > 0 || image.brokers.iter().count() < NODES {
                return Some(format!("node {at} knows of {fenced} fenced brokers"));
            }
            for place in places {
                let Some(topic) = image.topics.get(place.topic_id) else {
                    return Some(format!("node {at} does not know topic {}", place.number));
                };
                for partition in topic.partitions.values() {
                    if partition.isr.len() < partition.replicas.len() || !partition.has_leader() {
                        return Some(format!(
                            "node {at} knows topic {} with leader {} and {:?} in sync",
                            place.number, partition.leader, partition.isr
                        ));
                    }
                }
            }
        }
        None
    }

    /// Tells what the logs of all replicas hold.
    pub fn tell_what_is_stored(&self, places: &[Place]) {
        for partition in places.iter().map(|place| place.number) {
            let stored = self.disks().stored(partition);
            for (place, batches) in stored {
                self.history.note(Event::Stored { place, partition, batches });
            }
        }
    }

    /// The disks of all machines.
    #[must_use]
    pub fn disks(&self) -> Disks {
        Disks::new(self.stands.iter().map(|(place, stand)| (*place, stand.disk.clone())))
    }

    /// Hands over every file of every disk, for a hash.
    pub fn visit_disks(&self, mut file: impl FnMut(&Path, &[u8])) {
        self.stands.values().for_each(|stand| stand.disk.visit(&mut file));
    }
}

/// A node's life.
async fn run((booted, format): (Boot, FormatPolicy), runtime: Runtime, place: usize, history: &History, slot: &Slot) {
    let Ok(level) = LogLevel::detached("off") else { return };
    let running = match Running::start(booted, format, level, runtime).await {
        Ok(running) => running,
        Err(error) => return history.violated("a node starts", format!("node {place}: {error:#}")),
    };
    *slot.lock() = Some(Arc::clone(&running.node));
    // As a process does with its signals (`run.rs`): a second one ends its waiting.
    let told = async {
        slot.asked.notified().await;
        tokio::select! {
            biased;
            () = running.stay_while_needed() => {}
            () = slot.asked.notified() => {}
        }
    };
    tokio::select! {
        biased;
        () = told => {}
        () = running.failed() => {
            return history.violated("a node goes on", format!("node {place} has stopped by itself"));
        }
    }
    drop(slot.lock().take());
    // What could not be left clean the next start recovers.
    if running.stop().await.is_ok() {
        slot.has_stopped.store(true, Ordering::Relaxed);
    }
    history.count_stop();
}
