//! One hosted partition: leadership and log under one lock, settings beside it, and the lists of those who wait for its
//! marks. Appending and reading are in files of their own.

use std::sync::atomic::AtomicI32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

use arc_swap::ArcSwap;
use barnabas_log::{FlushTicket, Log, LogConfig};
use barnabas_protocol::ErrorCode;
use barnabas_records::AppendRules;
use barnabas_replica::{Around, Durability, Effect, Input, Opened, Refusal, Replica};
use barnabas_types::{LeaderEpoch, Offset, TopicIdPartition, TopicPartition, Uuid};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::news::{Moved, Watchers};
use super::recorder::Recorder;
use super::surroundings::Surroundings;
use crate::bug::Bug;
use crate::storage::{Condition, Flusher, SyncAsked, UNHURRIED_MS};
use crate::waiting::WaitList;

/// What somebody waits for, asked of the replica.
type Reached = fn(&Replica, Offset, &Around<'_>) -> Result<bool, Refusal>;

/// A topic's settings as its partitions need them.
#[derive(Clone, Debug)]
pub struct PartitionConfig {
    /// Segments, indexes, retention.
    pub log: Arc<LogConfig>,
    /// What a produced batch must keep to.
    pub rules: AppendRules,
    /// When a record counts as kept.
    pub durability: Durability,
    /// `min.insync.replicas`
    pub min_insync_replicas: usize,
    /// `flush.messages`: no reply leaves while so many records or more are not synced.
    pub flush_messages: i64,
    /// `flush.ms`: a record is synced within so long.
    pub flush_ms: i64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
}

impl PartitionConfig {
    /// How a follower keeps what it has fetched before it fetches on: that is what it is counted for.
    pub(super) fn kept_before_fetching_on(&self) -> Durability {
        match self.durability {
            Durability::Replicated if self.flush_messages == i64::MAX => Durability::Replicated,
            Durability::Replicated | Durability::Fsync => Durability::Fsync,
        }
    }
}

impl Default for PartitionConfig {
    /// Kafka's defaults, and every acknowledged record on disk.
    fn default() -> Self {
        Self {
            log: Arc::default(),
            rules: AppendRules::default(),
            durability: Durability::Fsync,
            min_insync_replicas: 1,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
        }
    }
}

/// Offsets of a partition at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The first offset that may be read.
    pub log_start: Offset,
    /// The next record's offset.
    pub log_end: Offset,
    /// Consumers read below this; acks=all waits for it.
    pub high_watermark: Offset,
    /// Read-committed consumers read below this: no transaction is open there.
    pub last_stable_offset: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}

/// A partition this broker hosts.
#[derive(Debug)]
pub struct Partition {
    /// Its topic's id and its number.
    pub key: TopicIdPartition,
    /// Its topic's name and its number.
    pub name: TopicPartition,
    /// The log directory it lies in.
    pub directory: Uuid,
    pub(super) config: ArcSwap<PartitionConfig>,
    pub(super) flusher: Arc<Flusher>,
    /// Made when somebody waits for the first time.
    past_watermark: OnceLock<Arc<WaitList>>,
    /// Those who wait for deleted records to be deleted everywhere. Made when somebody does for the first time.
    deletions: OnceLock<Arc<WaitList>>,
    /// Fetch sessions. Made when one watches for the first time.
    watchers: OnceLock<Arc<Watchers>>,
    /// The sync that is asked for and has not begun.
    pub(crate) sync_asked: SyncAsked,
    pub(super) surroundings: Arc<Surroundings>,
    /// The epoch in which this broker began to lead, and has led since without anybody in between; -1 when it does not lead. Changes under the
    /// lock.
    pub(super) led_since: AtomicI32,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) log: Log,
    pub(super) replica: Replica,
    /// None in a partition that nobody uses and that has no other replicas: there are very many.
    pub(super) in_use: Option<Box<InUse>>,
}

/// What only a partition has that is used.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// Empty; memory for what comes of the next append.
    pub(super) effects: Vec<Effect>,
    /// Where there are other replicas.
    pub(super) recorder: Option<Box<Recorder>>,
}

impl State {
    /// The epoch in which this broker leads.
    pub(super) fn leading(&self) -> Result<LeaderEpoch, ErrorCode> {
        let epoch = self.replica.leading().map_err(error_code)?;
        if self.log.is_offline() { Err(ErrorCode::KAFKA_STORAGE_ERROR) } else { Ok(epoch) }
    }

    /// As `leading`, and the epoch must be the one the client believes in, where it says so (KIP-320): that is asked first.
    pub(super) fn leading_in(&self, believed: i32) -> Result<LeaderEpoch, ErrorCode> {
        self.replica.check_epoch((believed >= 0).then_some(LeaderEpoch(believed))).map_err(error_code)?;
        self.leading()
    }

    pub(super) fn marks(&self) -> Marks {
        Marks {
            log_start: self.log.log_start(),
            log_end: self.log.log_end(),
            high_watermark: self.replica.high_watermark(),
            last_stable_offset: self.log.last_stable_offset(self.replica.high_watermark()),
            leader_epoch: self.replica.leader_epoch(),
        }
    }

    /// True when so much is not synced that Kafka would not have answered before it had synced (`flush.messages`).
    pub(super) fn is_flush_due(&self, config: &PartitionConfig) -> bool {
        self.log.log_end().0.saturating_sub(self.log.durable_end().0) >= config.flush_messages
    }
}

/// Kafka's code for what a replica refuses.
pub(super) const fn error_code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::NotLeaderOrFollower => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        Refusal::UnknownTopicOrPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Refusal::FencedLeaderEpoch => ErrorCode::FENCED_LEADER_EPOCH,
        Refusal::UnknownLeaderEpoch => ErrorCode::UNKNOWN_LEADER_EPOCH,
        Refusal::NotEnoughReplicas => ErrorCode::NOT_ENOUGH_REPLICAS,
        Refusal::NotEnoughReplicasAfterAppend => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        Refusal::OffsetNotAvailable => ErrorCode::OFFSET_NOT_AVAILABLE,
    }
}

impl Partition {
    /// Hosts `log`. It takes no writes before it is told that it leads.
    #[must_use]
    pub fn new(
        (key, name): (TopicIdPartition, TopicPartition),
        directory: Uuid,
        (log, high_watermark, withheld): (Log, Offset, LeaderEpoch),
        config: impl Into<Arc<PartitionConfig>>,
        flusher: Arc<Flusher>,
        surroundings: Arc<Surroundings>,
    ) -> Arc<Self> {
        let (log_end, durable_end) = (log.log_end(), log.durable_end());
        let replica = Replica::new(Opened { high_watermark, log_end, durable_end, withheld });
        Arc::new(Self {
            key,
            name,
            directory,
            config: ArcSwap::new(config.into()),
            flusher,
            past_watermark: OnceLock::new(),
            deletions: OnceLock::new(),
            watchers: OnceLock::new(),
            sync_asked: SyncAsked::default(),
            surroundings,
            led_since: AtomicI32::new(LeaderEpoch::NONE.0),
            state: Mutex::new(State { log, replica, in_use: None }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| self.broken_off(poisoned))
    }

    /// The lock for a request, which must not wait behind a write that hangs.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` while a write to the directory hangs and somebody holds the lock.
    pub(super) fn lock_unless_hanging(&self) -> Result<MutexGuard<'_, State>, ErrorCode> {
        if !self.condition().is_stalled() {
            return Ok(self.lock());
        }
        self.try_lock().ok_or(ErrorCode::KAFKA_STORAGE_ERROR)
    }

    /// The lock for who must never wait; none while somebody else holds it.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(self.broken_off(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Somebody holds the lock, perhaps in a write that hangs.
    pub(crate) fn is_held(&self) -> bool {
        self.try_lock().is_none()
    }

    /// A panic under the lock may have left log and memory in disagreement: the partition is offline until it is opened again.
    fn broken_off<'a>(&self, poisoned: PoisonError<MutexGuard<'a, State>>) -> MutexGuard<'a, State> {
        let mut state = poisoned.into_inner();
        if !state.log.is_offline() {
            tracing::error!(partition = %self.name, "a change of the log broke off; the partition is offline until restart");
            state.log.take_offline();
            self.surroundings.fetchers.unfollow(self.key);
            self.note(Moved::All);
            self.leave_recording(&mut state);
        }
        state
    }

    /// Takes no more requests. Those that wait are woken.
    pub fn stop(&self) {
        let mut state = self.lock();
        let done = self.step(&mut state, Input::Stopped);
        drop(state);
        self.settle(done);
        self.wake_all();
    }

    /// Puts other settings in force; the partitions of a topic share them.
    pub fn set_config(self: &Arc<Self>, config: impl Into<Arc<PartitionConfig>>) {
        let config = config.into();
        self.config.store(Arc::clone(&config));
        let mut state = self.lock();
        state.log.set_config(Arc::clone(&config.log));
        let moved = self.log_moved(&mut state, &self.config.load());
        let changed = self.step(&mut state, Input::SettingsChanged);
        self.fetched_anew(&state);
        self.settle_and_sync(state, moved.and(changed));
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Arc<PartitionConfig> {
        self.config.load_full()
    }

    /// Its offsets now.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.lock().marks()
    }

    /// Its offsets and size for those who show them; none while a write to it hangs.
    #[must_use]
    pub fn figures(&self) -> Option<(Marks, u64)> {
        let state = self.lock_unless_hanging().ok()?;
        Some((state.marks(), state.log.size()))
    }

    /// Bytes of all its segments.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.lock().log.size()
    }

    /// Those who wait for the high watermark.
    #[must_use]
    pub fn watermark_list(&self) -> &Arc<WaitList> {
        self.past_watermark.get_or_init(Arc::default)
    }

    /// Those who wait for the other replicas to delete what was deleted here.
    pub(super) fn deletions(&self) -> &Arc<WaitList> {
        self.deletions.get_or_init(Arc::default)
    }

    /// Another replica may begin later than before, or need not be waited for any more.
    pub(super) fn low_watermark_moved(&self) {
        self.deletions.get().inspect(|list| list.wake_all());
    }

    /// A producer or a consumer waits for the high watermark.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.past_watermark.get().is_some_and(|list| !list.is_empty())
            || self.watchers.get().is_some_and(|watchers| watchers.has_waiting_consumers())
    }

    /// Those who fetch from it and want to know when it moves.
    #[must_use]
    pub fn watchers(&self) -> &Arc<Watchers> {
        self.watchers.get_or_init(Arc::default)
    }

    pub(super) fn watermark_moved(&self, watermark: Offset) {
        if let Some(list) = self.past_watermark.get() {
            list.moved_to(watermark);
        }
        self.note(Moved::HighWatermark);
    }

    /// There are more records, or fewer.
    pub(super) fn log_end_moved(&self) {
        self.note(Moved::LogEnd);
    }

    pub(crate) fn wake_all(&self) {
        self.isr_shrunk();
        self.low_watermark_moved();
        self.note(Moved::All);
    }

    /// Who waits for the watermark looks again: it may stand still from here on.
    pub(super) fn isr_shrunk(&self) {
        self.past_watermark.get().inspect(|list| list.wake_all());
    }

    /// Records have been deleted.
    pub(super) fn log_start_moved(&self) {
        self.note(Moved::LogStart);
    }

    fn note(&self, moved: Moved) {
        if let Some(watchers) = self.watchers.get() {
            watchers.note(moved);
        }
    }

    /// Waits until every record below `end`, which this broker appended while it led since epoch `since`, is kept as the topic's durability
    /// asks.
    ///
    /// # Errors
    /// `REQUEST_TIMED_OUT` at the deadline (the records may still be kept), that this broker has not led all the time, or
    /// `NOT_ENOUGH_REPLICAS_AFTER_APPEND` when its disk does not answer or too few replicas are in sync: the records are in the log, and
    /// clients know that code for ones that may be kept yet.
    pub async fn replicated(
        self: Arc<Self>,
        end: Offset,
        since: LeaderEpoch,
        deadline: Instant,
    ) -> Result<(), ErrorCode> {
        self.reached(Replica::is_kept, end, since, deadline).await
    }

    /// As [`Partition::replicated`], for who tells of records and promises nothing about them: however few have them, and no longer than
    /// the watermark can move.
    ///
    /// # Errors
    /// As there; `NOT_ENOUGH_REPLICAS_AFTER_APPEND` only when the disk does not answer.
    pub async fn settled(self: Arc<Self>, end: Offset, since: LeaderEpoch, deadline: Instant) -> Result<(), ErrorCode> {
        self.reached(Replica::is_settled, end, since, deadline).await
    }

    async fn reached(
        self: Arc<Self>,
        is_reached: Reached,
        end: Offset,
        since: LeaderEpoch,
        deadline: Instant,
    ) -> Result<(), ErrorCode> {
        let waiter = Arc::new(Notify::new());
        loop {
            let _parked = self.watermark_list().park(Offset(end.0.saturating_sub(1)), &waiter);
            if self.has_reached(is_reached, end, since)? {
                return Ok(());
            }
            self.hurry_sync();
            if tokio::time::timeout_at(deadline, waiter.notified()).await.is_err() {
                return Err(ErrorCode::REQUEST_TIMED_OUT);
            }
        }
    }

    /// Whether records with acks=all are taken, as far as that hangs on how many replicas are in sync.
    pub(crate) fn has_min_isr(&self) -> bool {
        // Behind a write that hangs nobody waits to be told: the append says what is wrong.
        let Ok(state) = self.lock_unless_hanging() else { return true };
        !state.replica.has_others()
            || !self.look(&self.config.load(), false, |around| state.replica.is_under_min_isr(around))
    }

    fn has_reached(&self, is_reached: Reached, end: Offset, since: LeaderEpoch) -> Result<bool, ErrorCode> {
        let Ok(state) = self.lock_unless_hanging() else {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        };
        if self.surroundings.has(Bug::WaitsOnWhenDeposed) {
            return Ok(state.replica.high_watermark() >= end);
        }
        state.leading()?;
        if self.led_since() != since {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let config = self.config.load();
        let reached =
            self.look(&config, false, |around| is_reached(&state.replica, end, around)).map_err(error_code)?;
        if !reached && self.condition().is_slow() {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        }
        Ok(reached)
    }

    /// The condition of its directory.
    pub(crate) fn condition(&self) -> &Condition {
        self.flusher.condition()
    }

    /// Its disk or its log has failed: no request is served from here on, those that wait are answered, and nothing is fetched.
    pub fn take_offline(&self) {
        self.lock().log.take_offline();
        self.surroundings.fetchers.unfollow(self.key);
        self.wake_all();
    }

    /// Runs `change` on the log under the partition's lock, for retention, checkpoints and shutdown. It must not block long: if it does,
    /// that counts as a write that hangs.
    pub fn with_log<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let mut state = self.lock();
        let writing = self.condition().begin_write();
        let seen = |log: &Log| (log.log_start(), log.is_offline());
        let before = seen(&state.log);
        let result = change(&mut state.log);
        let after = seen(&state.log);
        drop(writing);
        drop(state);
        if before != after {
            self.note(if before.1 == after.1 { Moved::LogStart } else { Moved::All });
        }
        result
    }

    /// What must be synced now.
    pub(crate) fn prepare_flush(&self) -> Option<FlushTicket> {
        self.lock().log.prepare_flush()
    }

    /// Takes a sync's result: moves the marks and wakes who waited for them. A failed sync takes the directory offline.
    pub(crate) fn flushed(&self, ticket: FlushTicket) {
        let mut state = self.lock();
        #[cfg(feature = "simulated")]
        let ticket = match self.surroundings.has(crate::bug::Bug::CountsSyncsBeforeCuts) {
            true => ticket.ignore_cuts(&state.log),
            false => ticket,
        };
        let result = state.log.flushed(ticket);
        let done = self.log_moved(&mut state, &self.config.load());
        if let Ok(durable_end) = result {
            // Under the lock: later the log may have been cut, and what was appended since is not synced.
            self.surroundings.fetchers.synced(self.key, durable_end);
        }
        drop(state);
        match result {
            Ok(_) => self.settle(done),
            Err(error) => {
                self.condition().fail(&error);
                self.wake_all();
            }
        }
    }

    /// After an append: a sync must be asked for.
    pub(super) fn appended(self: &Arc<Self>, config: &PartitionConfig, is_flush_due: bool) {
        match config.durability {
            Durability::Replicated => {
                if is_flush_due {
                    self.flusher.ask(self);
                } else if let Some(within) = milliseconds_unless_never(config.flush_ms) {
                    self.flusher.ask_within(self, within);
                }
            }
            Durability::Fsync if !self.is_waited_for() && config.flush_ms >= UNHURRIED_MS => {
                self.flusher.ask_unhurried(self);
            }
            Durability::Fsync => self.flusher.ask(self),
        }
    }

    /// After a follower's append. Who waits for it waits at the leader, for all replicas in sync: its sync is never put off where nothing is
    /// fetched before it.
    pub(super) fn appended_as_follower(self: &Arc<Self>) {
        let config = self.config.load();
        match config.kept_before_fetching_on() {
            Durability::Replicated => self.appended(&config, false),
            Durability::Fsync => self.flusher.ask(self),
        }
    }

    /// Somebody waits for what has been appended so far to be kept: it is synced now, if it is a sync that is missing. To miss
    /// nothing, register in the wait list first.
    pub fn hurry_sync(self: &Arc<Self>) {
        let config = self.config.load();
        if config.durability == Durability::Replicated && config.flush_messages == i64::MAX {
            return;
        }
        let Ok(state) = self.lock_unless_hanging() else { return };
        let is_waited_for = config.durability == Durability::Fsync || state.is_flush_due(&config);
        let is_missing = is_waited_for && state.log.has_unsynced_records();
        drop(state);
        if is_missing {
            self.flusher.ask(self);
        }
    }
}

/// Kafka's way to say never is its largest number.
fn milliseconds_unless_never(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().filter(|_| number < i64::MAX).map(Duration::from_millis)
}
