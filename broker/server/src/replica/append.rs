//! Appends a produced batch to a hosted partition: rules of the topic first, outside the lock; then leadership, sequence
//! and append under it. Waits for nothing.

use std::sync::Arc;

use barnabas_log::{AppendError as LogError, AppendOrigin};
use barnabas_protocol::ErrorCode;
use barnabas_records::{BatchHeader, InvalidBatch, TimestampType, single_batch, validate};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use super::Partition;
use super::hosted::error_code;
use crate::bug::Bug;
use crate::storage::Refusal;

/// Who is to have a batch before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Every in-sync replica, of which there must be `min.insync.replicas` (acks=all).
    AllInSync,
    /// This broker alone, or nobody.
    Leader,
}

/// Where a produced batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The offset after its last record: acks=all waits until the watermark is there.
    pub end_offset: Offset,
    /// The time given to its records under LogAppendTime, else -1.
    pub log_append_time: Timestamp,
    /// The partition's first offset.
    pub log_start: Offset,
    /// Since which epoch this broker has led without a break.
    pub led_since: LeaderEpoch,
    /// True when the watermark is past it already.
    pub replicated: bool,
    /// True when `flush.messages` asks for a sync before anybody is answered, whatever the acks.
    pub is_flush_due: bool,
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The batch breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidBatch),
    /// The log refused it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its directory takes no records at the moment.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This broker does not lead the partition.
    #[error("{}", .0.message())]
    NotLeading(ErrorCode),
}

impl From<ErrorCode> for AppendError {
    fn from(error: ErrorCode) -> Self {
        Self::NotLeading(error)
    }
}

impl Partition {
    /// Appends what a client produced.
    ///
    /// # Errors
    /// The batch breaks a rule, its sequence does not fit, this broker does not lead, or the disk failed.
    pub fn append(self: &Arc<Self>, records: &[u8], acks: Acks, now: Timestamp) -> Result<Appended, AppendError> {
        let config = self.config.load();
        let valid = validate(&single_batch(records)?, &config.rules, now)?;
        let unchecked = self.surroundings.has(Bug::AppendsRepetitions);
        let origin = if unchecked { AppendOrigin::Internal } else { AppendOrigin::Client };
        self.append_batch(&valid.header, &valid.records, (origin, acks), now)
    }

    /// Appends a batch of this broker's own (a coordinator's), unchecked.
    ///
    /// # Errors
    /// This broker does not lead, or the disk failed.
    pub fn append_internal(self: &Arc<Self>, records: &[u8], now: Timestamp) -> Result<Appended, AppendError> {
        let batch = single_batch(records)?;
        let by = (AppendOrigin::Internal, Acks::AllInSync);
        self.append_batch(batch.header(), batch.stored_records(), by, now)
    }

    fn append_batch(
        self: &Arc<Self>,
        header: &BatchHeader,
        records: &[u8],
        (origin, acks): (AppendOrigin, Acks),
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        let config = self.config.load();
        // Before the lock, which a write that hangs holds.
        match origin {
            AppendOrigin::Client => self.condition().takes_clients()?,
            AppendOrigin::Internal => self.condition().takes_internal()?,
        }
        let mut state = self.lock();
        let epoch = state.leading()?;
        if acks == Acks::AllInSync && state.replica.has_others() {
            self.look(&config, false, |around| state.replica.check_acks_all(around)).map_err(error_code)?;
        }
        let writing = self.condition().begin_write();
        let appended = state.log.append_as_leader(header, records, epoch, origin, now);
        drop(writing);
        let appended = appended.inspect_err(|error| {
            if let LogError::Io(error) = error {
                self.condition().noticed(error);
            }
        })?;
        let left = self.log_moved(&mut state, &config);
        let is_flush_due = state.is_flush_due(&config);
        let led_since = self.led_since();
        let log_start = state.log.log_start();
        let end_offset = appended.last_offset.plus(1);
        let replicated = state.replica.high_watermark() >= end_offset;
        drop(state);
        self.settle(left);
        if !appended.duplicate {
            self.log_end_moved();
            self.appended(&config, is_flush_due);
        }
        if appended.rolled {
            // Where no append asks for a sync: a crash scans no more than the active segment, and a disk never gets all of them in a burst.
            self.flusher.ask_unhurried(self);
        }
        let is_append_time = config.rules.timestamp_type == TimestampType::LogAppendTime;
        let log_append_time = match (is_append_time, appended.duplicate) {
            (false, _) => Timestamp::NONE,
            (true, false) => now,
            (true, true) => appended.duplicate_timestamp,
        };
        Ok(Appended {
            base_offset: appended.base_offset,
            end_offset,
            log_append_time,
            log_start,
            led_since,
            replicated,
            is_flush_due,
        })
    }
}
