//! What to do with an answer: the session first, then each partition. An answer counts only for the log that was asked about.

use std::collections::BTreeSet;

use barnabas_types::{LeaderEpoch, TopicIdPartition};

use super::slot::Phase;
use super::truncation::{OutOfRange, diverges_at, out_of_range};
use super::{
    AppendFailure, Effect, EpochEnd, FetchAnswer, FetchFailure, Fetcher, LeaderEnds, LogPosition, OwnLog,
    PartitionAnswer, PartitionError, PartitionOutcome, SetAsideReason,
};
use crate::bug::Bug;
use crate::time::Millis;

/// After the first of several failures.
const FIRST_BACKOFF_MS: Millis = 20;
/// How long a log that is hindered waits at most, in backoffs: what it does not take is brought in vain each time.
const HINDERED_BACKOFFS: Millis = 10;
/// Far beyond any backoff.
const MOST_DOUBLINGS: u32 = 32;

impl Fetcher {
    pub(super) fn on_answered(
        &mut self,
        number: u64,
        answer: Result<FetchAnswer, FetchFailure>,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        if self.outstanding != Some(number) {
            return;
        }
        self.outstanding = None;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return self.on_failure(failure, now_ms),
        };
        if !self.is_plausible(&answer) {
            return self.on_failure(FetchFailure::Malformed, now_ms);
        }
        self.session.answered(answer.session_id);
        self.failures = 0;
        for PartitionAnswer { partition, outcome } in answer.partitions {
            self.on_partition(partition, outcome, now_ms, out);
        }
    }

    /// All of them wait, by one number: not each by itself. Only a session that the leader has forgotten is begun anew at once. An empty
    /// answer to a request that begins a session, by which leaders hold somebody back (KIP-219), is none either, and waits the whole time.
    /// Whoever does not answer may do so in a moment: a process that starts.
    fn on_failure(&mut self, failure: FetchFailure, now_ms: Millis) {
        let is_full = self.session.is_full();
        match failure {
            FetchFailure::SessionIdNotFound => self.session.forgotten(),
            FetchFailure::Malformed if is_full => self.session.forgotten(),
            FetchFailure::Malformed | FetchFailure::NoAnswer | FetchFailure::Session(_) => self.session.begin_anew(),
        }
        let backoff_ms = match failure {
            FetchFailure::SessionIdNotFound if !is_full => return,
            FetchFailure::Malformed => self.config.backoff_ms,
            FetchFailure::SessionIdNotFound | FetchFailure::NoAnswer | FetchFailure::Session(_) => {
                self.failures = self.failures.saturating_add(1);
                growing_ms(self.failures, self.config.backoff_ms)
            }
        };
        self.not_before_ms = now_ms.saturating_add(backoff_ms);
    }

    /// An answer that begins a session names all its partitions, any other only such.
    fn is_plausible(&self, answer: &FetchAnswer) -> bool {
        let named: BTreeSet<_> = answer.partitions.iter().map(|answer| answer.partition).collect();
        let is_known = |partition: &TopicIdPartition| {
            self.dropped.contains(partition) || self.slots.get(partition).is_some_and(|slot| slot.asked.is_some())
        };
        named.iter().all(is_known) && (!self.session.is_full() || named.len() == self.session_size)
    }

    fn on_partition(
        &mut self,
        partition: TopicIdPartition,
        outcome: PartitionOutcome,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.slots.get(&partition) else { return };
        let Some(asked) = slot.asked else { return };
        let (leader_epoch, offset) = (slot.position.leader_epoch, slot.position.offset);
        let is_about_this_log =
            slot.position.is_answered_by(&asked) || self.config.settings.has(Bug::IgnoresWhatWasAsked);
        if !is_about_this_log || slot.phase != Phase::Ready {
            return;
        }
        match outcome {
            PartitionOutcome::Records { has_records: true, high_watermark, log_start } => {
                self.set_phase(partition, Phase::Working, now_ms);
                out.push(Effect::Append { partition, leader_epoch, offset, high_watermark, log_start });
            }
            PartitionOutcome::Records { has_records: false, high_watermark, log_start } => {
                self.slots.entry(partition).and_modify(|slot| slot.failures = 0);
                out.push(Effect::Learn { partition, leader_epoch, high_watermark, log_start });
            }
            PartitionOutcome::Diverging { leader, own } => self.on_diverging(partition, leader, &own, now_ms, out),
            PartitionOutcome::Refused(PartitionError::OffsetOutOfRange) => {
                self.set_phase(partition, Phase::AskingEnds, now_ms);
                out.push(Effect::AskLeaderEnds { partition, leader_epoch });
            }
            PartitionOutcome::Refused(error) => self.on_refused(partition, error, now_ms, out),
        }
    }

    fn on_diverging(
        &mut self,
        partition: TopicIdPartition,
        leader: EpochEnd,
        own: &OwnLog,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.slots.get(&partition) else { return };
        let leader_epoch = slot.position.leader_epoch;
        let offset = slot.position.offset;
        let to = diverges_at(leader, own, &self.config.settings).min(offset);
        if leader.epoch.0 < 0 || leader.end_offset.0 < 0 {
            return self.delay(partition, now_ms);
        }
        self.set_phase(partition, Phase::Working, now_ms);
        let is_below_watermark = to < own.high_watermark;
        out.push(Effect::Truncate { partition, leader_epoch, to, is_below_watermark });
    }

    fn on_refused(
        &mut self,
        partition: TopicIdPartition,
        error: PartitionError,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        match error {
            PartitionError::FencedLeaderEpoch => {
                self.set_phase(partition, Phase::SetAside, now_ms);
                out.push(Effect::SetAside { partition, reason: SetAsideReason::Fenced });
            }
            // One of the two does not know the newest metadata yet, which is a matter of milliseconds.
            PartitionError::UnknownLeaderEpoch | PartitionError::NotLeaderOrFollower | PartitionError::UnknownTopic => {
                self.delay_longer(partition, self.config.backoff_ms, now_ms);
            }
            PartitionError::OffsetOutOfRange | PartitionError::Other(_) => self.delay(partition, now_ms),
        }
    }

    fn delay(&mut self, partition: TopicIdPartition, now_ms: Millis) {
        self.delay_for(partition, self.config.backoff_ms, now_ms);
    }

    /// Each time for longer, up to `most_ms`.
    fn delay_longer(&mut self, partition: TopicIdPartition, most_ms: Millis, now_ms: Millis) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        slot.failures = slot.failures.saturating_add(1);
        let backoff_ms = growing_ms(slot.failures, most_ms);
        self.delay_for(partition, backoff_ms, now_ms);
    }

    fn delay_for(&mut self, partition: TopicIdPartition, backoff_ms: Millis, now_ms: Millis) {
        self.set_phase(partition, Phase::Delayed(now_ms.saturating_add(backoff_ms)), now_ms);
    }

    /// What was to be appended or cut has been, or has not.
    pub(super) fn on_appended(
        &mut self,
        partition: TopicIdPartition,
        leader_epoch: LeaderEpoch,
        result: Result<LogPosition, AppendFailure>,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        if !self.is_in(partition, leader_epoch, Phase::Working) {
            return;
        }
        match result {
            Ok(log) if self.is_cut_in_vain(partition, &log) => self.delay(partition, now_ms),
            Ok(log) => self.go_on(partition, &log, false, now_ms),
            Err(AppendFailure::Corrupt) => self.delay(partition, now_ms),
            Err(AppendFailure::Hindered) => {
                let most_ms = self.config.backoff_ms.saturating_mul(HINDERED_BACKOFFS);
                self.delay_longer(partition, most_ms, now_ms);
            }
            Err(AppendFailure::NotFollowing) => self.set_phase(partition, Phase::SetAside, now_ms),
            Err(AppendFailure::Refused) => {
                self.set_phase(partition, Phase::SetAside, now_ms);
                out.push(Effect::SetAside { partition, reason: SetAsideReason::LogRefused });
            }
        }
    }

    /// The log is as it was: the leader would say the same again, at once and for ever. A cut at the log's end is not in vain where it makes
    /// the log forget an epoch that has begun there and has no record.
    fn is_cut_in_vain(&self, partition: TopicIdPartition, log: &LogPosition) -> bool {
        let before = self.slots.get(&partition).filter(|slot| !slot.is_cut_first).map(|slot| slot.position);
        let compares = !self.config.settings.has(Bug::TruncatesToLeadersEnd);
        compares && before.is_some_and(|before| (before.offset, before.last_epoch) == (log.log_end, log.last_epoch))
    }

    pub(super) fn on_leader_ends(
        &mut self,
        partition: TopicIdPartition,
        leader_epoch: LeaderEpoch,
        result: Result<LeaderEnds, PartitionError>,
        own: &OwnLog,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        if !self.is_in(partition, leader_epoch, Phase::AskingEnds) {
            return;
        }
        let goes_on = match result {
            Ok(leader) if leader.log_start.0 < 0 || leader.log_end < leader.log_start => OutOfRange::FetchAgain,
            Ok(leader) => out_of_range(leader, own.log_end),
            Err(error) => return self.on_refused(partition, error, now_ms, out),
        };
        let effect = match goes_on {
            OutOfRange::FetchAgain => return self.delay(partition, now_ms),
            OutOfRange::Truncate(to) => {
                Effect::Truncate { partition, leader_epoch, to, is_below_watermark: to < own.high_watermark }
            }
            OutOfRange::StartAt(at) => {
                Effect::StartAt { partition, leader_epoch, at, is_below_watermark: at < own.high_watermark }
            }
        };
        self.set_phase(partition, Phase::Working, now_ms);
        out.push(effect);
    }

    /// True while an answer to [`Effect::AskLeaderEnds`] would be taken. One that is not awaited any more need not be waited for either.
    #[must_use]
    pub fn awaits_leader_ends(&self, partition: TopicIdPartition, leader_epoch: LeaderEpoch) -> bool {
        self.is_in(partition, leader_epoch, Phase::AskingEnds)
    }

    fn is_in(&self, partition: TopicIdPartition, leader_epoch: LeaderEpoch, phase: Phase) -> bool {
        let slot = self.slots.get(&partition);
        slot.is_some_and(|slot| slot.position.leader_epoch == leader_epoch && slot.phase == phase)
    }
}

/// How long to wait after so many failures, one after the other: twice as long each time, up to `most_ms`.
fn growing_ms(failures: u32, most_ms: Millis) -> Millis {
    let doubled = FIRST_BACKOFF_MS.checked_shl(failures.saturating_sub(1).min(MOST_DOUBLINGS));
    doubled.unwrap_or(Millis::MAX).min(most_ms)
}
