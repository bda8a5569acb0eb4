//! What all partitions of a broker share: who it is, what the metadata says of the other brokers, and the places where partitions leave what
//! they cannot do by themselves, fetching, asking the controller and telling it. Does nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use barnabas_metadata::{Image, ReplicaPlace};
use barnabas_replica::{Around, BrokerState, Brokers, InSyncMember, LeaderRecoveryState, Settings};
use barnabas_types::{BrokerId, LeaderEpoch, Now, TopicIdPartition};
use tokio::sync::Notify;

use super::departures::Departures;
use super::directory_reports::Places;
use super::fetchers::{Fetchers, Following};
use super::recorder::Recorders;
use super::roles::Again;
use crate::bug::Bug;
use crate::recordings::LeftRecordings;

static NOBODY: Brokers = Brokers(BTreeMap::new());

/// See the module.
pub struct Surroundings {
    clock: Box<dyn Fn() -> Now + Send + Sync>,
    own: BrokerId,
    own_epoch: AtomicI64,
    brokers: ArcSwap<Brokers>,
    /// `replica.lag.time.max.ms`
    pub(super) lag_time_max_ms: u64,
    pub(super) fetchers: Fetchers,
    departures: Departures,
    /// Where recordings go, and how much of the memory for them is taken.
    pub(super) recordings: OnceLock<LeftRecordings>,
    pub(super) recorders: Arc<Recorders>,
    /// The newest of each partition.
    proposals: Mutex<BTreeMap<TopicIdPartition, Proposal>>,
    proposed: Notify,
    /// Those that could not look, and why they should.
    missed_looks: Mutex<BTreeSet<(TopicIdPartition, Again)>>,
    missed_look: Notify,
    /// In which directories replicas lie, as far as the controller is to be told.
    pub(super) places: Places,
    /// What has come of them.
    pub(super) isr_changes: IsrChanges,
    /// A bug that a simulation has put in.
    #[cfg(feature = "simulated")]
    pub(super) bug: OnceLock<crate::bug::Seeded>,
}

/// How often ISRs have changed since the start.
#[derive(Debug, Default)]
pub struct IsrChanges {
    /// Somebody has left.
    pub shrunk: AtomicU64,
    /// Somebody has joined.
    pub expanded: AtomicU64,
    /// A change was not done.
    pub failed: AtomicU64,
}

/// A change of a partition's ISR that its leader asks the controller for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Names it to the replica.
    pub number: u64,
    /// The epoch of the leader.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of the state that it would change.
    pub partition_epoch: i32,
    /// The in-sync replicas to be.
    pub isr: Vec<InSyncMember>,
    /// Whether the partition has recovered from an unclean election.
    pub recovery: LeaderRecoveryState,
}

impl Surroundings {
    /// Those of broker `own`, before it is registered and knows of others.
    #[must_use]
    pub fn new(clock: impl Fn() -> Now + Send + Sync + 'static, own: BrokerId, lag_time_max_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            clock: Box::new(clock),
            own,
            own_epoch: AtomicI64::new(-1),
            brokers: ArcSwap::default(),
            lag_time_max_ms,
            fetchers: Fetchers::default(),
            departures: Departures::default(),
            recordings: OnceLock::new(),
            recorders: Arc::default(),
            proposals: Mutex::default(),
            proposed: Notify::new(),
            missed_looks: Mutex::default(),
            missed_look: Notify::new(),
            places: Places::new(own),
            isr_changes: IsrChanges::default(),
            #[cfg(feature = "simulated")]
            bug: OnceLock::new(),
        })
    }

    /// Puts a bug in, for a simulation to find.
    #[cfg(feature = "simulated")]
    pub fn put_in(&self, bug: crate::bug::Seeded) {
        _ = self.bug.set(bug);
    }

    /// True when `bug` was put in.
    #[cfg(feature = "simulated")]
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug.get() == Some(&crate::bug::Seeded::Server(bug))
    }

    /// Nothing that is released has one.
    #[cfg(not(feature = "simulated"))]
    #[expect(clippy::unused_self, reason = "the other form looks at it")]
    pub(crate) const fn has(&self, _bug: Bug) -> bool {
        false
    }

    /// Both clocks.
    pub(super) fn now(&self) -> Now {
        (self.clock)()
    }

    /// The epoch of this broker's registration; -1 before the first.
    #[must_use]
    pub fn own_epoch(&self) -> i64 {
        self.own_epoch.load(Ordering::Acquire)
    }

    /// This broker is registered in `epoch` from here on.
    pub fn registered(&self, epoch: i64) {
        self.own_epoch.store(epoch, Ordering::Release);
    }

    /// How often ISRs have changed.
    #[must_use]
    pub const fn isr_changes(&self) -> &IsrChanges {
        &self.isr_changes
    }

    /// What is fetched from other brokers.
    #[must_use]
    pub fn following(&self) -> Following {
        self.fetchers.following()
    }

    /// Who has ended a moment ago.
    #[must_use]
    pub const fn departures(&self) -> &Departures {
        &self.departures
    }

    /// True for a broker that has ended a moment ago, which the metadata need not say yet.
    #[must_use]
    pub fn leaves(&self, broker: BrokerId) -> bool {
        self.departures.leaves(broker, || self.now().monotonic)
    }

    /// True for a broker that has ended a short time ago, which clients are still told of.
    #[must_use]
    pub fn was_there(&self, broker: BrokerId) -> bool {
        self.departures.was_there(broker, || self.now().monotonic)
    }

    /// This broker.
    #[must_use]
    pub const fn own(&self) -> BrokerId {
        self.own
    }

    /// Takes over what the metadata says of brokers.
    pub fn set_brokers(&self, brokers: impl Iterator<Item = (BrokerId, BrokerState)>) {
        let (before, brokers) = (self.brokers.load(), Brokers(brokers.collect()));
        for (&broker, state) in &brokers.0 {
            match (before.0.get(&broker).map(|before| before.is_fenced), state.is_fenced) {
                (Some(false), true) => self.departures.gone(broker, self.now().monotonic),
                (Some(true), false) => self.departures.is_there(broker),
                _ => {}
            }
        }
        self.brokers.store(Arc::new(brokers));
    }

    /// What a replica whose topic has `settings` looks at.
    pub(super) fn look<T>(&self, settings: &Settings, is_alone: bool, with: impl FnOnce(&Around<'_>) -> T) -> T {
        let (own, own_epoch) = (self.own, self.own_epoch());
        if is_alone {
            return with(&Around { own, own_epoch, settings, brokers: &NOBODY });
        }
        let brokers = self.brokers.load();
        with(&Around { own, own_epoch, settings, brokers: &brokers })
    }

    /// As `look` where the replica is not alone; also hands on who the brokers are kept by.
    pub(super) fn look_at_brokers<T>(
        &self,
        settings: &Settings,
        with: impl FnOnce(&Around<'_>, &Arc<Brokers>) -> T,
    ) -> T {
        let brokers = self.brokers.load();
        with(&Around { own: self.own, own_epoch: self.own_epoch(), settings, brokers: &brokers }, &brokers)
    }

    /// From now on recordings of partitions that break are left here.
    pub fn leave_recordings(&self, recordings: LeftRecordings) {
        _ = self.recordings.set(recordings);
    }

    /// The replicas lie there, and `image` is in force: the controller is told what it does not know.
    pub fn noticed_places(&self, image: &Image, places: impl Iterator<Item = (TopicIdPartition, ReplicaPlace)>) {
        self.places.noticed(image, places, self.now().monotonic);
    }

    /// How many replicas the controller does not know the directory of yet.
    #[must_use]
    pub fn unreported_directories(&self) -> usize {
        self.places.reports().len()
    }

    /// A partition has something to ask the controller; what it asked before and nobody has taken is worth nothing any more. That may come
    /// later than what it asked after it, because the partition's lock is not held here.
    pub(super) fn propose(&self, partition: TopicIdPartition, proposal: Proposal) {
        let mut waiting = self.waiting_proposals();
        if waiting.get(&partition).is_none_or(|known| known.number <= proposal.number) {
            waiting.insert(partition, proposal);
        }
        drop(waiting);
        self.proposed.notify_one();
    }

    /// A partition could not look at its surroundings for the reason of `again`, because somebody holds its lock: it is to try later.
    pub(super) fn look_later(&self, partition: TopicIdPartition, again: Again) {
        self.waiting_looks().insert((partition, again));
        self.missed_look.notify_one();
    }

    /// Which partitions have not looked, and for which reason, once there are any.
    pub(crate) async fn missed_looks(&self) -> BTreeSet<(TopicIdPartition, Again)> {
        loop {
            let missed = std::mem::take(&mut *self.waiting_looks());
            if !missed.is_empty() {
                return missed;
            }
            self.missed_look.notified().await;
        }
    }

    fn waiting_looks(&self) -> MutexGuard<'_, BTreeSet<(TopicIdPartition, Again)>> {
        self.missed_looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What partitions ask the controller, once there is anything.
    pub(super) async fn proposals(&self) -> BTreeMap<TopicIdPartition, Proposal> {
        loop {
            let waiting = std::mem::take(&mut *self.waiting_proposals());
            if !waiting.is_empty() {
                return waiting;
            }
            self.proposed.notified().await;
        }
    }

    fn waiting_proposals(&self) -> MutexGuard<'_, BTreeMap<TopicIdPartition, Proposal>> {
        self.proposals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("own", &self.own).finish_non_exhaustive()
    }
}
