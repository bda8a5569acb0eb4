//! One partition: where each batch begins, and up to where batches are kept. No index file, no recovery, no retention; its bytes are
//! written by whatever way was chosen to append.

use std::rc::Rc;

use crate::append::Source;
use crate::send::Region;

/// How far a partition goes: offsets, bytes, batches.
#[derive(Clone, Copy, Default)]
pub struct End {
    pub offset: u64,
    pub position: u64,
    batches: usize,
}

pub struct Partition {
    pub log: usize,
    source: Rc<Source>,
    /// What has been taken, and how much of it may be read.
    pub end: End,
    pub kept: End,
    /// (base offset, position) of each batch.
    batches: Vec<(u64, u64)>,
}

impl Partition {
    pub fn new(log: usize, source: Rc<Source>) -> Self {
        Self { log, source, end: End::default(), kept: End::default(), batches: Vec::new() }
    }

    /// Takes note of a batch that was appended under the next offsets.
    pub fn append(&mut self, offsets: u64, bytes: u64) {
        self.batches.push((self.end.offset, self.end.position));
        self.end.offset += offsets;
        self.end.position += bytes;
        self.end.batches = self.batches.len();
    }

    /// Whole kept batches from the one that holds `offset` on: at most `max_bytes`, but at least one, or nothing at the end.
    pub fn read(&self, offset: u64, max_bytes: u64) -> Option<Region> {
        if offset >= self.kept.offset {
            return None;
        }
        let batches = self.batches.get(..self.kept.batches)?;
        let first = batches.partition_point(|(base, _)| *base <= offset).checked_sub(1)?;
        let (_, position) = *batches.get(first)?;
        let limit = position.saturating_add(max_bytes);
        let next = if self.kept.position <= limit {
            batches.len()
        } else {
            let fitting = batches.partition_point(|(_, begin)| *begin <= limit);
            fitting.saturating_sub(1).max(first + 1)
        };
        let end = batches.get(next).map_or(self.kept.position, |(_, begin)| *begin);
        Some(Region { source: Rc::clone(&self.source), position, remaining: end - position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::Way;

    #[test]
    fn a_read_gives_whole_kept_batches_from_the_one_that_holds_the_offset() {
        let path = std::env::temp_dir().join(format!("floor-partition-{}", std::process::id()));
        let source = Way::Plain.appending(false, None).unwrap().create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut partition = Partition::new(0, source);
        for records in [3, 2, 1] {
            partition.kept = partition.end;
            partition.append(records, 100);
        }
        let read = |partition: &Partition, offset, max_bytes| {
            partition.read(offset, max_bytes).map(|region| (region.position, region.remaining))
        };
        assert_eq!(read(&partition, 0, 1000), Some((0, 200)), "the last is not kept yet");
        assert_eq!(read(&partition, 5, 1000), None);
        partition.kept = partition.end;
        assert_eq!(read(&partition, 0, 1000), Some((0, 300)));
        assert_eq!(read(&partition, 4, 1000), Some((100, 200)));
        assert_eq!(read(&partition, 0, 250), Some((0, 200)), "only whole batches");
        assert_eq!(read(&partition, 3, 1), Some((100, 100)), "at least one");
        assert_eq!(read(&partition, 6, 1000), None);
    }
}
