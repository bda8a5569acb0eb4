//! What one broker fetches from one other: which partitions from where, the fetch session (KIP-227), and what to do with each partition's
//! answer. A round costs what has changed since the last, never what is fetched in all. Connects to nobody, and never sees a record.
//!
//! There is one for each peer and each durability: under `fsync` a round begins when what the last one brought is synced, and partitions
//! that need no sync shall not wait for that.

mod answer;
mod effect;
mod input;
mod round;
mod session;
mod slot;
mod truncation;

use std::collections::{BTreeMap, BTreeSet};

use barnabas_types::{Now, TopicIdPartition};

pub use effect::{Effect, FetchPartition, FetchRequest, SetAsideReason};
pub use input::{
    AppendFailure, EpochEnd, FetchAnswer, FetchFailure, Input, LeaderEnds, LogPosition, OwnLog, PartitionAnswer,
    PartitionError, PartitionOutcome,
};
use session::Session;
use slot::{Phase, Slot};

use crate::Settings;
use crate::time::{Millis, millis};

/// How one broker fetches from one other.
#[derive(Clone, Debug)]
pub struct Config {
    /// `replica.fetch.backoff.ms`: how long a partition, or all, wait after an error; at most, where time mends it soon.
    pub backoff_ms: u64,
    /// How long a round waits for syncs. Then it begins without the partitions that are not synced, and does not wait for news for long; no
    /// further round waits for them.
    pub sync_patience_ms: u64,
    /// Settings that all its partitions share: their durability, above all.
    pub settings: Settings,
}

/// The fetches from one peer.
#[derive(Debug)]
pub struct Fetcher {
    config: Config,
    session: Session,
    slots: BTreeMap<TopicIdPartition, Slot>,
    /// Partitions that the session does not know as they are, in the order in which that came about.
    changed: Vec<TopicIdPartition>,
    /// What the session has and nobody wants.
    dropped: BTreeSet<TopicIdPartition>,
    /// How many partitions the session has.
    session_size: usize,
    /// Partitions that wait, by the end of their wait.
    delayed: BTreeSet<(Millis, TopicIdPartition)>,
    /// Partitions whose log does not yet have, or is not yet cut to, what the last round said.
    working: BTreeSet<TopicIdPartition>,
    /// Partitions whose log is not synced to its end, for which the next round waits.
    syncing: BTreeSet<TopicIdPartition>,
    /// Since when there are such.
    syncing_since_ms: Millis,
    /// Partitions whose log is not synced to its end, and for which a round has waited in vain.
    late: BTreeSet<TopicIdPartition>,
    /// The request that is under way.
    outstanding: Option<u64>,
    /// The leader may keep it waiting.
    is_waiting: bool,
    /// Partitions that have become ready since that request was sent, which does not name them as they are.
    overdue: BTreeSet<TopicIdPartition>,
    /// No request is given up before that.
    gives_up_from_ms: Millis,
    last_number: u64,
    /// No request before that.
    not_before_ms: Millis,
    /// Requests that were not answered, one after the other.
    failures: u32,
}

impl Fetcher {
    /// A fetcher of nothing.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            session: Session::default(),
            slots: BTreeMap::new(),
            changed: Vec::new(),
            dropped: BTreeSet::new(),
            session_size: 0,
            delayed: BTreeSet::new(),
            working: BTreeSet::new(),
            syncing: BTreeSet::new(),
            syncing_since_ms: 0,
            late: BTreeSet::new(),
            outstanding: None,
            is_waiting: false,
            overdue: BTreeSet::new(),
            gives_up_from_ms: 0,
            last_number: 0,
            not_before_ms: 0,
            failures: 0,
        }
    }

    /// How many partitions it has, those set aside among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when it has none: it may go once nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many partitions are set aside until the metadata says something new.
    #[must_use]
    pub fn set_aside(&self) -> usize {
        self.slots.values().filter(|slot| slot.phase == Phase::SetAside).count()
    }

    /// Takes one input; pushes what is to be done, in order.
    pub fn handle(&mut self, input: Input, now: Now, out: &mut Vec<Effect>) {
        self.handle_all([input], now, out);
    }

    /// Takes inputs that have come together: a Fetch follows, if at all, when all of them are known. One by one, a request would go out for
    /// the first of many partitions, and the others would wait for its answer.
    pub fn handle_all(&mut self, inputs: impl IntoIterator<Item = Input>, now: Now, out: &mut Vec<Effect>) {
        let now_ms = millis(now.monotonic);
        for input in inputs {
            self.take(input, now_ms, out);
        }
        self.end_waits(now_ms, out);
        self.begin_round(now_ms, out);
    }

    fn take(&mut self, input: Input, now_ms: Millis, out: &mut Vec<Effect>) {
        match input {
            Input::Follow { partition, leader_epoch, log } => {
                self.on_follow(partition, leader_epoch, &log, now_ms, out)
            }
            Input::Unfollow { partition } => self.on_unfollow(partition, out),
            Input::Synced { partition, durable_end } => self.on_synced(partition, durable_end),
            Input::LogStartMoved { partition, log_start } => self.on_log_start_moved(partition, log_start),
            Input::Answered { number, answer } => self.on_answered(number, answer, now_ms, out),
            Input::Appended { partition, leader_epoch, result } => {
                self.on_appended(partition, leader_epoch, result, now_ms, out);
            }
            Input::Truncated { partition, leader_epoch, result } => {
                self.on_appended(partition, leader_epoch, result, now_ms, out);
            }
            Input::LeaderEndsAnswered { partition, leader_epoch, result, own } => {
                self.on_leader_ends(partition, leader_epoch, result, &own, now_ms, out);
            }
            Input::Tick => {}
        }
    }
}
