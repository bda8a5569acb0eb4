//! When a Fetch is sent and what is in it: all partitions where a session begins, else those that have changed. Also what changes between two
//! rounds: partitions that come and go, syncs, waits that end.

use std::time::Duration;

use barnabas_types::{LeaderEpoch, Now, Offset, TopicIdPartition};

use super::slot::{Phase, Position, Slot};
use super::{Effect, FetchPartition, FetchRequest, Fetcher, LogPosition};
use crate::Durability;
use crate::bug::Bug;
use crate::time::{Millis, millis};

/// The leader may wait at least so long, where it may wait at all.
const SHORTEST_WAIT_MS: Millis = 20;
/// Before a request is given up, and between two: a millisecond for so many partitions, but neither less nor more than that.
const PARTITIONS_A_MS: Millis = 20;
const SHORTEST_PAUSE_MS: Millis = 10;
const LONGEST_PAUSE_MS: Millis = 500;

impl Fetcher {
    /// When [`Input::Tick`](super::Input::Tick) has something to do if nothing else happens before; in time of the monotonic clock.
    #[must_use]
    pub fn next_deadline(&self, now: Now) -> Option<Duration> {
        let now_ms = millis(now.monotonic);
        let delayed = self.delayed.first().map(|(until_ms, _)| *until_ms);
        let is_idle = self.may_ask_from().is_some() && self.working.is_empty();
        let patience_ms = self.syncing_since_ms.saturating_add(self.config.sync_patience_ms);
        let impatient = (is_idle && !self.syncing.is_empty()).then_some(patience_ms).filter(|at_ms| *at_ms > now_ms);
        let waits = self.may_ask_from().filter(|from_ms| is_idle && *from_ms > now_ms);
        [delayed, impatient, waits].into_iter().flatten().min().map(Duration::from_millis)
    }

    pub(super) fn on_follow(
        &mut self,
        partition: TopicIdPartition,
        leader_epoch: LeaderEpoch,
        log: &LogPosition,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        let known = self.slots.get(&partition);
        if known.is_some_and(|slot| slot.position.leader_epoch == leader_epoch && slot.phase != Phase::SetAside) {
            return;
        }
        let mut position = Position::of(leader_epoch, log);
        // What the session may have of it is not what is wanted now, whatever that was.
        let was_asked = known.is_some_and(|slot| slot.asked.is_some());
        self.set_phase(partition, Phase::SetAside, now_ms);
        let is_listed = self.slots.get(&partition).is_some_and(|slot| slot.is_listed);
        let nothing = Position { leader_epoch: LeaderEpoch::NONE, ..position };
        let asked = (self.dropped.remove(&partition) || was_asked).then_some(nothing);
        // A log that does not say of which epoch its records are can be compared with no other: only what is committed is kept.
        let is_cut_first = (log.last_epoch.is_none() || self.config.settings.has(Bug::TruncatesToWatermark))
            && log.log_end > log.high_watermark;
        if is_cut_first {
            position.offset = log.high_watermark;
        }
        let slot = Slot { position, phase: Phase::SetAside, asked, is_listed, failures: 0, is_cut_first };
        self.slots.insert(partition, slot);
        match is_cut_first {
            true => self.cut_first(partition, now_ms, out),
            false => self.go_on(partition, log, true, now_ms),
        }
    }

    fn cut_first(&mut self, partition: TopicIdPartition, now_ms: Millis, out: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get(&partition) else { return };
        let Position { leader_epoch, offset: to, .. } = slot.position;
        self.set_phase(partition, Phase::Working, now_ms);
        out.push(Effect::Truncate { partition, leader_epoch, to, is_below_watermark: false });
    }

    pub(super) fn on_unfollow(&mut self, partition: TopicIdPartition, out: &mut Vec<Effect>) {
        self.set_phase(partition, Phase::SetAside, 0);
        let Some(slot) = self.slots.remove(&partition) else { return };
        if slot.asked.is_some() {
            self.dropped.insert(partition);
        }
        if self.slots.is_empty() {
            // The peer may lead again, long before a request that nobody answers is given up.
            self.hang_up(out);
        }
    }

    /// Gives up the request under way. Whether it has arrived is not known, so that what comes next begins another session.
    fn hang_up(&mut self, out: &mut Vec<Effect>) {
        self.outstanding = None;
        self.session.begin_anew();
        out.push(Effect::HangUp);
    }

    pub(super) fn on_synced(&mut self, partition: TopicIdPartition, durable_end: Offset) {
        let Some(slot) = self.slots.get(&partition) else { return };
        if slot.phase == Phase::Syncing && durable_end >= slot.position.offset {
            self.set_phase(partition, Phase::Ready, 0);
        }
    }

    pub(super) fn on_log_start_moved(&mut self, partition: TopicIdPartition, log_start: Offset) {
        if let Some(slot) = self.slots.get_mut(&partition) {
            slot.position.log_start = log_start;
            self.list(partition);
        }
    }

    /// The log is as `log` says: it is fetched from its end, once it is synced where that counts. `is_new`: nothing has been fetched yet.
    pub(super) fn go_on(&mut self, partition: TopicIdPartition, log: &LogPosition, is_new: bool, now_ms: Millis) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        slot.position = Position::of(slot.position.leader_epoch, log);
        (slot.failures, slot.is_cut_first) = (0, false);
        let settings = &self.config.settings;
        if settings.has(Bug::TruncatesToWatermark) || settings.has(Bug::TruncatesToLeadersEnd) && !is_new {
            // Who had those bugs compared the logs once, or never.
            slot.position.last_epoch = None;
        }
        let needs_sync = settings.durability == Durability::Fsync && !settings.has(Bug::FetchesBeforeSync);
        let is_synced = !needs_sync || log.durable_end >= log.log_end;
        self.set_phase(partition, if is_synced { Phase::Ready } else { Phase::Syncing }, now_ms);
    }

    /// Moves a partition to `phase`, keeps the sets of those that wait, and lists it: the session may have to learn of it.
    pub(super) fn set_phase(&mut self, partition: TopicIdPartition, phase: Phase, now_ms: Millis) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let was_late = self.late.remove(&partition);
        match std::mem::replace(&mut slot.phase, phase) {
            Phase::Syncing => _ = self.syncing.remove(&partition),
            Phase::Working => _ = self.working.remove(&partition),
            Phase::Delayed(until_ms) => _ = self.delayed.remove(&(until_ms, partition)),
            Phase::Ready => _ = self.overdue.remove(&partition),
            Phase::AskingEnds | Phase::SetAside => {}
        }
        match phase {
            Phase::Syncing => {
                if self.syncing.is_empty() {
                    self.syncing_since_ms = now_ms;
                }
                self.syncing.insert(partition);
            }
            Phase::Working => _ = self.working.insert(partition),
            Phase::Delayed(until_ms) => _ = self.delayed.insert((until_ms, partition)),
            // The request that went without it does not wait for long.
            Phase::Ready => {
                if self.outstanding.is_some() && !was_late {
                    self.overdue.insert(partition);
                }
            }
            Phase::AskingEnds | Phase::SetAside => {}
        }
        self.list(partition);
    }

    fn list(&mut self, partition: TopicIdPartition) {
        if let Some(slot) = self.slots.get_mut(&partition)
            && !std::mem::replace(&mut slot.is_listed, true)
        {
            self.changed.push(partition);
        }
    }

    /// Waits that are over.
    pub(super) fn end_waits(&mut self, now_ms: Millis, out: &mut Vec<Effect>) {
        while let Some(&(until_ms, partition)) = self.delayed.first() {
            if until_ms > now_ms {
                return;
            }
            // Where it is gone, its wait went with it.
            self.delayed.remove(&(until_ms, partition));
            if self.slots.get(&partition).is_some_and(|slot| slot.is_cut_first) {
                self.cut_first(partition, now_ms, out);
                continue;
            }
            self.set_phase(partition, Phase::Ready, now_ms);
            // The request under way does not wait for much longer than this one did.
            self.overdue.remove(&partition);
        }
    }

    /// From when on the next Fetch may be sent; none while the answer to the last one is awaited. That is not awaited where the leader may keep
    /// it for long and has nothing for a partition that is followed only now, which would wait as long: after a leader has failed, acks=all
    /// waits for just that partition. Giving it up costs a connection and the naming of every partition, hence not all the time.
    fn may_ask_from(&self) -> Option<Millis> {
        match self.outstanding {
            None => Some(self.not_before_ms),
            Some(_) => (self.is_waiting && !self.overdue.is_empty()).then_some(self.gives_up_from_ms),
        }
    }

    /// How long the leader may wait for news: no longer than until a partition that is left out is asked for again, and not for long where
    /// that may be at any moment.
    fn may_wait_ms(&self, now_ms: Millis) -> Millis {
        match self.delayed.first() {
            _ if !self.late.is_empty() => SHORTEST_WAIT_MS,
            Some((until_ms, _)) => until_ms.saturating_sub(now_ms).max(SHORTEST_WAIT_MS),
            None => Millis::MAX,
        }
    }

    /// Sends a Fetch if it is time for one.
    pub(super) fn begin_round(&mut self, now_ms: Millis, out: &mut Vec<Effect>) {
        let is_impatient = now_ms >= self.syncing_since_ms.saturating_add(self.config.sync_patience_ms);
        let waits_for_syncs = !self.syncing.is_empty() && !is_impatient;
        let is_early = self.may_ask_from().is_none_or(|from_ms| now_ms < from_ms);
        if is_early || !self.working.is_empty() || waits_for_syncs {
            return;
        }
        // No other round waits for them: a slow disk would hold up what lies on others, round after round.
        self.late.append(&mut self.syncing);
        if self.outstanding.is_some() {
            self.gives_up_from_ms = now_ms.saturating_add(self.pause_ms());
            self.hang_up(out);
        }
        let (partitions, forgotten) = match self.session.is_full() {
            true => (self.all_ready(), Vec::new()),
            false => self.changes(),
        };
        if self.session_size == 0 && forgotten.is_empty() {
            return;
        }
        self.last_number = self.last_number.wrapping_add(1);
        self.outstanding = Some(self.last_number);
        self.overdue.clear();
        let request = FetchRequest {
            session_id: self.session.id,
            session_epoch: self.session.epoch,
            partitions,
            forgotten,
            may_wait_ms: self.may_wait_ms(now_ms),
        };
        self.is_waiting = request.may_wait_ms > 0;
        // It may be answered at once.
        self.gives_up_from_ms = self.gives_up_from_ms.max(now_ms.saturating_add(SHORTEST_PAUSE_MS));
        out.push(Effect::Fetch { number: self.last_number, request });
    }

    /// How long no further request is given up: the longer, the more partitions the next one names.
    fn pause_ms(&self) -> Millis {
        let partitions = Millis::try_from(self.slots.len()).unwrap_or(Millis::MAX);
        (partitions / PARTITIONS_A_MS).clamp(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS)
    }

    /// A session begins: it knows nothing.
    fn all_ready(&mut self) -> Vec<FetchPartition> {
        self.changed.clear();
        self.dropped.clear();
        let mut ready = Vec::new();
        for (&partition, slot) in &mut self.slots {
            slot.is_listed = false;
            slot.asked = (slot.phase == Phase::Ready).then_some(slot.position);
            if slot.phase == Phase::Ready {
                ready.push(fetch_partition(partition, &slot.position));
            }
        }
        self.session_size = ready.len();
        ready
    }

    /// What the session has to learn: who may be fetched and is not there, or elsewhere; and who is there and may not, or is gone.
    fn changes(&mut self) -> (Vec<FetchPartition>, Vec<TopicIdPartition>) {
        let mut partitions = Vec::new();
        let mut forgotten: Vec<_> = std::mem::take(&mut self.dropped).into_iter().collect();
        for partition in std::mem::take(&mut self.changed) {
            let Some(slot) = self.slots.get_mut(&partition) else { continue };
            slot.is_listed = false;
            if slot.phase == Phase::Ready {
                let before = slot.asked.replace(slot.position);
                if before != slot.asked {
                    self.session_size = self.session_size.saturating_add(usize::from(before.is_none()));
                    partitions.push(fetch_partition(partition, &slot.position));
                }
            } else if slot.asked.take().is_some() {
                forgotten.push(partition);
            }
        }
        self.session_size = self.session_size.saturating_sub(forgotten.len());
        (partitions, forgotten)
    }
}

const fn fetch_partition(partition: TopicIdPartition, position: &Position) -> FetchPartition {
    let Position { leader_epoch, offset, last_epoch, log_start } = *position;
    FetchPartition { partition, leader_epoch, offset, last_epoch, log_start }
}
