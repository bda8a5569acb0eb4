//! What is left of one batch. Decides by the offset map, by what the batch is to its transaction, and by its delete horizon (KIP-534);
//! keeps offsets, sequences, times and codec. Reads and writes nothing.

use std::collections::HashMap;

use barnabas_records::{BatchBuilder, BatchView, BuildError, DecompressLimits, Header, Record, RecordError, Records};
use barnabas_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::map::OffsetMap;
use super::transactions::Part;

/// The batch that a producer's state hangs on: without it a restarted broker would not know which sequence or epoch comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastBatch {
    /// The last offset of its last batch of data.
    Data(Offset),
    /// It has written no data in this epoch: the marker that began it.
    Marker(ProducerEpoch),
}

/// What goes and what stays in a pass.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    /// The last offset of each key.
    pub(super) map: &'a OffsetMap,
    /// The map knows every record below.
    pub(super) mapped_end: Offset,
    /// Where what may be compacted ends: the batch before it stays, if only as a header, so that the log ends where it did.
    pub(super) round_end: Offset,
    /// Wall-clock time.
    pub(super) now: Timestamp,
    /// `delete.retention.ms`
    pub(super) delete_retention_ms: i64,
    /// Of every producer that is remembered.
    pub(super) last_batches: &'a HashMap<ProducerId, LastBatch>,
}

/// What is left of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// All of it, byte for byte.
    All,
    /// These bytes instead.
    Instead(Vec<u8>),
}

/// Why a batch could not be filtered: its CRC holds, its records do not.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl From<barnabas_records::BatchError> for FilterError {
    fn from(error: barnabas_records::BatchError) -> Self {
        Self::Record(error.into())
    }
}

/// Which records of a batch stay.
#[derive(Debug, Default)]
struct Choice {
    stays: Vec<bool>,
    goes: usize,
    /// A tombstone stays in a batch that the map covers.
    has_tombstone: bool,
}

impl Filter<'_> {
    /// What is left of `batch`, and how many of its records.
    pub(super) fn apply(&self, batch: &BatchView<'_>, part: Part) -> Result<(Left, u64), FilterError> {
        let header = batch.header();
        let emptied = || match self.must_leave_header(batch) {
            true if header.record_count == 0 => Left::All,
            true => Left::Instead(header.emptied().encode().to_vec()),
            false => Left::Nothing,
        };
        let expired = header.delete_horizon().is_some_and(|horizon| horizon <= self.now);
        let goes = part == Part::Aborted || (part == Part::MarkerOfNothing && expired);
        if goes || header.record_count == 0 {
            return Ok((emptied(), 0));
        }
        let choice = if header.attributes.is_control() {
            Choice { has_tombstone: part == Part::MarkerOfNothing, ..Choice::default() }
        } else {
            self.choose(batch, expired)?
        };
        let left = (choice.stays.len() - choice.goes) as u64;
        if choice.goes > 0 && left == 0 {
            return Ok((emptied(), 0));
        }
        let new_horizon = choice.has_tombstone && header.delete_horizon().is_none();
        if choice.goes == 0 && !new_horizon {
            return Ok((Left::All, left));
        }
        let horizon = if new_horizon {
            Some(Timestamp(self.now.0.saturating_add(self.delete_retention_ms)))
        } else {
            header.delete_horizon()
        };
        Ok((Left::Instead(rebuild(batch, horizon, &choice.stays)?), left))
    }

    /// True when something hangs on the batch besides its records.
    fn must_leave_header(&self, batch: &BatchView<'_>) -> bool {
        let header = batch.header();
        let last = self.last_batches.get(&header.producer_id).filter(|_| header.has_producer());
        let of_producer = last.is_some_and(|last| match *last {
            LastBatch::Data(offset) => header.last_offset() == offset,
            LastBatch::Marker(epoch) => header.attributes.is_control() && header.producer_epoch == epoch,
        });
        of_producer || header.next_offset() == self.round_end
    }

    fn choose(&self, batch: &BatchView<'_>, expired: bool) -> Result<Choice, FilterError> {
        let mut choice = Choice::default();
        // Where the map does not cover it all, a tombstone may still have older records in front of it, and they are not gone before
        // the next pass: its time begins then.
        let covered = batch.header().last_offset() < self.mapped_end;
        let mut records = Records::new(batch, DecompressLimits::default())?;
        while let Some(record) = records.next()? {
            let stays = self.stays(&record, expired);
            choice.stays.push(stays);
            choice.goes += usize::from(!stays);
            choice.has_tombstone |= stays && covered && record.value.is_none();
        }
        Ok(choice)
    }

    fn stays(&self, record: &Record<'_>, expired: bool) -> bool {
        if record.offset >= self.mapped_end {
            return true;
        }
        // Without a key nothing would ever replace it. Only topics that were not compacted before have such records.
        let Some(key) = record.key else { return false };
        let is_last = self.map.get(key).is_none_or(|last| record.offset >= last);
        is_last && (record.value.is_some() || !expired)
    }
}

/// The batch with those records that `stays` says so of; all, where it says nothing.
fn rebuild(batch: &BatchView<'_>, horizon: Option<Timestamp>, stays: &[bool]) -> Result<Vec<u8>, FilterError> {
    let mut builder = BatchBuilder::in_place_of(batch.header(), horizon)?;
    let mut records = Records::new(batch, DecompressLimits::default())?;
    let mut stays = stays.iter();
    while let Some(record) = records.next()? {
        if stays.next().is_none_or(|stays| *stays) {
            let headers: Vec<Header<'_>> = record.headers().collect();
            builder.append_at(record.offset, record.timestamp, record.key, record.value, &headers)?;
        }
    }
    Ok(builder.build()?)
}
