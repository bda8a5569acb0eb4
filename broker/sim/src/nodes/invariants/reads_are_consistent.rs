//! Two consumers never read different records at one offset, nor does one of them at different times: what is below the high watermark
//! stays, unless a topic's settings allow an unclean election.
//!
//! Source: Kafka's documentation, "Replication": only committed messages are given out to consumers. Vanlightly's TLA+ specification of Kafka
//! replication, `ConsumedRecordsStay`. KIP-101 and KIP-279 tell the histories in which it did not hold.

use std::collections::BTreeMap;

use super::super::history::{Event, Record};
use super::{Invariant, Lossy};

pub struct ReadsAreConsistent {
    lossy: Lossy,
    /// By partition and offset: the record, and the epoch of the leader that appended it.
    read: BTreeMap<(i32, i64), (Record, i32)>,
}

impl ReadsAreConsistent {
    pub const fn new(lossy: Lossy) -> Self {
        Self { lossy, read: BTreeMap::new() }
    }
}

impl Invariant for ReadsAreConsistent {
    fn name(&self) -> &'static str {
        "reads_are_consistent"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        let Event::Read { partition, offset, record: Some(record), epoch, watermark, .. } = *event else {
            return Ok(());
        };
        if offset >= watermark {
            return Err(format!(
                "partition {partition}: offset {offset} is read, and the high watermark is {watermark}"
            ));
        }
        if self.lossy.contains(partition) {
            return Ok(());
        }
        let (first, first_epoch) = *self.read.entry((partition, offset)).or_insert((record, epoch));
        if (first, first_epoch) == (record, epoch) {
            return Ok(());
        }
        Err(format!(
            "partition {partition}, offset {offset}: {first:?} of epoch {first_epoch} was read, and now {record:?} of epoch {epoch}"
        ))
    }
}
