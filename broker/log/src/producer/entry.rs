//! One producer in one partition: its epoch, its last five batches, its open transaction. Checks nothing.

use std::collections::VecDeque;

use barnabas_records::BatchHeader;
use barnabas_types::{Offset, ProducerEpoch, Timestamp};

/// A producer has at most five requests in flight to a partition (`max.in.flight.requests.per.connection`), so that a repeated
/// batch is one of its last five.
const BATCHES_KEPT: usize = 5;

/// Where a producer's batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequencedBatch {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last offset less first offset.
    pub offset_delta: i32,
    /// Its maximum timestamp.
    pub timestamp: Timestamp,
}

impl SequencedBatch {
    pub(crate) fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    /// Sequence of its first record. Sequences run from 0 to `i32::MAX` and begin again at 0.
    #[must_use]
    pub fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        // Masking brings a negative value to where it stood before the sequence wrapped.
        (first & i64::from(i32::MAX)) as i32
    }

    /// Offset of its first record.
    #[must_use]
    pub fn first_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }
}

/// The state of one producer id in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The newest epoch seen; -1 before the first.
    pub epoch: ProducerEpoch,
    /// The epoch of the transaction coordinator that wrote the last marker; -1 without one.
    pub coordinator_epoch: i32,
    /// The maximum timestamp of the last batch.
    pub last_timestamp: Timestamp,
    /// The first offset of the open transaction, if one is open.
    pub transaction_first_offset: Option<Offset>,
    /// The last batches of the epoch, oldest first; five at most.
    batches: VecDeque<SequencedBatch>,
    /// When this broker last saw the producer. Not kept on disk.
    pub(crate) seen: Timestamp,
}

impl ProducerEntry {
    pub(crate) fn new() -> Self {
        Self {
            epoch: ProducerEpoch(-1),
            coordinator_epoch: -1,
            last_timestamp: Timestamp::NONE,
            transaction_first_offset: None,
            batches: VecDeque::new(),
            seen: Timestamp::NONE,
        }
    }

    /// The last batches of the current epoch, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &SequencedBatch> {
        self.batches.iter()
    }

    /// The newest batch of the current epoch.
    #[must_use]
    pub fn last_batch(&self) -> Option<&SequencedBatch> {
        self.batches.back()
    }

    pub(crate) fn enter_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    pub(crate) fn push(&mut self, epoch: ProducerEpoch, batch: SequencedBatch) {
        self.enter_epoch(epoch);
        if self.batches.len() == BATCHES_KEPT {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
        self.last_timestamp = batch.timestamp;
    }

    /// Takes a batch that came before all that are kept, if it belongs to them.
    pub(crate) fn recall(&mut self, epoch: ProducerEpoch, batch: SequencedBatch) {
        let before = self.batches.front().is_some_and(|first| batch.last_offset < first.first_offset());
        if before && epoch == self.epoch && self.batches.len() < BATCHES_KEPT {
            self.batches.push_front(batch);
        }
    }

    /// The batch kept that `header` repeats, if it repeats one.
    pub(crate) fn duplicate_of(&self, header: &BatchHeader) -> Option<SequencedBatch> {
        let same = |batch: &&SequencedBatch| {
            batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        self.batches.iter().find(same).filter(|_| self.epoch == header.producer_epoch).copied()
    }
}
