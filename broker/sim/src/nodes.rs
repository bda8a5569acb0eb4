//! The simulator's second level: whole nodes, the real server library, and clients in one thread, on virtual clocks, network and disks. One
//! seed is one history, the same in every run. Knows the server from outside, as a machine and a client do, and by what a node shows of its replicas.
//!
//! Not played: topics that are deleted, reassignments, transactions and groups; disks of the quorum that fail or are lost, which the first
//! level has.

pub mod clients;
mod cluster;
mod disks;
mod faults;
pub mod history;
mod invariants;
mod machine;
mod network;
mod panics;
mod scene;

use std::sync::Arc;
use std::time::Duration;

use barnabas_metadata::Bug as ControllerBug;
use barnabas_replica::Bug;
use barnabas_server::runtime::Runtime;
use barnabas_server::{Seeded, ServerBug};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::random::{Random, mix};
use crate::schedule;
use crate::trace::digest_bytes;
use clients::{Consumer, Link, Place, Producer};
use cluster::{Cluster, NODES};
use faults::{FAULTS_LAST, Fault};
use history::{Acks, COMPARED, Ended, Event, History, NEEDED};
use invariants::LAST_READERS;
use machine::Machine;
use network::Network;
use scene::Scene;

/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_millis(25);
/// How long everything may take to be well again once nothing fails any more. The figure "milliseconds until well" says what it takes.
const WELL_WITHIN: Duration = Duration::from_secs(30);
/// How long clients may take to end what they have begun.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a node may take to stop in order where all is well: `barnabas.shutdown.grace.ms` and what closing takes.
const STOPS_WITHIN: Duration = Duration::from_secs(40);

/// Bugs that hundreds of these histories do not find, and why: what shows them comes together too seldom, or cannot come.
pub const HIDDEN: &[(Seeded, &str)] = &[
    (
        Seeded::Replica(Bug::ForgetsPendingExpansion),
        "who is caught up counts anyway: who joins has to fall behind for replica.lag.time.max.ms while the answer is lost, and then to lead",
    ),
    (
        Seeded::Replica(Bug::ExpandsBeforeEpochStart),
        "who joins has to end between what a new leader knows as committed and where it begins: a few records, for milliseconds",
    ),
    (
        Seeded::Replica(Bug::IgnoresBrokerEpochs),
        "a process has to start anew, with less, between a Fetch and the proposal that follows it",
    ),
    (
        Seeded::Replica(Bug::LeadsAgain),
        "nobody is served before the broker has registered, which ends the leadership of before",
    ),
    (
        Seeded::Replica(Bug::KeepsEndsOfOlderEpochs),
        "a leader has to miss the metadata of another's leadership altogether",
    ),
    (
        Seeded::Replica(Bug::IgnoresWhatWasAsked),
        "an answer has to be under way while the log is cut: once in a thousand histories or more",
    ),
    (
        Seeded::Replica(Bug::BelievesLateAnswers),
        "an answer has to come after the proposal that follows it was made, and one that says an older state is refused all the same",
    ),
    (
        Seeded::Controller(ControllerBug::IgnoresPartitionEpochs),
        "a fenced member is refused all the same: it has to be let in again while the old proposal is under way",
    ),
    (
        Seeded::Controller(ControllerBug::IgnoresLeaderEpochs),
        "as for partition epochs, and a leader that was deposed is fenced most times, and proposes itself",
    ),
    (
        Seeded::Controller(ControllerBug::IgnoresMemberEpochs),
        "a process has to start anew, with less, between a Fetch and the proposal that follows it",
    ),
    (
        Seeded::Server(ServerBug::CountsSyncsBeforeCuts),
        "a log has to be cut while one of its syncs is under way, and what comes to the same offsets has to be counted before the next sync ends",
    ),
    (Seeded::Server(ServerBug::FollowsOlderEpochs), "an answer has to be taken over after its fetcher was told to end"),
    (
        Seeded::Server(ServerBug::LeaderForgetsItsEpoch),
        "clients go on writing, and the first record mends it: that nobody writes any more has to meet a leader that missed an epoch",
    ),
];

/// Plays the history of `seed`, with `bug` in every node; keeps the text of it if asked.
#[must_use]
pub fn play(seed: u64, bug: Option<Seeded>, with_text: bool) -> Ended {
    panics::watch();
    runtime().block_on(async { World::new(seed, bug, with_text).play().await })
}

/// One whose clock stands still until nothing is left to do.
fn runtime() -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    built.unwrap_or_else(|error| out_of_resources(&error))
}

#[expect(clippy::panic, reason = "the real machine gives no runtime: no history can be played on it")]
fn out_of_resources(error: &std::io::Error) -> ! {
    panic!("no runtime for a history: {error}")
}

struct World {
    cluster: Cluster,
    history: History,
    random: Random,
    scene: Scene,
    /// The topics there are, in the order of the scene.
    places: Vec<Place>,
    clients: Arc<Machine>,
    /// Something was taken away that others have: until all have it again, nothing else is.
    mends: bool,
    /// What comes by itself, and when.
    later: Vec<(Instant, Later)>,
}

/// The end of a fault, or what it has next.
#[derive(Debug)]
enum Later {
    Start(usize),
    AskAgain(usize),
    Restart(usize),
    GoOn(usize),
    Free(Vec<(usize, usize)>),
    Quicken((usize, usize)),
    QuickDisk(usize),
    Kill(usize, Duration),
    CutPower(usize, Duration),
}

/// Where clients are.
const CLIENTS: usize = NODES + 1;

impl World {
    fn new(seed: u64, bug: Option<Seeded>, with_text: bool) -> Self {
        let mut random = Random::new(mix(seed));
        let scene = Scene::draw(seed, &mut random);
        let history = History::new(&scene, with_text);
        let network = Network::new(random.fork());
        let mut cluster = Cluster::new(network, history.clone(), scene.clone(), bug, random.fork());
        let clients = cluster.client_machine(CLIENTS);
        Self { cluster, history, random, scene, places: Vec::new(), clients, mends: false, later: Vec::new() }
    }

    async fn play(mut self) -> Ended {
        (1..=NODES).for_each(|place| self.cluster.start(place));
        self.history.note(Event::Scene(format!("{:?}", self.scene)));
        if self.well_again("forming").await && self.make_topics().await && self.well_again("topics").await {
            let (stopping, stop) = watch::channel(false);
            let producers = self.producers(&stop);
            let consumers = self.consumers(&stop);
            self.faults().await;
            self.peace().await;
            if self.scene.rolls {
                self.roll().await;
            }
            stopping.send_replace(true);
            if self.ended(producers, "a producer's last batch").await
                && self.ended(consumers, "a consumer's last fetch").await
                && self.well_again("the end").await
            {
                let readers = self.last_readers();
                self.ended(readers, "reading whole partitions").await;
                self.cluster.tell_what_is_stored(&self.places);
                self.compared();
                for what in NEEDED.into_iter().filter(|what| self.history.count(what) == 0) {
                    self.history.violated("something happens", format!("{what} 0"));
                }
            }
        }
        let mut ended = self.history.end();
        self.cluster.visit_disks(|path, bytes| {
            let hash = digest_bytes(digest_bytes(0, path.as_os_str().as_encoded_bytes()), bytes);
            ended
                .trace
                .note(schedule::Instant(0), &[hash], || format!("left on a disk: {} {hash:016x}", path.display()));
        });
        ended
    }

    /// Every replica there is was compared.
    fn compared(&self) {
        let replicas: i16 = self.scene.shapes.iter().map(|shape| shape.replicas).sum();
        let compared = self.history.count(COMPARED);
        if Ok(compared) != u64::try_from(replicas) {
            self.history.violated("every log is compared", format!("{compared} of {replicas}"));
        }
    }

    /// Lets time pass, and looks at the nodes meanwhile.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.history.is_violated() {
            tokio::time::sleep(LOOK.min(until - Instant::now())).await;
            self.come().await;
            if let Some(panic) = panics::take() {
                self.history.violated("no task panics", panic);
            }
            self.cluster.look(&self.places);
        }
    }

    /// Lets time pass as long as something is `missing`, and no longer than `patience`: true once nothing is, and nothing was violated.
    async fn until(&mut self, patience: Duration, missing: impl Fn(&Self) -> Option<String>) -> bool {
        let deadline = Instant::now() + patience;
        while let Some(missing) = missing(self) {
            if Instant::now() > deadline {
                self.history.violated("liveness", missing);
            }
            if self.history.is_violated() {
                return false;
            }
            self.pass(LOOK * 4).await;
        }
        !self.history.is_violated()
    }

    async fn well_again(&mut self, what: &str) -> bool {
        let began = Instant::now();
        let missing = |world: &Self| Some(format!("{what}: {}", world.cluster.what_is_missing(&world.places)?));
        let is_well = self.until(WELL_WITHIN, missing).await;
        self.history.took("milliseconds until well", began.elapsed());
        is_well
    }

    /// Stops each node in order and starts it again, one after the other, as who brings a new version does. Clients go on.
    async fn roll(&mut self) {
        for place in 1..=NODES {
            if !self.well_again("before an orderly stop").await {
                return;
            }
            self.history.note(Event::Stops { place });
            self.cluster.ask_to_stop(place);
            let began = Instant::now();
            let runs =
                |world: &Self| (!world.cluster.has_stopped(place)).then(|| format!("node {place} does not stop"));
            if !self.until(STOPS_WITHIN, runs).await {
                return;
            }
            self.history.took("milliseconds for an orderly stop", began.elapsed());
            self.restart(place).await;
            if !self.well_again("after an orderly stop").await {
                return;
            }
            self.history.note(Event::Rolled { place });
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        Runtime::simulated(Arc::clone(&self.clients) as Arc<dyn barnabas_server::runtime::simulated::Machine>)
            .spawn_data(task)
    }

    fn link(&mut self, name: &str) -> Link {
        Link::new(NODES, name, self.random.fork())
    }

    async fn make_topics(&mut self) -> bool {
        for (number, shape) in (0..).zip(self.scene.shapes.clone()) {
            let deadline = Instant::now() + PATIENCE;
            let mut topic = None;
            while topic.is_none() && Instant::now() < deadline && !self.history.is_violated() {
                let mut link = self.link("creator");
                let (made, is_made) = tokio::sync::oneshot::channel();
                let task = self.spawn(async move {
                    _ = made.send(clients::create_topic(&mut link, number, shape).await);
                });
                _ = task.await;
                topic = is_made.await.ok().flatten();
                self.pass(LOOK * 4).await;
            }
            match topic {
                Some(topic_id) => self.places.push(Place { topic_id, number }),
                None => self.history.violated("liveness", format!("topic {number} could not be made")),
            }
        }
        self.places.len() == self.scene.shapes.len()
    }

    fn producers(&mut self, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let mut number = 0;
        let mut tasks = Vec::new();
        for place in self.places.clone() {
            for acks in [Acks::All, Acks::All, Acks::Leader, Acks::None] {
                let link = self.link(&format!("producer-{number}"));
                let (random, history) = (self.random.fork(), self.history.clone());
                let disks = self.cluster.disks();
                let producer = Producer { number, acks, place, link, random, history, disks };
                tasks.push(self.spawn(clients::produce(producer, stop.clone())));
                number += 1;
            }
        }
        tasks
    }

    fn consumers(&mut self, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        for (number, place) in (0..).zip(self.places.clone().into_iter().cycle().take(2 * self.places.len())) {
            let consumer = self.consumer(number, place);
            tasks.push(self.spawn(clients::consume(consumer, stop.clone())));
        }
        tasks
    }

    fn last_readers(&mut self) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        for (number, place) in (LAST_READERS..).zip(self.places.clone()) {
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
        let runs = |task: &JoinHandle<()>| !task.is_finished();
        let late = || format!("{what} has not ended {PATIENCE:?} after the last fault");
        self.until(PATIENCE, |_| tasks.iter().any(runs).then(late)).await
    }

    async fn faults(&mut self) {
        let until = Instant::now() + FAULTS_LAST;
        if self.scene.is_quiet {
            return self.pass(FAULTS_LAST / 2).await;
        }
        while Instant::now() < until && !self.history.is_violated() {
            let pause = faults::pause(&mut self.random);
            self.pass(pause).await;
            let leaders = self.cluster.leaders(&self.places);
            let fault = faults::draw(&mut self.random, NODES, &leaders);
            let fault = self.allowed(fault);
            self.history.note(Event::Fault(format!("{fault:?}")));
            self.begin(fault).await;
        }
    }

    /// The fault, or another. What takes away what nobody else may be known to have proves nothing: it comes only where all is well and nothing
    /// else is under way, and nothing comes then until all is well again; or where it meets a machine that nobody counts on.
    fn allowed(&mut self, fault: Fault) -> Fault {
        let is_well = self.cluster.what_is_missing(&self.places).is_none();
        if self.mends && !is_well {
            return Fault::Elect;
        }
        self.mends = false;
        let loses = match &fault {
            Fault::PowerCut { .. } | Fault::FailDisk { .. } => self.scene.is_fragile(),
            Fault::LoseDisk { .. } => true,
            _ => false,
        };
        let may_lose = is_well && self.later.is_empty() && self.scene.has_spare_disks();
        match fault {
            fault if !loses => fault,
            Fault::PowerCut { ref places, back } if places.len() > 1 || !may_lose => match self.cluster.spare() {
                Some(spare) => Fault::PowerCut { places: vec![spare], back },
                None if places.len() > 1 => Fault::Elect,
                None => Fault::Kill { place: places.first().copied().unwrap_or(1), back },
            },
            fault if may_lose => {
                self.mends = true;
                fault
            }
            Fault::LoseDisk { place, back, .. } => Fault::Kill { place, back },
            Fault::FailDisk { place, lasts, .. } => Fault::Stop { place, twice: false, back: lasts },
            _ => Fault::Elect,
        }
    }

    async fn begin(&mut self, fault: Fault) {
        let now = Instant::now();
        match fault {
            Fault::Kill { place, back } => self.kill(place, back).await,
            Fault::Stop { place, twice, back } => {
                self.cluster.ask_to_stop(place);
                if twice {
                    self.later.push((now + back / 2, Later::AskAgain(place)));
                }
                self.later.push((now + back, Later::Restart(place)));
            }
            Fault::PowerCut { places, back } => {
                self.cluster.cut_power(&places).await;
                self.later.extend(places.into_iter().map(|place| (now + back, Later::Start(place))));
            }
            Fault::Pause { place, lasts } => {
                self.cluster.set_paused(place, true);
                self.later.push((now + lasts, Later::GoOn(place)));
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
                self.later.push((now + lasts, Later::Quicken((from, to))));
            }
            Fault::Disconnect { place } => self.cluster.network().lose_connections(place),
            Fault::SlowDisk { place, takes, lasts } => {
                self.cluster.set_sync_takes(place, takes);
                self.later.push((now + lasts, Later::QuickDisk(place)));
            }
            Fault::SlowDiskAndPowerCut { place, takes, after, back } => {
                self.cluster.set_sync_takes(place, takes);
                self.later.push((now + after, Later::CutPower(place, back)));
            }
            Fault::KillTwo { places: [one, other], after, back } => {
                self.kill(one, back).await;
                self.later.push((now + after, Later::Kill(other, back)));
            }
            Fault::FailDisk { place, disk, lasts } => {
                self.cluster.fail_disk(place, disk);
                self.later.push((now + lasts, Later::Restart(place)));
            }
            Fault::LoseDisk { place, disk, back } => {
                self.kill(place, back).await;
                self.cluster.lose_disk(place, disk);
            }
            Fault::Elect => {
                let link = self.link("elector");
                drop(self.spawn(clients::elect_preferred(link)));
            }
        }
    }

    async fn kill(&mut self, place: usize, back: Duration) {
        self.cluster.kill(place).await;
        self.later.push((Instant::now() + back, Later::Start(place)));
    }

    fn cut(&mut self, ways: Vec<(usize, usize)>, until: Instant) {
        ways.iter().for_each(|way| self.cluster.network().set_cut(*way, true));
        self.later.push((until, Later::Free(ways)));
    }

    /// What is due comes.
    async fn come(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, later) in due {
            self.history.note(Event::Fault(format!("then: {later:?}")));
            match later {
                Later::Start(place) => self.cluster.start(place),
                Later::AskAgain(place) => self.cluster.ask_to_stop(place),
                Later::Restart(place) => self.restart(place).await,
                Later::GoOn(place) => self.cluster.set_paused(place, false),
                Later::Free(ways) => ways.iter().for_each(|way| self.cluster.network().set_cut(*way, false)),
                Later::Quicken(way) => self.cluster.network().set_slow(way, None),
                Later::QuickDisk(place) => self.cluster.set_sync_takes(place, Duration::ZERO),
                Later::Kill(place, back) => self.kill(place, back).await,
                Later::CutPower(place, back) => {
                    let fault = self.allowed(Fault::PowerCut { places: vec![place], back });
                    Box::pin(self.begin(fault)).await;
                    // Another fault may have taken its place, which leaves the machine on.
                    self.cluster.set_sync_takes(place, Duration::ZERO);
                }
            }
        }
    }

    /// Starts a node, whatever has become of it.
    async fn restart(&mut self, place: usize) {
        self.cluster.kill(place).await;
        self.cluster.start(place);
    }

    /// All faults end, and none begins.
    async fn peace(&mut self) {
        self.later.retain(|(_, later)| !matches!(later, Later::Kill(..)));
        for (at, later) in &mut self.later {
            *at = Instant::now();
            if let Later::CutPower(place, _) = later {
                *later = Later::QuickDisk(*place);
            }
        }
        self.come().await;
        self.cluster.network().heal();
        self.history.note(Event::Peace);
        self.pass(Duration::from_secs(2)).await;
    }
}

#[cfg(test)]
mod tests;
