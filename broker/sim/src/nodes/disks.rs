//! What the disks of all machines hold of a partition, for who looks at them from outside: no call of any process. Judges nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_records::{DecompressLimits, Records, batches};

use super::clients::Place;
use super::faults::DISKS;
use super::history::{Record, StoredBatch};
use crate::disk::VirtualDisk;

/// Where partitions lie, each on a disk of its own.
pub const LOG_DIRECTORIES: [&str; 1 + DISKS] = [METADATA_DIRECTORY, "/data/a", "/data/b"];
/// Whose disk never fails: a node does not go on without it.
pub const METADATA_DIRECTORY: &str = "/data/metadata";
const SEGMENT: &str = ".log";

/// Those of all machines, by place.
#[derive(Clone, Debug)]
pub struct Disks(Arc<BTreeMap<usize, VirtualDisk>>);

impl Disks {
    /// These.
    #[must_use]
    pub fn new(disks: impl IntoIterator<Item = (usize, VirtualDisk)>) -> Self {
        Self(Arc::new(disks.into_iter().collect()))
    }

    /// On how many machines the batch at `offset` that begins with `record` would be left, if all lost power now.
    #[must_use]
    pub fn durable_on(&self, partition: i32, offset: i64, record: Record) -> usize {
        let has = |disk: &&VirtualDisk| {
            directories(partition).iter().any(|directory| {
                let segments = segments(disk.durable_names(directory));
                let holding = segments.range(..=offset).next_back();
                let found = |name: &String| disk.peek_durable(&directory.join(name), |log| holds(log, offset, record));
                holding.and_then(|(_, name)| found(name)).unwrap_or(false)
            })
        };
        self.0.values().filter(has).count()
    }

    /// The batches of a partition in all segments of each machine that has it, in order.
    #[must_use]
    pub fn stored(&self, partition: i32) -> Vec<(usize, Vec<StoredBatch>)> {
        let of_machine = |disk: &VirtualDisk| {
            directories(partition).iter().find_map(|directory| {
                let segments = segments(disk.names(directory));
                let log = |name: &String| disk.peek(&directory.join(name), stored).unwrap_or_default();
                (!segments.is_empty()).then(|| segments.values().flat_map(log).collect())
            })
        };
        self.0.iter().filter_map(|(place, disk)| Some((*place, of_machine(disk)?))).collect()
    }
}

fn directories(partition: i32) -> [PathBuf; 1 + DISKS] {
    let name = format!("{}-{}", Place::topic(partition), Place::PARTITION);
    LOG_DIRECTORIES.map(|directory| Path::new(directory).join(&name))
}

/// The segments among `names`, by the offset at which each begins.
fn segments(names: Vec<String>) -> BTreeMap<i64, String> {
    let segments = names.into_iter().filter_map(|name| Some((name.strip_suffix(SEGMENT)?.parse().ok()?, name)));
    segments.collect()
}

/// Whether the batch at `offset` in a segment begins with `record`.
fn holds(segment: &[u8], offset: i64, record: Record) -> bool {
    let mut found = batches(segment).map_while(Result::ok).skip_while(|batch| batch.header().base_offset.0 < offset);
    let Some(batch) = found.next().filter(|batch| batch.header().base_offset.0 == offset) else { return false };
    let first = || Records::new(&batch, DecompressLimits::default()).ok()?.next().ok()??.value.and_then(Record::decode);
    batch.check_crc().is_ok() && first() == Some(record)
}

/// The batches of a segment, up to where there is none: zeros may be written ahead.
fn stored(segment: &[u8]) -> Vec<StoredBatch> {
    let found = batches(segment).map_while(Result::ok).take_while(|batch| batch.check_crc().is_ok());
    let stored = found.map(|batch| {
        let header = batch.header();
        StoredBatch { offset: header.base_offset.0, leader_epoch: header.partition_leader_epoch.0, crc: header.crc }
    });
    stored.collect()
}

#[cfg(test)]
mod tests {
    use barnabas_log::fs::{Fs, OpenMode};
    use barnabas_records::{BatchBuilder, Compression};
    use barnabas_types::{Offset, Timestamp};

    use super::*;

    #[test]
    fn a_batch_counts_on_those_machines_that_have_synced_it() {
        let record = |number| Record { producer: 1, number };
        let mut batch = BatchBuilder::new(Offset(7), Compression::None);
        batch.append(Timestamp(1), None, Some(&record(3).encode()), &[]).unwrap();
        let bytes = batch.build().unwrap();
        let disks = [1, 2, 3].map(|place| (place, VirtualDisk::default()));
        for (place, disk) in &disks {
            let directory = Path::new(LOG_DIRECTORIES[*place - 1]).join("topic-0-0");
            disk.create_directory(&directory).unwrap();
            let file = disk.open(&directory.join("00000000000000000005.log"), OpenMode::Create).unwrap();
            file.write_at(&[std::io::IoSlice::new(&bytes)], 0).unwrap();
            if *place < 3 {
                file.sync().unwrap();
            }
        }
        let disks = Disks::new(disks);
        assert_eq!(disks.durable_on(0, 7, record(3)), 2);
        assert_eq!([disks.durable_on(0, 7, record(4)), disks.durable_on(0, 8, record(3))], [0, 0]);
        assert_eq!(disks.durable_on(1, 7, record(3)), 0, "another partition");
        assert_eq!(disks.stored(0).len(), 3, "what is read needs no sync");
        assert!(disks.stored(0).iter().all(|(_, batches)| batches.len() == 1 && batches[0].offset == 7));
    }
}
