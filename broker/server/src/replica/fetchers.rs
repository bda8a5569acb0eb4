//! Which fetcher has which partition: one for each peer and durability, begun when a partition comes to it, and told what concerns its
//! partitions. Fetches nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barnabas_replica::Durability;
use barnabas_replica::fetcher::{Input, LogPosition};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, TopicIdPartition};
use tokio::sync::Notify;

/// From whom is fetched, and how what is fetched is kept.
pub(super) type FetcherKey = (BrokerId, Durability);

/// Inputs of a fetcher that it has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    inputs: Mutex<Vec<Input>>,
    filled: Notify,
}

impl Inbox {
    fn push(&self, input: Input) {
        self.inputs().push(input);
        self.filled.notify_one();
    }

    /// What has come.
    pub(super) fn take(&self) -> Vec<Input> {
        std::mem::take(&mut *self.inputs())
    }

    /// Returns once something has come.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    fn inputs(&self) -> MutexGuard<'_, Vec<Input>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is fetched from other brokers, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Following {
    /// Brokers and ways to keep from or in which anything is fetched.
    pub fetchers: usize,
    /// Partitions that are fetched.
    pub partitions: usize,
    /// Those among them that wait for the metadata to say something new.
    pub set_aside: usize,
}

/// All fetchers of this broker.
#[derive(Debug, Default)]
pub(super) struct Fetchers {
    state: Mutex<State>,
    begun: Notify,
}

#[derive(Debug, Default)]
struct State {
    inboxes: BTreeMap<FetcherKey, Arc<Inbox>>,
    followed: HashMap<TopicIdPartition, Arc<Inbox>>,
    /// Those that are not fetched before the metadata says something new.
    set_aside: BTreeSet<TopicIdPartition>,
    /// Those that nobody runs yet.
    to_run: Vec<(FetcherKey, Arc<Inbox>)>,
}

impl Fetchers {
    /// The partition is fetched by the fetcher of `key`, and by no other.
    pub(super) fn follow(
        &self,
        partition: TopicIdPartition,
        key: FetcherKey,
        leader_epoch: LeaderEpoch,
        log: LogPosition,
    ) {
        let mut state = self.state();
        let State { inboxes, followed, set_aside, to_run } = &mut *state;
        set_aside.remove(&partition);
        let inbox = inboxes.entry(key).or_insert_with(|| {
            let inbox = Arc::<Inbox>::default();
            to_run.push((key, Arc::clone(&inbox)));
            inbox
        });
        let before = followed.insert(partition, Arc::clone(inbox));
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, inbox)) {
            before.push(Input::Unfollow { partition });
        }
        inbox.push(Input::Follow { partition, leader_epoch, log });
        drop(state);
        self.begun.notify_one();
    }

    /// The partition is fetched no more.
    pub(super) fn unfollow(&self, partition: TopicIdPartition) {
        let mut state = self.state();
        state.set_aside.remove(&partition);
        if let Some(inbox) = state.followed.remove(&partition) {
            inbox.push(Input::Unfollow { partition });
        }
    }

    /// The partition's fetcher waits for the metadata.
    pub(super) fn set_aside(&self, partition: TopicIdPartition) {
        let mut state = self.state();
        if state.followed.contains_key(&partition) {
            state.set_aside.insert(partition);
        }
    }

    /// What is fetched now.
    pub(super) fn following(&self) -> Following {
        let state = self.state();
        let in_use: BTreeSet<_> = state.followed.values().map(Arc::as_ptr).collect();
        Following { fetchers: in_use.len(), partitions: state.followed.len(), set_aside: state.set_aside.len() }
    }

    /// A log was synced.
    pub(super) fn synced(&self, partition: TopicIdPartition, durable_end: Offset) {
        let state = self.state();
        if let Some(inbox) = state.followed.get(&partition) {
            inbox.push(Input::Synced { partition, durable_end });
        }
    }

    /// A log begins later than before.
    pub(super) fn log_start_moved(&self, partition: TopicIdPartition, log_start: Offset) {
        let state = self.state();
        if let Some(inbox) = state.followed.get(&partition) {
            inbox.push(Input::LogStartMoved { partition, log_start });
        }
    }

    /// Fetchers that are to be run, once there are any.
    pub(super) async fn begun(&self) -> Vec<(FetcherKey, Arc<Inbox>)> {
        loop {
            let begun = std::mem::take(&mut self.state().to_run);
            if !begun.is_empty() {
                return begun;
            }
            self.begun.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
