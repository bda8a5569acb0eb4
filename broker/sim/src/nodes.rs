//! The simulator's second level: whole nodes, the real server library, and clients in one thread, on virtual clocks, network and disks. One
//! seed is one history, the same in every run. Knows the server from outside, as a machine and a client do, and by what a node shows of its replicas.
//!
//! Not played: nodes that are stopped in order, topics that are deleted, reassignments, transactions and groups; disks that fail or are
//! lost. The first level has failing disks for the quorum.

pub mod clients;
mod cluster;
mod faults;
pub mod history;
mod invariants;
mod machine;
mod network;
mod panics;

use std::sync::Arc;
use std::time::Duration;

use barnabas_replica::Bug;
use barnabas_server::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::random::{Random, mix};
use crate::schedule;
use crate::trace::digest_bytes;
use clients::{Consumer, Link, Place, Producer};
use cluster::{Cluster, NODES};
use faults::{FAULTS_LAST, Fault};
use history::{Acks, Ended, Event, History, NEEDED};
use invariants::LAST_READERS;
use machine::Machine;
use network::Network;

const PARTITIONS: i32 = 2;
/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_millis(25);
/// How long everything may take to be well again once nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(120);
/// One history in so many has no faults.
const QUIET: u64 = 8;

/// Plays the history of `seed`, with `bug` in every replica; keeps the text of it if asked.
#[must_use]
pub fn play(seed: u64, bug: Option<Bug>, with_text: bool) -> Ended {
    panics::watch();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => runtime.block_on(async { World::new(seed, bug, with_text).play().await }),
        Err(error) => out_of_resources(&error),
    }
}

#[expect(clippy::panic, reason = "the real machine gives no runtime: no history can be played on it")]
fn out_of_resources(error: &std::io::Error) -> ! {
    panic!("no runtime for a history: {error}")
}

struct World {
    cluster: Cluster,
    history: History,
    random: Random,
    is_quiet: bool,
    topic: Option<Place>,
    clients: Arc<Machine>,
    /// What ends by itself, and when: what is to be undone.
    later: Vec<(Instant, Undo)>,
}

/// The end of a fault.
#[derive(Debug)]
enum Undo {
    Start(usize),
    GoOn(usize),
    Free(Vec<(usize, usize)>),
    Quicken((usize, usize)),
    QuickDisk(usize),
}

/// Where clients are.
const CLIENTS: usize = NODES + 1;

impl World {
    fn new(seed: u64, bug: Option<Bug>, with_text: bool) -> Self {
        let mut random = Random::new(mix(seed));
        let history = History::new(with_text);
        let network = Network::new(random.fork());
        let mut cluster = Cluster::new(network, history.clone(), bug, random.fork());
        let clients = cluster.client_machine(CLIENTS);
        Self { cluster, history, random, is_quiet: seed.is_multiple_of(QUIET), topic: None, clients, later: Vec::new() }
    }

    async fn play(mut self) -> Ended {
        (1..=NODES).for_each(|place| self.cluster.start(place));
        if self.well_again("forming").await && self.make_topic().await && self.well_again("a topic").await {
            let (stopping, stop) = watch::channel(false);
            let producers = self.producers(&stop);
            let consumers = self.consumers(&stop);
            self.faults().await;
            self.peace().await;
            stopping.send_replace(true);
            if self.ended(producers, "a producer's last batch").await
                && self.ended(consumers, "a consumer's last fetch").await
                && self.well_again("the end").await
            {
                let readers = self.last_readers();
                self.ended(readers, "reading whole partitions").await;
                for what in NEEDED.into_iter().filter(|what| self.history.count(what) == 0) {
                    self.history.violated("something happens", format!("{what} 0"));
                }
            }
        }
        let mut hash = 0;
        self.cluster.visit_disks(|path, bytes| {
            hash = digest_bytes(digest_bytes(hash, path.as_os_str().as_encoded_bytes()), bytes);
        });
        let mut ended = self.history.end();
        ended.trace.note(schedule::Instant(0), &[hash], || format!("disks: {hash:016x}"));
        ended
    }

    /// Lets time pass, and looks at the nodes meanwhile.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.history.is_violated() {
            tokio::time::sleep(LOOK.min(until - Instant::now())).await;
            self.undo().await;
            if let Some(panic) = panics::take() {
                self.history.violated("no task panics", panic);
            }
            self.cluster.look(self.topic);
        }
    }

    async fn well_again(&mut self, what: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while let Some(missing) = self.cluster.what_is_missing(self.topic) {
            if Instant::now() > deadline {
                self.history.violated("liveness", format!("{what}: {missing}"));
            }
            if self.history.is_violated() {
                return false;
            }
            self.pass(LOOK * 4).await;
        }
        !self.history.is_violated()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        Runtime::simulated(Arc::clone(&self.clients) as Arc<dyn barnabas_server::runtime::simulated::Machine>)
            .spawn_data(task)
    }

    fn link(&mut self, name: &str) -> Link {
        Link::new(NODES, name, self.random.fork())
    }

    async fn make_topic(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while self.topic.is_none() && Instant::now() < deadline && !self.history.is_violated() {
            let mut link = self.link("creator");
            let (made, is_made) = tokio::sync::oneshot::channel();
            let task = self.spawn(async move {
                _ = made.send(clients::create_topic(&mut link, "topic", PARTITIONS).await);
            });
            _ = task.await;
            self.topic = is_made.await.ok().flatten().map(|topic_id| Place { topic_id, partition: 0 });
            self.pass(LOOK * 4).await;
        }
        if self.topic.is_none() {
            self.history.violated("liveness", "no topic could be made".to_owned());
        }
        self.topic.is_some()
    }

    fn places(&self) -> Vec<Place> {
        let topic = self.topic.into_iter();
        topic.flat_map(|topic| (0..PARTITIONS).map(move |partition| Place { partition, ..topic })).collect()
    }

    fn producers(&mut self, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let mut number = 0;
        let mut tasks = Vec::new();
        for place in self.places() {
            for acks in [Acks::All, Acks::All, Acks::Leader, Acks::None] {
                let link = self.link(&format!("producer-{number}"));
                let (random, history) = (self.random.fork(), self.history.clone());
                let producer = Producer { number, acks, place, link, random, history };
                tasks.push(self.spawn(clients::produce(producer, stop.clone())));
                number += 1;
            }
        }
        tasks
    }

    fn consumers(&mut self, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        for (number, place) in (0..).zip(self.places().into_iter().cycle().take(2 * self.places().len())) {
            let consumer = self.consumer(number, place);
            tasks.push(self.spawn(clients::consume(consumer, stop.clone())));
        }
        tasks
    }

    fn last_readers(&mut self) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        for (number, place) in (LAST_READERS..).zip(self.places()) {
            let consumer = self.consumer(number, place);
            tasks.push(self.spawn(clients::read_whole(consumer)));
        }
        tasks
    }

    fn consumer(&mut self, number: u32, place: Place) -> Consumer {
        let link = self.link(&format!("consumer-{number}"));
        Consumer { number, place, link, history: self.history.clone() }
    }

    /// True once all have ended.
    async fn ended(&mut self, tasks: Vec<JoinHandle<()>>, what: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while tasks.iter().any(|task| !task.is_finished()) {
            if Instant::now() > deadline {
                self.history.violated("liveness", format!("{what} has not ended {PATIENCE:?} after the last fault"));
            }
            if self.history.is_violated() {
                return false;
            }
            self.pass(LOOK * 4).await;
        }
        !self.history.is_violated()
    }

    async fn faults(&mut self) {
        let until = Instant::now() + FAULTS_LAST;
        if self.is_quiet {
            return self.pass(FAULTS_LAST / 2).await;
        }
        while Instant::now() < until && !self.history.is_violated() {
            let pause = Duration::from_millis(self.random.between(50, 3_000));
            self.pass(pause).await;
            let fault = faults::draw(&mut self.random, NODES);
            self.begin(fault).await;
        }
    }

    async fn begin(&mut self, fault: Fault) {
        self.history.note(Event::Fault(format!("{fault:?}")));
        let now = Instant::now();
        match fault {
            Fault::Kill { place, back } => {
                self.cluster.kill(place).await;
                self.later.push((now + back, Undo::Start(place)));
            }
            Fault::PowerCut { places, back } => {
                self.cluster.cut_power(&places).await;
                self.later.extend(places.into_iter().map(|place| (now + back, Undo::Start(place))));
            }
            Fault::Pause { place, lasts } => {
                self.cluster.set_paused(place, true);
                self.later.push((now + lasts, Undo::GoOn(place)));
            }
            Fault::Cut { from, to, both, lasts } => {
                let back = Some((to, from)).filter(|_| both);
                self.cut([(from, to)].into_iter().chain(back).collect(), now + lasts);
            }
            Fault::Isolate { place, lasts } => {
                let others = (1..=NODES).filter(|other| *other != place);
                self.cut(others.flat_map(|other| [(place, other), (other, place)]).collect(), now + lasts);
            }
            Fault::Slow { from, to, longest, lasts } => {
                self.cluster.network().set_slow((from, to), Some(longest));
                self.later.push((now + lasts, Undo::Quicken((from, to))));
            }
            Fault::Disconnect { place } => self.cluster.network().lose_connections(place),
            Fault::SlowDisk { place, takes, lasts } => {
                self.cluster.set_sync_takes(place, takes);
                self.later.push((now + lasts, Undo::QuickDisk(place)));
            }
        }
    }

    fn cut(&mut self, ways: Vec<(usize, usize)>, until: Instant) {
        ways.iter().for_each(|way| self.cluster.network().set_cut(*way, true));
        self.later.push((until, Undo::Free(ways)));
    }

    /// Ends the faults whose time has come.
    async fn undo(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, undo) in due {
            self.history.note(Event::Fault(format!("end: {undo:?}")));
            match undo {
                Undo::Start(place) => self.cluster.start(place),
                Undo::GoOn(place) => self.cluster.set_paused(place, false),
                Undo::Free(ways) => ways.iter().for_each(|way| self.cluster.network().set_cut(*way, false)),
                Undo::Quicken(way) => self.cluster.network().set_slow(way, None),
                Undo::QuickDisk(place) => self.cluster.set_sync_takes(place, Duration::ZERO),
            }
        }
    }

    /// All faults end.
    async fn peace(&mut self) {
        self.later.iter_mut().for_each(|(at, _)| *at = Instant::now());
        self.undo().await;
        self.cluster.network().heal();
        self.history.note(Event::Peace);
        self.pass(Duration::from_secs(2)).await;
    }
}

#[cfg(test)]
mod tests;
