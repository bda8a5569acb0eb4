//! A record that the leader alone has kept (acks=1) is there at the end, unless another leader came after; one that nobody was waited for
//! (acks=0) is, where nothing ever failed. Neither is there twice: such a batch is sent once.
//!
//! Source: Kafka's documentation of `acks`: with 1 a record is lost only if the leader fails before its followers have it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Acks, Event, Record};
use super::{Invariant, LAST_READERS};

#[derive(Default)]
pub struct OnlyAllowedLosses {
    /// By partition: the record, where it was kept, and in which epoch.
    kept: BTreeMap<i32, Vec<(Record, i64, i32)>>,
    /// By partition: what nobody was waited for.
    unwaited: BTreeMap<i32, Vec<Record>>,
    sent: BTreeMap<u32, Acks>,
    /// How many of a producer's records were sent.
    sent_up_to: BTreeMap<u32, u64>,
    newest_epoch: BTreeMap<i32, i32>,
    read: BTreeMap<u32, BTreeSet<Record>>,
    has_faults: bool,
}

impl OnlyAllowedLosses {
    fn read(&mut self, consumer: u32, record: Record) -> Result<(), String> {
        if self.sent_up_to.get(&record.producer).is_none_or(|sent| record.number >= *sent) {
            return Err(format!("{record:?} is read, and was not sent"));
        }
        let is_once = self.sent.get(&record.producer).is_some_and(|acks| *acks != Acks::All);
        if is_once && !self.read.entry(consumer).or_default().insert(record) {
            return Err(format!("{record:?} was sent once, and consumer {consumer} reads it twice"));
        }
        Ok(())
    }

    fn whole(&self, partition: i32) -> Result<(), String> {
        let left: BTreeSet<Record> = (self.read.range(LAST_READERS..)).flat_map(|(_, read)| read).copied().collect();
        let newest = self.newest_epoch.get(&partition).copied().unwrap_or(0);
        for (record, offset, epoch) in self.kept.get(&partition).into_iter().flatten() {
            if !left.contains(record) && (*epoch == newest || !self.has_faults) {
                return Err(format!(
                    "partition {partition}: {record:?} was kept at offset {offset} by the leader of epoch {epoch}, and is lost with the newest epoch {newest}"
                ));
            }
        }
        let unwaited = self.unwaited.get(&partition).into_iter().flatten();
        match unwaited.filter(|_| !self.has_faults).find(|record| !left.contains(record)) {
            Some(record) => Err(format!(
                "partition {partition}: {record:?} was sent to who answers nothing, and is lost, though nothing ever failed"
            )),
            None => Ok(()),
        }
    }
}

impl Invariant for OnlyAllowedLosses {
    fn name(&self) -> &'static str {
        "only_allowed_losses"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        match *event {
            Event::Sent { producer, acks, partition, first, count } => {
                if acks == Acks::None {
                    let records = (first..first + count).map(|number| Record { producer, number });
                    self.unwaited.entry(partition).or_default().extend(records);
                }
                self.sent.insert(producer, acks);
                self.sent_up_to.insert(producer, first + count);
                Ok(())
            }
            Event::Kept { acks: Acks::All, .. } => Ok(()),
            Event::Kept { producer, partition, offset, leader_epoch, first, count, .. } => {
                let records = (0..count).map(|place| Record { producer, number: first + place });
                let kept = records.zip(offset..).map(|(record, offset)| (record, offset, leader_epoch));
                self.kept.entry(partition).or_default().extend(kept);
                Ok(())
            }
            Event::Image { partition, ref assigned, .. } => {
                let newest = self.newest_epoch.entry(partition).or_default();
                *newest = assigned.leader_epoch.max(*newest);
                Ok(())
            }
            // Who leads then hands over, and what its followers do not have yet is cut off.
            Event::Fault(_) | Event::Stops { .. } => {
                self.has_faults = true;
                Ok(())
            }
            Event::Read { consumer, record: Some(record), .. } => self.read(consumer, record),
            Event::Whole { partition, .. } => self.whole(partition),
            _ => Ok(()),
        }
    }
}
