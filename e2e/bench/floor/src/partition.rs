//! One partition: a file that is appended to, and where each batch begins. No index file, no recovery, no retention.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::Path;
use std::rc::Rc;

use crate::wire::offsets_of;

const BASE_OFFSET_BYTES: usize = 8;

/// A run of bytes of a file that is to be sent.
pub struct Region {
    pub file: Rc<File>,
    pub position: u64,
    pub remaining: u64,
}

pub struct Partition {
    file: Rc<File>,
    end_position: u64,
    pub end_offset: u64,
    /// (base offset, position) of each batch.
    batches: Vec<(u64, u64)>,
}

impl Partition {
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).read(true).append(true).open(path)?;
        Ok(Self { file: Rc::new(file), end_position: 0, end_offset: 0, batches: Vec::new() })
    }

    /// Appends a batch under the next offset, which is returned.
    pub fn append(&mut self, batch: &[u8]) -> io::Result<u64> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "no record batch");
        let offsets = offsets_of(batch).ok_or_else(malformed)?;
        let rest = batch.get(BASE_OFFSET_BYTES..).ok_or_else(malformed)?;
        let base = self.end_offset;
        let head = base.to_be_bytes();
        let mut file = &*self.file;
        let written = file.write_vectored(&[IoSlice::new(&head), IoSlice::new(rest)])?;
        match written.checked_sub(BASE_OFFSET_BYTES).and_then(|done| rest.get(done..)) {
            Some(left) => file.write_all(left)?,
            None => return Err(io::Error::new(io::ErrorKind::WriteZero, "the head of a batch was cut short")),
        }
        self.batches.push((base, self.end_position));
        self.end_position += batch.len() as u64;
        self.end_offset += offsets;
        Ok(base)
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whole batches from the one that holds `offset` on: at most `max_bytes`, but at least one, or nothing at the end.
    pub fn read(&self, offset: u64, max_bytes: u64) -> Option<Region> {
        if offset >= self.end_offset {
            return None;
        }
        let first = self.batches.partition_point(|(base, _)| *base <= offset).checked_sub(1)?;
        let (_, position) = *self.batches.get(first)?;
        let limit = position.saturating_add(max_bytes);
        let next = if self.end_position <= limit {
            self.batches.len()
        } else {
            let fitting = self.batches.partition_point(|(_, begin)| *begin <= limit);
            fitting.saturating_sub(1).max(first + 1)
        };
        let end = self.batches.get(next).map_or(self.end_position, |(_, begin)| *begin);
        Some(Region { file: Rc::clone(&self.file), position, remaining: end - position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: u8, bytes: usize) -> Vec<u8> {
        let mut batch = vec![0; bytes];
        batch[26] = records - 1;
        batch
    }

    #[test]
    fn a_read_gives_whole_batches_from_the_one_that_holds_the_offset() {
        let path = std::env::temp_dir().join(format!("floor-partition-{}", std::process::id()));
        let mut partition = Partition::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(partition.append(&batch(3, 100)).unwrap(), 0);
        assert_eq!(partition.append(&batch(2, 100)).unwrap(), 3);
        assert_eq!(partition.append(&batch(1, 100)).unwrap(), 5);
        let read =
            |offset, max_bytes| partition.read(offset, max_bytes).map(|region| (region.position, region.remaining));
        assert_eq!(read(0, 1000), Some((0, 300)));
        assert_eq!(read(4, 1000), Some((100, 200)));
        assert_eq!(read(0, 250), Some((0, 200)), "only whole batches");
        assert_eq!(read(3, 1), Some((100, 100)), "at least one");
        assert_eq!(read(6, 1000), None);
    }
}
