//! Reads a hosted partition: for Fetch a region of a segment file, for ListOffsets the offset of a timestamp. Decides under
//! the lock what may be read, looks it up outside. Copies no records.

use std::sync::Arc;

use barnabas_log::{
    AbortedTransaction, Log, Read, ReadError, ReadLimits, ReadTicket, Region, TimestampTicket, TimestampedOffset,
};
use barnabas_protocol::ErrorCode;
use barnabas_replica::{Around, Fetched as FollowerFetched, Input};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::hosted::{State, error_code};
use super::{Marks, Partition};
use crate::bug::Bug;

/// Which records a client may see (`isolation.level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All below the high watermark.
    ReadUncommitted,
    /// Those below the last stable offset; which of them were aborted is told beside them.
    ReadCommitted,
}

impl Isolation {
    /// As requests have it: 1 is read-committed.
    #[must_use]
    pub fn from_wire(level: i8) -> Self {
        if level == 1 { Self::ReadCommitted } else { Self::ReadUncommitted }
    }
}

impl Marks {
    /// Where clients of that isolation stop reading.
    #[must_use]
    pub fn readable(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset,
        }
    }
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A client, up to where its isolation lets it.
    Consumer(Isolation),
    /// Another replica of the partition, up to the end of the log.
    Follower {
        /// The broker.
        broker: BrokerId,
        /// The epoch of its registration; -1 when it does not say.
        broker_epoch: i64,
        /// The first offset that it has.
        log_start: Offset,
    },
    /// This broker for itself, up to the end of the log.
    Own,
}

impl Reader {
    /// Whether records of transactions that were aborted are told beside the others.
    fn is_read_committed(self) -> bool {
        self == Self::Consumer(Isolation::ReadCommitted)
    }

    /// Where it stops reading.
    pub fn end(self, marks: &Marks) -> Offset {
        match self {
            Self::Consumer(isolation) => marks.readable(isolation),
            Self::Follower { .. } | Self::Own => marks.log_end,
        }
    }
}

/// From where and how much of a partition is fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchFrom {
    /// The first offset wanted.
    pub offset: Offset,
    /// The leader epoch the client believes in; -1 when it does not say.
    pub current_leader_epoch: i32,
    /// The epoch of the record before `offset`; -1 when the client does not say.
    pub last_fetched_epoch: i32,
    /// At most this many bytes.
    pub max_bytes: u32,
    /// The first batch comes whole, even if it is larger.
    pub at_least_one_batch: bool,
    /// Who reads, and so where reading stops.
    pub reader: Reader,
}

impl FetchFrom {
    /// For who knows no epochs: whole batches from `offset` on, at least one.
    #[must_use]
    pub fn batches(offset: Offset, max_bytes: u32, isolation: Isolation) -> Self {
        let (current_leader_epoch, last_fetched_epoch) = (-1, -1);
        let reader = Reader::Consumer(isolation);
        Self { offset, current_leader_epoch, last_fetched_epoch, max_bytes, at_least_one_batch: true, reader }
    }
}

/// What a fetch found.
#[derive(Debug)]
pub struct Fetched {
    /// The partition's marks when it was read.
    pub marks: Marks,
    /// The batches, if there are any that may be read.
    pub region: Option<Region>,
    /// Transactions whose records the client must leave out; of interest to read-committed clients only.
    pub aborted: Vec<AbortedTransaction>,
    /// The client's log is not ours: it must go back to this end.
    pub diverging: Option<EpochEnd>,
}

/// The last offset of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch: the one asked for, or the newest older one that exists here.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: Offset,
}

/// Which record is sought by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The first one of this timestamp or later.
    From(Timestamp),
    /// The first one with the largest timestamp.
    Largest,
}

/// Kafka's code for a read that failed, logged here when it is the disk's or the data's fault.
fn read_failed(partition: &Partition, error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::Io(error) => {
            partition.condition().noticed(error);
            tracing::error!(partition = %partition.name, %error, "a read failed");
            ErrorCode::KAFKA_STORAGE_ERROR
        }
        ReadError::Replaced | ReadError::Damaged { .. } | ReadError::DamagedRecords { .. } => {
            tracing::error!(partition = %partition.name, %error, "a read failed");
            ErrorCode::KAFKA_STORAGE_ERROR
        }
    }
}

impl Partition {
    /// Reads for a consumer, only below the high watermark, or for a follower, which has everything below `from` by then.
    ///
    /// # Errors
    /// Kafka's code: not leading, an epoch that does not fit, an offset out of range, a storage error.
    pub fn fetch(&self, from: FetchFrom) -> Result<Fetched, ErrorCode> {
        let mut offset = from.offset;
        loop {
            let (marks, ticket) = match self.prepare_fetch(from, offset)? {
                Prepared::Read(marks, ticket) => (marks, ticket),
                Prepared::Diverging(marks, end) => {
                    return Ok(Fetched { marks, region: None, aborted: Vec::new(), diverging: Some(end) });
                }
            };
            match ticket.run().map_err(|error| read_failed(self, &error))? {
                Read::Data(region) => {
                    let Some(aborted) = self.aborted(offset, from.reader, &marks, region.as_ref())? else {
                        continue;
                    };
                    return Ok(Fetched { marks, region, aborted, diverging: None });
                }
                Read::Continue(next) => offset = next,
            }
        }
    }

    /// The aborted transactions in `region`; none when the log has lost a segment meanwhile, so that the read has to be decided
    /// again: it then begins below the log's start.
    fn aborted(
        &self,
        offset: Offset,
        reader: Reader,
        marks: &Marks,
        region: Option<&Region>,
    ) -> Result<Option<Vec<AbortedTransaction>>, ErrorCode> {
        let Some(region) = region.filter(|_| reader.is_read_committed()) else {
            return Ok(Some(Vec::new()));
        };
        let (log_start, ticket) = self
            .with_log(|log: &mut Log| (log.log_start(), log.prepare_aborted(offset, marks.last_stable_offset, region)));
        let found = match ticket.run() {
            // Compacted since it was read.
            Err(ReadError::Replaced) => return Ok(None),
            found => found.map_err(|error| read_failed(self, &error))?,
        };
        match found {
            // A file is missing though nothing has left the log: it would be missing the next time, too.
            None if self.marks().log_start == log_start => {
                tracing::error!(partition = %self.name, "a transaction index is missing; the next start builds it anew");
                Err(ErrorCode::KAFKA_STORAGE_ERROR)
            }
            found => Ok(found),
        }
    }

    /// Reads on at `offset`; what a follower has is what it asked from.
    fn prepare_fetch(&self, from: FetchFrom, offset: Offset) -> Result<Prepared, ErrorCode> {
        let mut state = self.lock_unless_hanging()?;
        state.leading_in(from.current_leader_epoch)?;
        if let Reader::Follower { broker, broker_epoch, .. } = from.reader {
            let may_fetch = |around: &Around<'_>| state.replica.check_follower(broker, broker_epoch, around);
            self.look(&self.config.load(), false, may_fetch).map_err(error_code)?;
        }
        let marks = state.marks();
        if let Some(end) = diverging(&state, &from, &marks)? {
            return Ok(Prepared::Diverging(marks, end));
        }
        let limits = ReadLimits {
            end: if self.surroundings.has(Bug::ServesUncommitted) { marks.log_end } else { from.reader.end(&marks) },
            max_bytes: from.max_bytes,
            at_least_one_batch: from.at_least_one_batch,
        };
        let ticket = state.log.prepare_read(offset, limits).map_err(|error| read_failed(self, &error))?;
        let Reader::Follower { broker, broker_epoch, log_start } = from.reader else {
            return Ok(Prepared::Read(marks, ticket));
        };
        let fetched = FollowerFetched { follower: broker, broker_epoch, offset: from.offset, log_start };
        let left = self.step(&mut state, Input::Fetched(fetched));
        let marks = state.marks();
        drop(state);
        self.settle(left);
        self.low_watermark_moved();
        Ok(Prepared::Read(marks, ticket))
    }

    /// Where `epoch` ended, for a client that checks whether it lost its place (OffsetForLeaderEpoch).
    ///
    /// # Errors
    /// Not leading, or an epoch that does not fit.
    pub fn epoch_end(&self, current_leader_epoch: i32, epoch: LeaderEpoch) -> Result<Option<EpochEnd>, ErrorCode> {
        let state = self.lock_unless_hanging()?;
        state.leading_in(current_leader_epoch)?;
        let found = state.log.leader_epochs().end_offset_for(epoch, state.log.log_end());
        Ok(found.map(|(epoch, end_offset)| EpochEnd { epoch, end_offset }))
    }

    /// The marks, for ListOffsets' special timestamps.
    ///
    /// # Errors
    /// Not leading, or an epoch that does not fit.
    pub fn marks_in(&self, current_leader_epoch: i32) -> Result<Marks, ErrorCode> {
        let state = self.lock_unless_hanging()?;
        state.leading_in(current_leader_epoch)?;
        Ok(state.marks())
    }

    /// As [`Partition::marks_in`], for who takes the high watermark for the end of the log.
    ///
    /// # Errors
    /// As well `OFFSET_NOT_AVAILABLE`, while a new leader may know less than was told before (KIP-207).
    pub fn settled_marks_in(&self, current_leader_epoch: i32) -> Result<Marks, ErrorCode> {
        let state = self.lock_unless_hanging()?;
        state.leading_in(current_leader_epoch)?;
        state.replica.check_offsets_available().map_err(error_code)?;
        Ok(state.marks())
    }

    /// The epoch in which `offset` was written, as far as it is known here.
    #[must_use]
    pub fn epoch_of(&self, offset: Offset) -> LeaderEpoch {
        self.lock().log.leader_epochs().epoch_of(offset).unwrap_or(LeaderEpoch::NONE)
    }

    /// The record that `sought` names, as far as consumers may see it. Reads from disk; may block.
    ///
    /// # Errors
    /// Not leading, an epoch that does not fit, or a storage error; `OFFSET_NOT_AVAILABLE` where it is not found while a new leader may know
    /// less than was told before (KIP-207).
    pub fn offset_of(
        &self,
        current_leader_epoch: i32,
        sought: Sought,
        isolation: Isolation,
    ) -> Result<Option<TimestampedOffset>, ErrorCode> {
        loop {
            let state = self.lock_unless_hanging()?;
            state.leading_in(current_leader_epoch)?;
            let is_settled = state.replica.check_offsets_available().map_err(error_code);
            let marks = state.marks();
            let ticket = match sought {
                Sought::From(timestamp) => state.log.prepare_offset_for_timestamp(timestamp),
                Sought::Largest => state.log.prepare_offset_of_largest_timestamp(),
            };
            drop(state);
            match ticket.and_then(TimestampTicket::run) {
                Err(ReadError::Replaced) => {}
                Err(error) => return Err(read_failed(self, &error)),
                // What is not committed as far as a new leader knows may have been before (KIP-207); below its watermark nothing changes.
                Ok(found) => match found.filter(|found| found.offset < marks.readable(isolation)) {
                    None => return is_settled.map(|()| None),
                    found => return Ok(found),
                },
            }
        }
    }

    /// Raises the first offset that may be read (DeleteRecords); -1 means the high watermark.
    ///
    /// # Errors
    /// Not leading, a topic whose records stay until they are compacted away (no `cleanup.policy` delete), or an offset beyond the high
    /// watermark.
    pub fn delete_records(self: &Arc<Self>, before: Offset) -> Result<Deletion, ErrorCode> {
        let mut state = self.lock_unless_hanging()?;
        state.leading()?;
        if !self.config.load().log.delete {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let high_watermark = state.marks().high_watermark;
        let before = if before.0 == -1 { high_watermark } else { before };
        if before.0 < 0 || before > high_watermark {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        state.log.raise_log_start(before);
        let led_since = self.led_since();
        drop(state);
        self.log_start_moved();
        Ok(Deletion { before, led_since })
    }

    /// Waits until no replica that is alive begins below what was deleted: who leads next would show it again. Returns where the first of them
    /// begins.
    ///
    /// # Errors
    /// `REQUEST_TIMED_OUT` at the deadline, or that this broker has not led all the time.
    pub async fn deleted(self: Arc<Self>, deletion: Deletion, deadline: Instant) -> Result<Offset, ErrorCode> {
        let waiter = Arc::new(Notify::new());
        loop {
            let _parked = self.deletions().park(deletion.before, &waiter);
            let low_watermark = self.low_watermark(deletion.led_since)?;
            if low_watermark >= deletion.before {
                return Ok(low_watermark);
            }
            if tokio::time::timeout_at(deadline, waiter.notified()).await.is_err() {
                return Err(ErrorCode::REQUEST_TIMED_OUT);
            }
        }
    }

    fn low_watermark(&self, led_since: LeaderEpoch) -> Result<Offset, ErrorCode> {
        let state = self.lock_unless_hanging()?;
        state.leading()?;
        if self.led_since() != led_since {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let log_start = state.log.log_start();
        Ok(self.look(&self.config.load(), false, |around| state.replica.low_watermark(log_start, around)))
    }
}

/// Records that this broker has deleted as a leader, and the others perhaps not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Those below.
    pub before: Offset,
    /// The epoch since which this broker had led without anybody in between.
    led_since: LeaderEpoch,
}

/// Where the reader's log and this one part, if they do.
fn diverging(state: &State, from: &FetchFrom, marks: &Marks) -> Result<Option<EpochEnd>, ErrorCode> {
    if from.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let believed = LeaderEpoch(from.last_fetched_epoch);
    let found = state.log.leader_epochs().end_offset_for(believed, marks.log_end);
    let (epoch, end_offset) = found.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
    Ok((epoch < believed || end_offset < from.offset).then_some(EpochEnd { epoch, end_offset }))
}

enum Prepared {
    Read(Marks, ReadTicket),
    Diverging(Marks, EpochEnd),
}
