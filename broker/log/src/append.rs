//! Appending: a leader gives offsets and its epoch to a batch, a follower takes batches as its leader wrote them.
//! Copies no records, and checks none: that is done before (leader) or was done by the leader (follower).

use std::io::IoSlice;

use barnabas_records::{BATCH_HEADER_BYTES, BatchError, BatchHeader, batches};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use crate::error::AppendError;
use crate::fs::IoError;
use crate::log::Log;
use crate::markers;
use crate::producer::SequenceCheck;

/// Who wrote the batch that a leader appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A client: producer epochs and sequences are checked, and a repeated batch is recognised.
    Client,
    /// A coordinator of this broker, or the quorum: appended as it is.
    Internal,
}

/// Where a batch is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// True when the log had it already: nothing was written.
    pub duplicate: bool,
    /// The duplicate's largest timestamp; -1 for a new batch.
    pub duplicate_timestamp: Timestamp,
    /// True when the batch begins a new segment: the one before is complete.
    pub rolled: bool,
}

impl Log {
    /// Appends one batch, which `records::validate` has accepted or this broker has built, with the next offsets and
    /// `leader_epoch`. When this returns the operating system has it; it is durable only from the next flush on.
    pub fn append_as_leader(
        &mut self,
        header: &BatchHeader,
        records: &[u8],
        leader_epoch: LeaderEpoch,
        origin: AppendOrigin,
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        self.check_online()?;
        let log_end = self.log_end();
        let header = BatchHeader { base_offset: log_end, partition_leader_epoch: leader_epoch, ..*header };
        check_size(&header, records)?;
        if header.last_offset_delta < 0 || log_end.0.checked_add(i64::from(header.last_offset_delta) + 1).is_none() {
            return Err(AppendError::OffsetOverflow { log_end, last_offset_delta: header.last_offset_delta });
        }
        if origin == AppendOrigin::Client
            && let SequenceCheck::Duplicate(known) = self.producers.check(&header)?
        {
            return Ok(Appended {
                base_offset: known.first_offset(),
                last_offset: known.last_offset,
                duplicate: true,
                duplicate_timestamp: known.timestamp,
                rolled: false,
            });
        }
        let segment = self.active.base_offset;
        self.make_room(&header, now)?;
        self.epochs.assign(self.disk.fs(), &self.directory, leader_epoch, log_end)?;
        let patched = header.encode();
        self.write(&header, records, &mut [IoSlice::new(&patched), IoSlice::new(records)], now)?;
        Ok(Appended {
            base_offset: log_end,
            last_offset: header.last_offset(),
            duplicate: false,
            duplicate_timestamp: Timestamp::NONE,
            rolled: self.active.base_offset != segment,
        })
    }

    /// Appends batches as a leader's reply to Fetch carries them: offsets and epochs are set, the last one may be cut short and
    /// is left out then. Returns the new log end. On an error the whole batches before the bad one are in the log.
    pub fn append_as_follower(&mut self, bytes: &[u8], now: Timestamp) -> Result<Offset, AppendError> {
        self.check_online()?;
        for batch in batches(bytes) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(BatchError::Truncated { .. }) => break,
                Err(error) => return Err(error.into()),
            };
            batch.check_crc()?;
            let (header, log_end) = (*batch.header(), self.log_end());
            if header.base_offset < log_end {
                return Err(AppendError::NotContinuing { base_offset: header.base_offset, log_end });
            }
            if header.last_offset_delta < 0 || header.last_offset().0 == i64::MAX {
                return Err(AppendError::OffsetOverflow { log_end, last_offset_delta: header.last_offset_delta });
            }
            self.make_room(&header, now)?;
            let (epoch, base_offset) = (header.partition_leader_epoch, header.base_offset);
            self.epochs.assign(self.disk.fs(), &self.directory, epoch, base_offset)?;
            self.write(&header, batch.stored_records(), &mut [IoSlice::new(batch.bytes())], now)?;
        }
        Ok(self.log_end())
    }

    fn check_online(&self) -> Result<(), AppendError> {
        if self.offline { Err(AppendError::Offline) } else { Ok(()) }
    }

    /// Writes a batch for which there is room, and notes it. `pieces` are its bytes, header included.
    fn write(
        &mut self,
        header: &BatchHeader,
        records: &[u8],
        pieces: &mut [IoSlice<'_>],
        now: Timestamp,
    ) -> Result<(), IoError> {
        let marker = markers::end_marker(header, records);
        let aborted = self.producers.aborted_by(header, marker);
        // Before the marker: a transaction that is known as ended and not as aborted would be read as committed.
        self.active.append(&self.disk, &self.config, header, pieces, aborted)?;
        self.producers.note(header, marker, now);
        Ok(())
    }

    /// Rolls when the batch does not fit into the active segment.
    fn make_room(&mut self, header: &BatchHeader, now: Timestamp) -> Result<(), AppendError> {
        let size = header.size_bytes() as u64;
        if size > u64::from(self.config.segment_bytes) {
            return Err(AppendError::TooLarge { size, segment_bytes: self.config.segment_bytes });
        }
        if self.active.must_roll(&self.config, header, size, now) {
            // A follower's batch may lie further ahead than an index entry of this segment could say.
            let furthest = Offset(header.last_offset().0.saturating_sub(i64::from(i32::MAX)));
            self.roll_at(self.log_end().max(furthest), now)?;
        }
        Ok(())
    }
}

/// The header must say how many bytes follow, or nothing could be read after this batch.
fn check_size(header: &BatchHeader, records: &[u8]) -> Result<(), BatchError> {
    let (needed, available) = (header.size_bytes(), BATCH_HEADER_BYTES + records.len());
    if needed == available { Ok(()) } else { Err(BatchError::Truncated { position: 0, needed, available }) }
}
