//! Reads a hosted partition: for Fetch a region of a segment file, for ListOffsets the offset of a timestamp. Decides under
//! the lock what may be read, looks it up outside. Copies no records.

use std::sync::Arc;

use barnabas_log::{Read, ReadError, ReadLimits, ReadTicket, Region, TimestampedOffset};
use barnabas_protocol::ErrorCode;
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use super::{Marks, Partition};

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
}

/// What a fetch found.
#[derive(Debug)]
pub struct Fetched {
    /// The partition's marks when it was read.
    pub marks: Marks,
    /// The batches, if there are any below the high watermark.
    pub region: Option<Region>,
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
        ReadError::Damaged { .. } | ReadError::DamagedRecords { .. } => {
            tracing::error!(partition = %partition.name, %error, "a read failed");
            ErrorCode::KAFKA_STORAGE_ERROR
        }
    }
}

impl Partition {
    /// Reads for a consumer: only below the high watermark.
    ///
    /// # Errors
    /// Kafka's code: not leading, an epoch that does not fit, an offset out of range, a storage error.
    pub fn fetch(&self, from: FetchFrom) -> Result<Fetched, ErrorCode> {
        let mut offset = from.offset;
        loop {
            let (marks, ticket) = match self.prepare_fetch(FetchFrom { offset, ..from })? {
                Prepared::Read(marks, ticket) => (marks, ticket),
                Prepared::Diverging(marks, end) => {
                    return Ok(Fetched { marks, region: None, diverging: Some(end) });
                }
            };
            match ticket.run().map_err(|error| read_failed(self, &error))? {
                Read::Data(region) => return Ok(Fetched { marks, region, diverging: None }),
                Read::Continue(next) => offset = next,
            }
        }
    }

    fn prepare_fetch(&self, from: FetchFrom) -> Result<Prepared, ErrorCode> {
        let state = self.lock();
        state.leading_in(from.current_leader_epoch)?;
        let marks = state.marks();
        if from.last_fetched_epoch >= 0 {
            let believed = LeaderEpoch(from.last_fetched_epoch);
            let (epoch, end_offset) = state
                .log
                .leader_epochs()
                .end_offset_for(believed, marks.log_end)
                .ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
            if epoch < believed || end_offset < from.offset {
                return Ok(Prepared::Diverging(marks, EpochEnd { epoch, end_offset }));
            }
        }
        let limits = ReadLimits {
            end: marks.high_watermark,
            max_bytes: from.max_bytes,
            at_least_one_batch: from.at_least_one_batch,
        };
        let ticket = state.log.prepare_read(from.offset, limits).map_err(|error| read_failed(self, &error))?;
        Ok(Prepared::Read(marks, ticket))
    }

    /// Where `epoch` ended, for a client that checks whether it lost its place (OffsetForLeaderEpoch).
    ///
    /// # Errors
    /// Not leading, or an epoch that does not fit.
    pub fn epoch_end(&self, current_leader_epoch: i32, epoch: LeaderEpoch) -> Result<Option<EpochEnd>, ErrorCode> {
        let state = self.lock();
        state.leading_in(current_leader_epoch)?;
        let found = state.log.leader_epochs().end_offset_for(epoch, state.log.log_end());
        Ok(found.map(|(epoch, end_offset)| EpochEnd { epoch, end_offset }))
    }

    /// The marks, for ListOffsets' special timestamps.
    ///
    /// # Errors
    /// Not leading, or an epoch that does not fit.
    pub fn marks_in(&self, current_leader_epoch: i32) -> Result<Marks, ErrorCode> {
        let state = self.lock();
        state.leading_in(current_leader_epoch)?;
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
    /// Not leading, an epoch that does not fit, or a storage error.
    pub fn offset_of(&self, current_leader_epoch: i32, sought: Sought) -> Result<Option<TimestampedOffset>, ErrorCode> {
        let state = self.lock();
        state.leading_in(current_leader_epoch)?;
        let marks = state.marks();
        let ticket = match sought {
            Sought::From(timestamp) => state.log.prepare_offset_for_timestamp(timestamp),
            Sought::Largest => state.log.prepare_offset_of_largest_timestamp(),
        };
        drop(state);
        let found = ticket.run().map_err(|error| read_failed(self, &error))?;
        Ok(found.filter(|found| found.offset < marks.high_watermark))
    }

    /// Raises the first offset that may be read (DeleteRecords); -1 means the high watermark. Returns the new one.
    ///
    /// # Errors
    /// Not leading, or an offset beyond the high watermark.
    pub fn delete_records(self: &Arc<Self>, before: Offset) -> Result<Offset, ErrorCode> {
        let mut state = self.lock();
        state.leading()?;
        let high_watermark = state.marks().high_watermark;
        let before = if before.0 == -1 { high_watermark } else { before };
        if before.0 < 0 || before > high_watermark {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        state.log.raise_log_start(before);
        Ok(state.log.log_start())
    }
}

enum Prepared {
    Read(Marks, ReadTicket),
    Diverging(Marks, EpochEnd),
}
