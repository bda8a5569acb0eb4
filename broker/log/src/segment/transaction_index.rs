//! The transaction index of a segment: the aborted transactions whose markers lie in it, in the markers' order, so that a
//! read-committed reader knows what to leave out (KIP-98). There is a file only where a transaction was aborted. Unlike the other
//! indexes it is no hint: whoever reads believes it, so that one that is not sound is built anew from the batches.

use std::io::IoSlice;
use std::path::Path;

use barnabas_types::{Offset, ProducerId};

use super::index::{Entry, split};
use crate::fs::{File, Fs, IoError, OpenMode, read_exact_at, write_all_at};

/// An entry: i16 version 0, i64 producer id, i64 first offset, i64 last offset, i64 last stable offset, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who aborted it.
    pub producer_id: ProducerId,
    /// The offset of its first record in this partition.
    pub first_offset: Offset,
    /// The offset of its marker.
    pub last_offset: Offset,
    /// The last stable offset once the marker was written: no transaction that is aborted later begins below it.
    pub last_stable_offset: Offset,
}

const VERSION: i16 = 0;
/// Entries read at once by whoever goes through them.
const READ_ENTRIES: usize = 120;

fn take(bytes: &mut &[u8]) -> Option<i64> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i64::from_be_bytes(*head))
}

impl Entry for AbortedTransaction {
    const BYTES: usize = 34;

    fn encode(self, bytes: &mut Vec<u8>) {
        bytes.extend(VERSION.to_be_bytes());
        for value in [self.producer_id.0, self.first_offset.0, self.last_offset.0, self.last_stable_offset.0] {
            bytes.extend(value.to_be_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first_chunk()?;
        if i16::from_be_bytes(*version) != VERSION {
            return None;
        }
        let rest = &mut rest;
        Some(Self {
            producer_id: ProducerId(take(rest)?),
            first_offset: Offset(take(rest)?),
            last_offset: Offset(take(rest)?),
            last_stable_offset: Offset(take(rest)?),
        })
    }
}

/// How much of a segment's transaction index file counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransactionIndex {
    /// Number of entries.
    pub(crate) entries: u64,
    /// The segment was read anew and has markers of which the index does not tell yet.
    pub(crate) incomplete: bool,
    /// An entry was written whose marker may not be in the log.
    staged: bool,
}

impl TransactionIndex {
    /// Takes up the file at `path`, of a segment from `base_offset` to before `end_offset`; none when it is not sound. No file is an
    /// index without entries.
    pub(crate) fn open(
        fs: &dyn Fs,
        path: &Path,
        [base_offset, end_offset]: [Offset; 2],
    ) -> Result<Option<Self>, IoError> {
        let file = match fs.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok(Some(Self::default())),
            Err(error) => return Err(error),
        };
        let (length, entry_bytes) = (file.length()?, AbortedTransaction::BYTES as u64);
        if !length.is_multiple_of(entry_bytes) {
            return Ok(None);
        }
        let index = Self { entries: length / entry_bytes, ..Self::default() };
        let (mut before, mut sound) = (base_offset, true);
        let all_read = index.walk(&*file, 0, |entry| {
            sound = entry.last_offset >= before
                && entry.last_offset < end_offset
                && (0..=entry.last_offset.0).contains(&entry.first_offset.0)
                && (0..=entry.last_offset.0.saturating_add(1)).contains(&entry.last_stable_offset.0);
            before = entry.last_offset.plus(1);
            sound
        })?;
        Ok((sound && all_read).then_some(index))
    }

    /// Writes an entry, which counts only after [`TransactionIndex::count_staged`].
    pub(crate) fn stage(&mut self, fs: &dyn Fs, path: &Path, entry: AbortedTransaction) -> Result<(), IoError> {
        let mut bytes = Vec::with_capacity(AbortedTransaction::BYTES);
        entry.encode(&mut bytes);
        self.staged = true;
        let file = fs.open(path, OpenMode::Create)?;
        write_all_at(&*file, &mut [IoSlice::new(&bytes)], self.entries * AbortedTransaction::BYTES as u64)
    }

    /// The marker of the entry that was written is in the log.
    pub(crate) fn count_staged(&mut self) {
        self.entries += u64::from(std::mem::take(&mut self.staged));
    }

    /// Takes off what was written and does not count.
    pub(crate) fn trim(&mut self, fs: &dyn Fs, path: &Path) -> Result<(), IoError> {
        if !self.staged {
            return Ok(());
        }
        let length = self.entries * AbortedTransaction::BYTES as u64;
        match fs.open(path, OpenMode::Write) {
            Ok(_) if length == 0 => fs.remove_file(path)?,
            Ok(file) => file.set_length(length)?,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        self.staged = false;
        Ok(())
    }

    /// Keeps the entries whose markers lie below `end`.
    pub(crate) fn truncate(&mut self, fs: &dyn Fs, path: &Path, end: Offset) -> Result<(), IoError> {
        if self.entries > 0 {
            let file = fs.open(path, OpenMode::Read)?;
            self.entries = self.first_from(&*file, end)?;
            self.staged = true;
        }
        self.trim(fs, path)
    }

    /// The number of the first entry whose marker lies at `offset` or after it.
    fn first_from(&self, file: &dyn File, offset: Offset) -> Result<u64, IoError> {
        let below = |entry: &AbortedTransaction| entry.last_offset < offset;
        Ok(split(file, self.entries, below)?.1)
    }

    /// Goes through the entries from number `first` on until `each` returns false. False when one cannot be read for what it is.
    fn walk(
        &self,
        file: &dyn File,
        first: u64,
        mut each: impl FnMut(AbortedTransaction) -> bool,
    ) -> Result<bool, IoError> {
        let mut number = first;
        let mut buffer = [0; READ_ENTRIES * AbortedTransaction::BYTES];
        while number < self.entries {
            let count = usize::try_from(self.entries - number).unwrap_or(usize::MAX).min(READ_ENTRIES);
            let bytes = buffer.get_mut(..count * AbortedTransaction::BYTES).unwrap_or_default();
            read_exact_at(file, bytes, number * AbortedTransaction::BYTES as u64)?;
            for entry in bytes.chunks_exact(AbortedTransaction::BYTES) {
                match AbortedTransaction::decode(entry) {
                    Some(entry) if each(entry) => {}
                    Some(_) => return Ok(true),
                    None => return Ok(false),
                }
            }
            number += count as u64;
        }
        Ok(true)
    }

    /// Adds to `found` the transactions that have records or their marker from `from` on and began below `end`. True when no later
    /// segment can have another one.
    pub(crate) fn collect(
        &self,
        file: &dyn File,
        from: Offset,
        end: Offset,
        found: &mut Vec<AbortedTransaction>,
    ) -> Result<bool, IoError> {
        let mut complete = false;
        let first = self.first_from(file, from)?;
        self.walk(file, first, |entry| {
            if entry.first_offset < end {
                found.push(entry);
            }
            complete = entry.last_stable_offset >= end;
            !complete
        })?;
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;

    fn aborted(producer: i64, first: i64, last: i64, stable: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(producer),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(stable),
        }
    }

    fn written(path: &Path, entries: &[AbortedTransaction]) -> TransactionIndex {
        let mut index = TransactionIndex::default();
        for entry in entries {
            index.stage(&RealFs, path, *entry).unwrap();
            index.count_staged();
        }
        index
    }

    #[test]
    fn entries_look_as_kafka_writes_them() {
        let mut bytes = Vec::new();
        aborted(1, 2, 3, 4).encode(&mut bytes);
        let mut expected = vec![0, 0];
        [1_i64, 2, 3, 4].iter().for_each(|value| expected.extend(value.to_be_bytes()));
        assert_eq!(bytes, expected);
        assert_eq!(AbortedTransaction::decode(&bytes), Some(aborted(1, 2, 3, 4)));
    }

    #[test]
    fn a_reader_gets_the_transactions_that_overlap_what_it_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index");
        let entries = [aborted(1, 0, 10, 5), aborted(2, 5, 20, 21), aborted(3, 22, 30, 24), aborted(4, 24, 40, 41)];
        let index = written(&path, &entries);
        let file = RealFs.open(&path, OpenMode::Read).unwrap();
        let collect = |from, end| {
            let mut found = Vec::new();
            let complete = index.collect(&*file, Offset(from), Offset(end), &mut found).unwrap();
            (found.iter().map(|entry| entry.producer_id.0).collect::<Vec<_>>(), complete)
        };
        assert_eq!(collect(0, 5), (vec![1], true));
        assert_eq!(collect(0, 6), (vec![1, 2], true));
        assert_eq!(collect(11, 22), (vec![2], true));
        assert_eq!(collect(20, 23), (vec![2, 3], true));
        assert_eq!(collect(25, 100), (vec![3, 4], false), "a later segment may have more");
        assert_eq!(collect(41, 100), (vec![], false));
    }

    #[test]
    fn an_entry_counts_only_with_its_marker() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index");
        let mut index = written(&path, &[aborted(1, 0, 1, 2)]);
        index.stage(&RealFs, &path, aborted(2, 2, 3, 4)).unwrap();
        index.trim(&RealFs, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 34);
        let whole = [Offset(0), Offset(10)];
        assert_eq!(TransactionIndex::open(&RealFs, &path, whole).unwrap(), Some(index));
        index.truncate(&RealFs, &path, Offset(1)).unwrap();
        assert!(!path.exists());
        assert_eq!(TransactionIndex::open(&RealFs, &path, whole).unwrap(), Some(TransactionIndex::default()));
    }

    #[test]
    fn what_no_segment_can_say_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index");
        let whole = [Offset(0), Offset(10)];
        for entries in [
            vec![aborted(1, 0, 10, 5)],
            vec![aborted(1, 6, 5, 5)],
            vec![aborted(1, -1, 5, 5)],
            vec![aborted(1, 0, 5, 7)],
            vec![aborted(1, 0, 5, 6), aborted(2, 1, 5, 6)],
            vec![aborted(1, 0, 5, 6), aborted(2, 1, 4, 6)],
        ] {
            written(&path, &entries);
            assert_eq!(TransactionIndex::open(&RealFs, &path, whole).unwrap(), None, "{entries:?}");
            std::fs::remove_file(&path).unwrap();
        }
        written(&path, &[aborted(1, 0, 5, 6)]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1] = 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(TransactionIndex::open(&RealFs, &path, whole).unwrap(), None, "another version");
        std::fs::write(&path, &bytes[..33]).unwrap();
        assert_eq!(TransactionIndex::open(&RealFs, &path, whole).unwrap(), None, "cut short");
    }
}
