//! What a producer with acks=all was told is kept is read at that offset from then on, by everybody, and stands there when all faults are
//! over; and no offset that was ever read is past a leader's log. Not where a topic's settings allow an unclean election.
//!
//! Source: Kafka's documentation, "Guarantees": a committed message is not lost as long as one replica in sync lives; with
//! `barnabas.durability=fsync` not even when none does. Vanlightly's TLA+ specification of Kafka replication, `NoLossOfCommittedRecords`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Acks, Event, Record};
use super::{Invariant, LAST_READERS, Lossy};

pub struct CommittedIsNeverLost {
    lossy: Lossy,
    /// By partition and offset.
    committed: BTreeMap<(i32, i64), Record>,
    /// Kept, and nobody said where.
    somewhere: BTreeSet<(i32, Record)>,
    /// What the last readers read.
    left: BTreeMap<(i32, i64), Record>,
}

impl CommittedIsNeverLost {
    pub const fn new(lossy: Lossy) -> Self {
        Self { lossy, committed: BTreeMap::new(), somewhere: BTreeSet::new(), left: BTreeMap::new() }
    }

    fn kept(&mut self, partition: i32, offset: i64, record: Record) -> Result<(), String> {
        match self.committed.insert((partition, offset), record).filter(|before| *before != record) {
            Some(before) => Err(format!(
                "partition {partition}, offset {offset}: {before:?} was kept by all replicas in sync, and then {record:?} is"
            )),
            None => Ok(()),
        }
    }

    fn read(&mut self, partition: i32, offset: i64, record: Record, is_last: bool) -> Result<(), String> {
        if is_last {
            self.left.insert((partition, offset), record);
        }
        match self.committed.get(&(partition, offset)).filter(|committed| **committed != record) {
            Some(committed) => Err(format!(
                "partition {partition}, offset {offset}: {committed:?} was kept by all replicas in sync, and {record:?} is read there"
            )),
            None => Ok(()),
        }
    }

    fn whole(&self, partition: i32) -> Result<(), String> {
        let of_partition = (partition, i64::MIN)..=(partition, i64::MAX);
        let lost = self.committed.range(of_partition.clone()).find(|(at, _)| !self.left.contains_key(at));
        if let Some(((_, offset), record)) = lost {
            return Err(format!(
                "partition {partition}, offset {offset}: {record:?} was kept by all replicas in sync, and is not there any more"
            ));
        }
        let left: BTreeSet<Record> = self.left.range(of_partition).map(|(_, record)| *record).collect();
        match self.somewhere.iter().find(|(of, record)| *of == partition && !left.contains(record)) {
            Some((_, record)) => Err(format!("partition {partition}: {record:?} was said to be kept, and is nowhere")),
            None => Ok(()),
        }
    }
}

impl Invariant for CommittedIsNeverLost {
    fn name(&self) -> &'static str {
        "committed_is_never_lost"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        match *event {
            Event::Kept { partition, .. }
            | Event::KeptSomewhere { partition, .. }
            | Event::Read { partition, record: Some(_), .. }
            | Event::OutOfRange { partition, .. }
            | Event::Whole { partition, .. }
                if self.lossy.contains(partition) =>
            {
                Ok(())
            }
            Event::Kept { producer, acks: Acks::All, partition, offset, first, count, .. } => {
                let records = (0..count).map(|place| Record { producer, number: first + place });
                (offset..).zip(records).try_for_each(|(offset, record)| self.kept(partition, offset, record))
            }
            Event::KeptSomewhere { producer, partition, first, count } => {
                let numbers = first..first + count;
                self.somewhere.extend(numbers.map(|number| (partition, Record { producer, number })));
                Ok(())
            }
            Event::Read { consumer, partition, offset, record: Some(record), .. } => {
                self.read(partition, offset, record, consumer >= LAST_READERS)
            }
            Event::Read { partition, offset, record: None, .. } => {
                Err(format!("partition {partition}, offset {offset}: a record is read that nobody sent"))
            }
            Event::Damaged { partition, offset, .. } => {
                Err(format!("partition {partition}: the batch at offset {offset} is read with a wrong checksum"))
            }
            Event::OutOfRange { partition, position, leader_epoch, .. } => Err(format!(
                "partition {partition}: everything below offset {position} was committed, and the leader of epoch {leader_epoch} does not reach it"
            )),
            Event::Whole { partition, .. } => self.whole(partition),
            _ => Ok(()),
        }
    }
}
