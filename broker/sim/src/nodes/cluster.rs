//! Three nodes, each broker and controller, on machines that can be killed, stopped, cut off and deprived of power. Does what it is told, and
//! looks at what it has; chooses neither.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barnabas_replica::Bug;
use barnabas_server::FormatPolicy;
use barnabas_server::config::{Boot, BootInput, HostFacts, SourceFile, boot};
use barnabas_server::logging::LogLevel;
use barnabas_server::node::{Node, Running};
use barnabas_server::replica::Marks;
use barnabas_server::runtime::Runtime;
use barnabas_server::runtime::simulated::Turns;
use barnabas_types::{BrokerId, LeaderEpoch};
use tokio::time::Instant;

use super::clients::{CLIENT_PORT, Place};
use super::history::{Assigned, Event, History};
use super::machine::{Calendar, Hardware, Machine};
use super::network::{Interface, Network};
use crate::disk::VirtualDisk;
use crate::random::Random;

/// How many nodes there are; their places are 1 to this.
pub const NODES: usize = 3;
const QUORUM_PORT: u16 = 9093;
const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";
const LOG_DIRECTORY: &str = "/data";

/// What runs on a machine, as far as it has come.
type Slot = Arc<Mutex<Option<Arc<Node>>>>;

/// A place for a machine.
struct Stand {
    disk: VirtualDisk,
    ahead_ms: i64,
    drift: i64,
    life: Option<(Arc<Machine>, Slot)>,
}

/// See the module.
pub struct Cluster {
    network: Network,
    turns: Arc<Turns>,
    began: Instant,
    stands: BTreeMap<usize, Stand>,
    random: Random,
    /// What was put into every replica on purpose.
    bug: Option<Bug>,
    history: History,
    /// What images have said last, by node and partition: the partition epoch.
    seen: BTreeMap<(usize, i32), i32>,
    /// What replicas were last.
    replicas: BTreeMap<(usize, i32), (Marks, bool)>,
}

fn properties(place: usize) -> String {
    let voters: Vec<String> = (1..=NODES).map(|node| format!("{node}@{}:{QUORUM_PORT}", Network::host(node))).collect();
    let (host, voters) = (Network::host(place), voters.join(","));
    format!(
        "process.roles=broker,controller\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters={voters}\nnode.id={place}\n\
         listeners=PLAINTEXT://{host}:{CLIENT_PORT},CONTROLLER://{host}:{QUORUM_PORT}\n\
         advertised.listeners=PLAINTEXT://{host}:{CLIENT_PORT}\nlog.dirs={LOG_DIRECTORY}\nbarnabas.admin.listener=\n\
         default.replication.factor=3\nmin.insync.replicas=2\noffsets.topic.replication.factor=3\n\
         broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\nreplica.lag.time.max.ms=2000\n\
         queued.max.request.bytes=67108864\nlog.segment.bytes=1048576\nlog.retention.ms=-1\n"
    )
}

fn configured(place: usize) -> Result<Boot, String> {
    let file = SourceFile { name: "server.properties".into(), text: properties(place) };
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
    pub fn new(network: Network, history: History, bug: Option<Bug>, mut random: Random) -> Self {
        let mut stand = |place| {
            let ahead_ms = i64::try_from(random.below(4_000)).unwrap_or(0) - 2_000;
            let drift = i64::try_from(random.below(400)).unwrap_or(0) - 200;
            (place, Stand { disk: VirtualDisk::default(), ahead_ms, drift, life: None })
        };
        let stands = (1..=NODES).map(&mut stand).collect();
        let turns = Arc::<Turns>::default();
        drop(tokio::spawn(Arc::clone(&turns).give()));
        let (began, seen, replicas) = (Instant::now(), BTreeMap::new(), BTreeMap::new());
        Self { network, turns, began, stands, random, bug, history, seen, replicas }
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
        let booted = match configured(place) {
            Ok(booted) => booted,
            Err(error) => return self.history.violated("configuration", error),
        };
        let random = self.random.fork();
        let Some(disk) = self.stands.get(&place).map(|stand| stand.disk.clone()) else { return };
        let hardware = self.hardware(place, disk);
        let Some(stand) = self.stands.get_mut(&place).filter(|stand| stand.life.is_none()) else { return };
        self.network.set_power(place, true);
        let calendar = Calendar { began: self.began, ahead_ms: stand.ahead_ms, drift: stand.drift };
        let machine = Machine::new(hardware, calendar, self.bug, random);
        let slot = Slot::default();
        let runtime = Runtime::simulated(Arc::clone(&machine) as Arc<dyn barnabas_server::runtime::simulated::Machine>);
        let (history, started) = (self.history.clone(), Arc::clone(&slot));
        let on_machine = runtime.clone();
        _ = runtime.spawn_control(async move { run(booted, on_machine, place, &history, &started).await });
        stand.life = Some((machine, slot));
        self.seen.retain(|(node, _), _| *node != place);
    }

    /// Ends a node without a word to anybody; what it wrote stays.
    pub async fn kill(&mut self, place: usize) {
        if let Some((machine, slot)) = self.stands.get_mut(&place).and_then(|stand| stand.life.take()) {
            machine.kill();
            drop(slot.lock().unwrap_or_else(PoisonError::into_inner).take());
            // Its tasks are dropped when it is their turn.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes the power away from machines, all at the same moment: what they never synced may be gone.
    pub async fn cut_power(&mut self, places: &[usize]) {
        places.iter().for_each(|place| self.network.set_power(*place, false));
        for place in places {
            self.kill(*place).await;
        }
        for place in places {
            let mut random = self.random.fork();
            if let Some(stand) = self.stands.get(place) {
                stand.disk.cut_power(&mut random);
            }
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
        let started = running.filter_map(|(place, (_, slot))| {
            Some((place, slot.lock().unwrap_or_else(PoisonError::into_inner).clone()?))
        });
        started.collect()
    }

    /// Looks at all replicas, and at what images say.
    pub fn look(&mut self, topic: Option<Place>) {
        let Some(topic) = topic else { return };
        for (place, node) in self.nodes() {
            self.look_at_image(place, &node, topic);
            let node_id = node.broker_id.0;
            let mut hosted = node.replicas.all();
            hosted.retain(|partition| partition.key.topic_id == topic.topic_id);
            hosted.sort_by_key(|partition| partition.key.partition);
            for partition in hosted {
                let (marks, leads) = (partition.marks(), partition.led_since() != LeaderEpoch::NONE);
                let replica = Event::Replica {
                    node: node_id,
                    partition: partition.key.partition,
                    leads,
                    leader_epoch: marks.leader_epoch.0,
                    log_end: marks.log_end.0,
                    high_watermark: marks.high_watermark.0,
                };
                let before = self.replicas.insert((place, partition.key.partition), (marks, leads));
                match before == Some((marks, leads)) {
                    true => self.history.note_again(&replica),
                    false => self.history.note(replica),
                }
            }
        }
    }

    fn look_at_image(&mut self, place: usize, node: &Node, topic: Place) {
        let image = node.image();
        let Some(topic) = image.topics.get(topic.topic_id) else { return };
        for (number, partition) in &topic.partitions {
            let before = self.seen.insert((place, *number), partition.partition_epoch);
            if before == Some(partition.partition_epoch) {
                continue;
            }
            let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect::<Vec<_>>();
            let unfenced = image.brokers.iter().filter(|broker| !broker.fenced).map(|broker| broker.id.0);
            let assigned = Assigned {
                replicas: ids(&partition.replicas),
                isr: ids(&partition.isr),
                eligible: ids(partition.eligible_leaders()),
                leader: partition.leader.0,
                leader_epoch: partition.leader_epoch.0,
                partition_epoch: partition.partition_epoch,
                unfenced: unfenced.collect(),
            };
            self.history.note(Event::Image { node: node.broker_id.0, partition: *number, assigned });
        }
    }

    /// Why not all is well: nothing once every node runs and has every replica of `topic` in sync.
    #[must_use]
    pub fn what_is_missing(&self, topic: Option<Place>) -> Option<String> {
        let nodes = self.nodes();
        if nodes.len() < NODES {
            return Some(format!("{} of {NODES} nodes have started", nodes.len()));
        }
        for (place, node) in nodes {
            let image = node.image();
            let fenced = image.brokers.iter().filter(|broker| broker.fenced).count();
            if fenced > 0 || image.brokers.iter().count() < NODES {
                return Some(format!("node {place} knows of {fenced} fenced brokers"));
            }
            let Some(topic) = topic.and_then(|topic| image.topics.get(topic.topic_id)) else { continue };
            for (number, partition) in &topic.partitions {
                if partition.isr.len() < NODES || !partition.has_leader() {
                    return Some(format!(
                        "node {place} knows partition {number} with leader {} and {:?} in sync",
                        partition.leader, partition.isr
                    ));
                }
            }
        }
        None
    }

    /// Hands over every file of every disk, for a hash.
    pub fn visit_disks(&self, mut file: impl FnMut(&Path, &[u8])) {
        self.stands.values().for_each(|stand| stand.disk.visit(&mut file));
    }
}

/// A node's life.
async fn run(booted: Boot, runtime: Runtime, place: usize, history: &History, slot: &Slot) {
    let Ok(level) = LogLevel::detached("off") else { return };
    match Running::start(booted, FormatPolicy::IfEmpty, level, runtime).await {
        Ok(running) => {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&running.node));
            running.failed().await;
            history.violated("a node goes on", format!("node {place} has stopped by itself"));
        }
        Err(error) => history.violated("a node starts", format!("node {place}: {error:#}")),
    }
}
