//! A hosted partition as a follower: takes over what its leader's answer to Fetch carries, and is cut where its log and the leader's have
//! parted. Fetches nothing, and decides nothing: what is done is the fetcher's decision.

use std::sync::Arc;

use barnabas_log::fs::IoError;
use barnabas_log::{AppendError, ChangeError, ReadError};
use barnabas_replica::Input;
use barnabas_replica::fetcher::{AppendFailure, EpochEnd, LogPosition, OwnLog};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use super::Partition;
use super::hosted::State;
use super::roles::position;
use crate::bug::Bug;
use crate::storage::{LogDirectories, checkpoints};

/// What a leader says of a partition beside its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The epoch in which it was asked.
    pub leader_epoch: LeaderEpoch,
    /// Its high watermark.
    pub high_watermark: Offset,
    /// Its first offset.
    pub log_start: Offset,
}

/// Where a follower's log is cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// Everything from there on goes.
    To(Offset),
    /// Everything goes, and the log begins there.
    StartAt(Offset),
}

impl State {
    /// The partition must still be followed in that epoch.
    fn following_in(&self, epoch: LeaderEpoch) -> Result<(), AppendFailure> {
        match self.replica.following().is_some() && self.replica.leader_epoch() == epoch {
            true if self.log.is_offline() => Err(AppendFailure::Refused),
            true => Ok(()),
            false => Err(AppendFailure::NotFollowing),
        }
    }
}

impl Partition {
    /// Appends batches of the leader at `offset`, and hands what the leader told to the replica. Under `fsync` a sync is asked for. Where the
    /// log ends elsewhere nothing is done: it is fetched on from its end.
    pub(super) fn append_fetched(
        self: &Arc<Self>,
        records: &[u8],
        offset: Offset,
        told: Told,
        now: Timestamp,
    ) -> Result<LogPosition, AppendFailure> {
        let mut state = self.lock_unless_hanging().map_err(|_| AppendFailure::Hindered)?;
        let epoch = match self.surroundings.has(Bug::FollowsOlderEpochs) {
            true => state.replica.leader_epoch(),
            false => told.leader_epoch,
        };
        state.following_in(epoch)?;
        if state.log.log_end() != offset {
            // Another fetcher had it when these were asked for, or those before them were taken in part.
            return Ok(position(&state.log, state.replica.high_watermark()));
        }
        let writing = self.condition().begin_write();
        let appended = state.log.append_as_follower(records, now);
        drop(writing);
        let moved = self.log_moved(&mut state, &self.config.load());
        let told = self.step(&mut state, told.into());
        let position = position(&state.log, state.replica.high_watermark());
        let is_offline = state.log.is_offline();
        drop(state);
        self.settle(moved.and(told));
        if position.durable_end < position.log_end {
            self.appended_as_follower();
        }
        match appended {
            Ok(_) => Ok(position),
            Err(error) => Err(self.append_failed(&error, is_offline)),
        }
    }

    fn append_failed(&self, error: &AppendError, is_offline: bool) -> AppendFailure {
        match error {
            AppendError::Batch(_) | AppendError::NotContinuing { .. } => {
                tracing::warn!(partition = %self.name, %error, "what the leader sent does not fit and is fetched again");
                AppendFailure::Corrupt
            }
            AppendError::Io(error) => self.disk_refused(error, is_offline),
            error => {
                tracing::error!(
                    partition = %self.name, %error,
                    "the log does not take what the leader has; nothing is fetched before the topic's settings or its leader change"
                );
                AppendFailure::Refused
            }
        }
    }

    /// What the disk refuses while it and the log are sound, it may take later.
    fn disk_refused(&self, error: &IoError, is_offline: bool) -> AppendFailure {
        self.condition().noticed(error);
        if is_offline || self.condition().is_offline() {
            tracing::error!(
                partition = %self.name, %error,
                "a follower's log could not be changed; it is offline until the broker is started again on a sound disk"
            );
            return AppendFailure::Refused;
        }
        // Of a full disk the directory tells, once for all its partitions.
        match error.is_out_of_space() {
            true => tracing::debug!(partition = %self.name, %error, "a follower's log waits for room"),
            false => tracing::warn!(
                partition = %self.name, %error,
                "a follower's log could not be changed; this is tried again, more and more seldom, until the cause is mended"
            ),
        }
        AppendFailure::Hindered
    }

    /// Hands what the leader told to the replica.
    pub(super) fn learn(&self, told: Told) {
        let Ok(mut state) = self.lock_unless_hanging() else { return };
        let left = self.step(&mut state, told.into());
        drop(state);
        self.settle(left);
    }

    /// Cuts the log of a follower. Blocks: checkpoints are lowered first, synced.
    pub(super) fn cut(
        self: &Arc<Self>,
        cut: Cut,
        leader_epoch: LeaderEpoch,
        directories: &LogDirectories,
        now: Timestamp,
    ) -> Result<LogPosition, AppendFailure> {
        let mut state = self.lock();
        state.following_in(leader_epoch)?;
        let _writing = self.condition().begin_write();
        let from = state.log.log_end();
        let lower = |limit| checkpoints::lower(directories, self, limit);
        let cut_off = match cut {
            Cut::To(offset) => state.log.truncate_to(offset, now, lower).map(drop),
            Cut::StartAt(offset) => state.log.restart_at(offset, now, lower),
        };
        let left = self.log_moved(&mut state, &self.config.load());
        let position = position(&state.log, state.replica.high_watermark());
        let is_offline = state.log.is_offline();
        drop(state);
        self.settle(left);
        match cut_off {
            Ok(()) => {
                tracing::info!(partition = %self.name, %from, to = %position.log_end, %leader_epoch, "the log was cut to what the leader has");
                self.appended_as_follower();
                Ok(position)
            }
            Err(ChangeError::Io(error) | ChangeError::Read(ReadError::Io(error))) => {
                Err(self.disk_refused(&error, is_offline))
            }
            Err(error) => {
                tracing::error!(
                    partition = %self.name, %error, ?cut,
                    "the log could not be cut to what the leader has; nothing is fetched before the topic's settings or its leader change"
                );
                Err(AppendFailure::Refused)
            }
        }
    }

    /// What the log says of `epoch`.
    pub(super) fn own_log(&self, epoch: Option<LeaderEpoch>) -> OwnLog {
        let state = self.lock();
        let (log_end, high_watermark) = (state.log.log_end(), state.replica.high_watermark());
        let found = epoch.and_then(|epoch| state.log.leader_epochs().end_offset_for(epoch, log_end));
        let epoch_end = found.map(|(epoch, end_offset)| EpochEnd { epoch, end_offset });
        OwnLog { epoch_end, log_end, high_watermark }
    }
}

impl From<Told> for Input<'_> {
    fn from(told: Told) -> Self {
        let Told { leader_epoch, high_watermark, log_start } = told;
        Self::LeaderTold { leader_epoch, high_watermark, log_start }
    }
}

#[cfg(test)]
mod tests;
