//! A hosted partition's replica between its log and the rest of the node: inputs go in under the partition's lock, what it asks for is done
//! there or, after the lock is released, left with those who ask the controller. Decides nothing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use barnabas_log::Log;
use barnabas_metadata::{Partition as Assignment, RecoveryState, directory_id};
use barnabas_replica::fetcher::LogPosition;
use barnabas_replica::{AlterAnswer, Around, Assigned, Durability, Effect, Input, LeaderRecoveryState, Settings};
use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Uuid};

use super::hosted::State;
use super::surroundings::Proposal;
use super::{Partition, PartitionConfig};
use crate::bug::Bug;

/// What is left to do once the partition's lock is released.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Left {
    watermark: Option<Offset>,
    lost: bool,
    isr_shrunk: bool,
    /// Few inputs leave one.
    proposal: Option<Box<Proposal>>,
}

impl Left {
    /// Both, of which `later` came later.
    pub(super) fn and(mut self, later: Self) -> Self {
        self.watermark = later.watermark.or(self.watermark);
        self.lost |= later.lost;
        self.isr_shrunk |= later.isr_shrunk;
        self.proposal = later.proposal.or(self.proposal);
        self
    }
}

impl Partition {
    /// What the partition's replica looks at; other brokers only where it is not alone.
    pub(super) fn look<T>(&self, config: &PartitionConfig, is_alone: bool, with: impl FnOnce(&Around<'_>) -> T) -> T {
        self.surroundings.look(&self.settings(config), is_alone, with)
    }

    pub(super) fn settings(&self, config: &PartitionConfig) -> Settings {
        Settings {
            min_insync_replicas: config.min_insync_replicas,
            durability: config.durability,
            // Kafka's way to say never is its largest number.
            flush_messages: u64::try_from(config.flush_messages).unwrap_or(u64::MAX),
            replica_lag_time_max_ms: self.surroundings.lag_time_max_ms,
            #[cfg(feature = "simulated")]
            bug: self.surroundings.bug.get().and_then(|bug| bug.of_replica()),
        }
    }

    /// Hands an input to the replica, and does under the lock what belongs there.
    pub(super) fn step(&self, state: &mut State, input: Input<'_>) -> Left {
        self.step_with(state, input, &self.config.load(), (self.surroundings.now(), &mut Vec::new()))
    }

    /// As `step`; `effects` is empty before and after.
    fn step_with(
        &self,
        state: &mut State,
        input: Input<'_>,
        config: &PartitionConfig,
        (now, effects): (Now, &mut Vec<Effect>),
    ) -> Left {
        let led = state.replica.is_leader();
        let is_alone = led && !state.replica.has_others() && !matches!(input, Input::Assigned(_));
        match is_alone {
            true => self.look(config, true, |around| state.replica.handle(input, around, now, effects)),
            false => self.decide(state, input, config, (now, effects)),
        }
        match (led, state.replica.is_leader()) {
            (false, true) => self.set_led_since(state.replica.leader_epoch()),
            (true, false) => self.set_led_since(LeaderEpoch::NONE),
            _ => {}
        }
        let mut left = Left::default();
        for effect in effects.drain(..) {
            self.execute(state, effect, &mut left);
        }
        left
    }

    fn execute(&self, state: &mut State, effect: Effect, left: &mut Left) {
        match effect {
            // Before anything is served in it: who asks where an older epoch ended is told, also where this one never gets a record.
            Effect::EpochStarts { leader_epoch, .. } => {
                if !self.surroundings.has(Bug::LeaderForgetsItsEpoch) {
                    state.log.begin_epoch(leader_epoch);
                }
            }
            Effect::Follow { leader, leader_epoch } => {
                state.log.forget_epoch_without_records();
                self.fetch_from(state, leader, leader_epoch);
            }
            Effect::StopFollowing => self.surroundings.fetchers.unfollow(self.key),
            Effect::LeadershipLost { leader_epoch } => {
                tracing::debug!(partition = %self.name, %leader_epoch, "leads no longer");
                left.lost = true;
            }
            Effect::WatermarkMoved { to } => {
                state.log.watermark_moved(to);
                left.watermark = Some(to);
            }
            Effect::CommittedRecordsCut { from, to } => {
                tracing::error!(partition = %self.name, %from, %to, "committed records are lost: a leader was elected that did not have them");
            }
            // The next Fetch says so: until then the leader counts on the older one (DeleteRecords).
            Effect::RaiseLogStart { to } => {
                if state.log.raise_log_start(to) {
                    self.surroundings.fetchers.log_start_moved(self.key, state.log.log_start());
                }
            }
            Effect::AlterPartition { number, leader_epoch, partition_epoch, isr, recovery } => {
                let proposal = Proposal { number, leader_epoch, partition_epoch, isr, recovery };
                left.proposal = Some(Box::new(proposal));
            }
            Effect::IsrShrunk => {
                left.isr_shrunk = true;
                self.surroundings.isr_changes.shrunk.fetch_add(1, Ordering::Relaxed);
                tracing::info!(partition = %self.name, "the ISR has shrunk");
            }
            Effect::IsrExpanded => {
                self.surroundings.isr_changes.expanded.fetch_add(1, Ordering::Relaxed);
                tracing::info!(partition = %self.name, "the ISR has grown");
            }
            Effect::IsrUpdateFailed => {
                self.surroundings.isr_changes.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(partition = %self.name, "a change of the ISR was not done");
            }
        }
    }

    /// It is fetched from `leader` from here on, with others that are kept in the same way. That is told under the lock: its fetcher hears of
    /// a sync that ends later after it has heard of the log as it was before.
    fn fetch_from(&self, state: &State, leader: BrokerId, leader_epoch: LeaderEpoch) {
        // Such a log copies nothing, and by its Fetches the leader would take it for one that is in sync.
        if state.log.is_offline() {
            return self.surroundings.fetchers.unfollow(self.key);
        }
        let durability = self.config.load().kept_before_fetching_on();
        let log = position(&state.log, state.replica.high_watermark());
        self.surroundings.fetchers.follow(self.key, (leader, durability), leader_epoch, log);
    }

    /// Its settings have changed: how it is kept decides who fetches it, and what had set it aside may be mended.
    pub(super) fn fetched_anew(&self, state: &State) {
        if let Some(leader) = state.replica.following() {
            self.fetch_from(state, leader, state.replica.leader_epoch());
        }
    }

    /// It is fetched no further before its log is synced, which nobody else may ever ask for: what was appended before needed no sync.
    fn awaits_sync(&self, state: &State) -> bool {
        let is_kept_first = self.config.load().kept_before_fetching_on() == Durability::Fsync;
        state.replica.following().is_some() && is_kept_first && state.log.has_unsynced_records()
    }

    /// Does the rest, without the lock, where what is followed or how it is kept may have changed.
    pub(super) fn settle_and_sync(self: &Arc<Self>, state: MutexGuard<'_, State>, left: Left) {
        let awaits_sync = self.awaits_sync(&state);
        drop(state);
        self.settle(left);
        if awaits_sync {
            self.flusher.ask(self);
        }
    }

    /// Does the rest, without the lock.
    pub(super) fn settle(&self, left: Left) {
        if let Some(watermark) = left.watermark {
            self.watermark_moved(watermark);
        }
        if left.isr_shrunk {
            self.isr_shrunk();
        }
        if let Some(proposal) = left.proposal {
            self.surroundings.propose(self.key, *proposal);
        }
        if left.lost {
            self.wake_all();
        }
    }

    /// The log was appended to, synced or cut: on the way of every batch, and so without an allocation or a look at the clock by which only
    /// followers are judged.
    pub(super) fn log_moved(&self, state: &mut State, config: &PartitionConfig) -> Left {
        let (log_end, durable_end) = (state.log.log_end(), state.log.durable_end());
        let now = if state.replica.has_others() { self.surroundings.now() } else { Now::default() };
        let mut effects = state.in_use.as_mut().map(|in_use| std::mem::take(&mut in_use.effects)).unwrap_or_default();
        let left = self.step_with(state, Input::LogMoved { log_end, durable_end }, config, (now, &mut effects));
        if effects.capacity() > 0 {
            state.in_use.get_or_insert_default().effects = effects;
        }
        left
    }

    /// Takes over what the metadata says of the partition.
    pub fn assign(self: &Arc<Self>, assignment: &Assignment) {
        let mut state = self.lock();
        let recovery = match assignment.leader_recovery_state {
            RecoveryState::Recovered => LeaderRecoveryState::Recovered,
            RecoveryState::Recovering => LeaderRecoveryState::Recovering,
        };
        let unusual = assignment.unusual();
        // Not chosen yet, or not told: it may lie anywhere.
        let is_open = |id: Uuid| directory_id::is_reserved(id) && id != directory_id::LOST;
        let noted = assignment.directories.iter().copied();
        let directories: Vec<_> = noted.map(|id| if is_open(id) { Uuid::ZERO } else { id }).collect();
        let assigned = Assigned {
            leader: assignment.leader,
            leader_epoch: assignment.leader_epoch,
            partition_epoch: assignment.partition_epoch,
            isr: &assignment.isr,
            replicas: &assignment.replicas,
            directories: &directories,
            adding: &unusual.adding,
            removing: &unusual.removing,
            recovery,
            log_end: state.log.log_end(),
            durable_end: state.log.durable_end(),
        };
        let epoch_before = state.replica.leader_epoch();
        let left = self.assigned(&mut state, assigned);
        let is_new_epoch = state.replica.leader_epoch() != epoch_before;
        self.settle_and_sync(state, left);
        // Perhaps with fewer replicas.
        self.low_watermark_moved();
        if is_new_epoch {
            // Who fetches in the epoch before has to be told, news or not.
            self.wake_all();
        }
    }

    fn assigned(&self, state: &mut State, assigned: Assigned<'_>) -> Left {
        let isr_before = state.replica.isr_size();
        let mut left = self.step(state, Input::Assigned(assigned));
        if state.replica.isr_size() < isr_before {
            left.isr_shrunk = true;
        }
        left
    }

    /// The epoch in which this broker began to lead, and has led since without anybody in between; -1 when it does not lead. Waits for nobody.
    #[must_use]
    pub fn led_since(&self) -> LeaderEpoch {
        LeaderEpoch(self.led_since.load(Ordering::Acquire))
    }

    fn set_led_since(&self, epoch: LeaderEpoch) {
        self.led_since.store(epoch.0, Ordering::Release);
    }

    /// Hands in what concerns neither the log nor the metadata of this partition: brokers have changed, or time has passed. Whoever holds the
    /// partition's lock may be in a write that hangs, and here is the thread that would see that: it does not wait, and tries again soon.
    pub fn look_again(&self, input: Again) {
        let Some(mut state) = self.try_lock() else {
            return self.surroundings.look_later(self.key, input);
        };
        let left = self.step(
            &mut state,
            match input {
                Again::BrokersChanged => Input::BrokersChanged,
                Again::TimePassed => Input::Tick,
            },
        );
        drop(state);
        self.settle(left);
        self.low_watermark_moved();
    }

    /// The controller has answered proposal `number`.
    pub fn altered(&self, number: u64, answer: AlterAnswer<'_>) {
        let mut state = self.lock();
        let left = self.step(&mut state, Input::AlterPartitionAnswered { number, answer });
        drop(state);
        self.settle(left);
    }
}

/// Why a replica is to look at its surroundings again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Again {
    /// Brokers have come, gone, been fenced or let in.
    BrokersChanged,
    /// A deadline of the replica may have passed.
    TimePassed,
}

/// Where the log begins and ends.
pub(super) fn position(log: &Log, high_watermark: Offset) -> LogPosition {
    LogPosition {
        log_start: log.log_start(),
        log_end: log.log_end(),
        durable_end: log.durable_end(),
        last_epoch: log.leader_epochs().latest().map(|entry| entry.epoch),
        high_watermark,
    }
}

#[cfg(test)]
impl Partition {
    /// This broker leads from now on, alone, in `epoch`.
    pub(crate) fn lead(self: &Arc<Self>, epoch: LeaderEpoch) {
        let own = self.surroundings.own();
        self.assign_to(epoch, own, &[own]);
    }

    /// `leader` leads from now on.
    pub(crate) fn follow(self: &Arc<Self>, epoch: LeaderEpoch, leader: BrokerId) {
        self.assign_to(epoch, leader, &[leader]);
    }

    /// As `follow`; `between` happens once the lock is released, before anything else does.
    pub(super) fn follow_and(self: &Arc<Self>, epoch: LeaderEpoch, leader: BrokerId, between: impl FnOnce()) {
        self.tell_assigned(epoch, epoch.0, leader, (&[leader], &[leader]), between);
    }

    /// `leader` leads from now on, and all of `replicas` are in sync.
    pub(crate) fn assign_to(self: &Arc<Self>, leader_epoch: LeaderEpoch, leader: BrokerId, replicas: &[BrokerId]) {
        self.tell_assigned(leader_epoch, leader_epoch.0, leader, (replicas, replicas), || {});
        self.wake_all();
    }

    /// Of `replicas` only this broker is in sync any more.
    pub(crate) fn shrink_to(self: &Arc<Self>, leader_epoch: LeaderEpoch, replicas: &[BrokerId]) {
        let own = self.surroundings.own();
        self.tell_assigned(leader_epoch, leader_epoch.0 + 1, own, (replicas, &[own]), || {});
    }

    fn tell_assigned(
        self: &Arc<Self>,
        leader_epoch: LeaderEpoch,
        partition_epoch: i32,
        leader: BrokerId,
        (replicas, isr): (&[BrokerId], &[BrokerId]),
        between: impl FnOnce(),
    ) {
        let mut state = self.lock();
        let assigned = Assigned {
            leader,
            leader_epoch,
            partition_epoch,
            isr,
            replicas,
            directories: &[],
            adding: &[],
            removing: &[],
            recovery: LeaderRecoveryState::Recovered,
            log_end: state.log.log_end(),
            durable_end: state.log.durable_end(),
        };
        let left = self.assigned(&mut state, assigned);
        let awaits_sync = self.awaits_sync(&state);
        drop(state);
        between();
        self.settle(left);
        if awaits_sync {
            self.flusher.ask(self);
        }
    }

    /// `broker` has fetched from `offset`.
    pub(crate) fn fetched_by(&self, broker: BrokerId, offset: Offset) {
        let mut state = self.lock();
        let fetched = barnabas_replica::Fetched { follower: broker, broker_epoch: -1, offset, log_start: Offset(0) };
        let left = self.step(&mut state, Input::Fetched(fetched));
        drop(state);
        self.settle(left);
    }

    /// Below this the other replica has everything, as its last Fetch said.
    pub(crate) fn follower_end(&self, broker: BrokerId) -> Option<Offset> {
        self.lock().replica.followers().find(|follower| follower.broker == broker)?.end
    }
}
