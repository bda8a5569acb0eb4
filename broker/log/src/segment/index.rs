//! What the two indexes share: entries of a fixed size, sorted, in a file. The active segment's are in memory and written out
//! behind the appends; a sealed segment's are searched in the file. An index is a hint: whoever uses an entry checks it.

use std::io::IoSlice;
use std::path::Path;

use crate::fs::{File, Fs, IoError, OpenMode, Operation, read_exact_at, write_all_at};

/// An entry of an index.
pub(crate) trait Entry: Copy {
    /// Its size in the file.
    const BYTES: usize;
    /// Appends the entry's bytes.
    fn encode(self, bytes: &mut Vec<u8>);
    /// Reads an entry from exactly [`Entry::BYTES`] bytes.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// An index has at most one entry per batch of a 2 GiB segment: 61-byte batches give 35 million entries of 12 bytes.
const LIMIT_BYTES: u64 = 512 * 1024 * 1024;
/// A search in a file reads this many bytes at once when the range has become small enough.
const SEARCH_BYTES: u64 = 4096;

/// The index of the active segment: in memory, with a file of the same name that is open only while it is written. A crash
/// loses nothing by that, since the indexes of segments that were not sealed are built anew.
#[derive(Debug)]
pub(crate) struct GrowingIndex<E> {
    entries: Vec<E>,
    /// How many of them are in the file.
    written: usize,
}

fn decode_all<E: Entry>(bytes: &[u8]) -> Vec<E> {
    bytes.chunks_exact(E::BYTES).filter_map(E::decode).collect()
}

impl<E: Entry> GrowingIndex<E> {
    /// An empty index at `path`; what was there before is gone.
    pub(crate) fn create(fs: &dyn Fs, path: &Path) -> Result<Self, IoError> {
        fs.open(path, OpenMode::Truncate)?;
        Ok(Self { written: 0, entries: Vec::new() })
    }

    /// The index at `path`, a file of `length` bytes or none. An entry cut short at its end is dropped.
    pub(crate) fn open(fs: &dyn Fs, path: &Path, length: Option<u64>) -> Result<Self, IoError> {
        let Some(length) = length else { return Self::create(fs, path) };
        if length > LIMIT_BYTES {
            return Err(IoError::new(Operation::Read, path, std::io::ErrorKind::FileTooLarge.into()));
        }
        if length == 0 {
            return Ok(Self { written: 0, entries: Vec::new() });
        }
        let file = fs.open(path, OpenMode::Write)?;
        let whole = usize::try_from(length).unwrap_or(0) / E::BYTES * E::BYTES;
        let mut bytes = vec![0; whole];
        read_exact_at(&*file, &mut bytes, 0)?;
        let entries = decode_all(&bytes);
        if length != whole as u64 {
            file.set_length(whole as u64)?;
        }
        Ok(Self { written: entries.len(), entries })
    }

    pub(crate) fn entries(&self) -> &[E] {
        &self.entries
    }

    /// Bytes of all entries.
    pub(crate) fn size_bytes(&self) -> usize {
        self.entries.len() * E::BYTES
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: E) {
        self.entries.push(entry);
    }

    /// Writes the entries that are not in the file at `path` yet.
    pub(crate) fn write_out(&mut self, fs: &dyn Fs, path: &Path) -> Result<(), IoError> {
        if self.written == self.entries.len() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity((self.entries.len() - self.written) * E::BYTES);
        for entry in self.entries.iter().skip(self.written) {
            entry.encode(&mut bytes);
        }
        let file = fs.open(path, OpenMode::Write)?;
        write_all_at(&*file, &mut [IoSlice::new(&bytes)], (self.written * E::BYTES) as u64)?;
        self.written = self.entries.len();
        Ok(())
    }

    /// Keeps the first `count` entries, in the file at `path` too.
    pub(crate) fn truncate(&mut self, fs: &dyn Fs, path: &Path, count: usize) -> Result<(), IoError> {
        self.entries.truncate(count);
        if self.written > self.entries.len() {
            self.written = self.entries.len();
            fs.open(path, OpenMode::Write)?.set_length(self.size_bytes() as u64)?;
        }
        Ok(())
    }
}

/// In the first `count` entries of a sorted index file: the last entry that `below` says yes to, as it would be found by
/// reading from the start to the first no.
pub(crate) fn last_below<E: Entry>(
    file: &dyn File,
    count: u64,
    below: impl Fn(&E) -> bool,
) -> Result<Option<E>, IoError> {
    Ok(split(file, count, below)?.0)
}

/// As [`last_below`], but the first entry that `below` says no to.
pub(crate) fn first_not_below<E: Entry>(
    file: &dyn File,
    count: u64,
    below: impl Fn(&E) -> bool,
) -> Result<Option<E>, IoError> {
    let (_, number) = split(file, count, below)?;
    if number >= count {
        return Ok(None);
    }
    let mut bytes = vec![0; E::BYTES];
    read_exact_at(file, &mut bytes, number * E::BYTES as u64)?;
    Ok(E::decode(&bytes))
}

/// The last entry that `below` says yes to, and how many there are of those.
pub(crate) fn split<E: Entry>(
    file: &dyn File,
    count: u64,
    below: impl Fn(&E) -> bool,
) -> Result<(Option<E>, u64), IoError> {
    let entry_bytes = E::BYTES as u64;
    let (mut low, mut high, mut found) = (0, count, None);
    let mut buffer = [0; SEARCH_BYTES as usize];
    while low < high {
        let whole = (high - low) * entry_bytes <= SEARCH_BYTES;
        let (from, take) = if whole { (low, high - low) } else { (low + (high - low) / 2, 1) };
        let bytes = buffer.get_mut(..(take * entry_bytes) as usize).unwrap_or_default();
        read_exact_at(file, bytes, from * entry_bytes)?;
        if whole {
            for entry in bytes.chunks_exact(E::BYTES).filter_map(E::decode).take_while(|entry| below(entry)) {
                (low, found) = (low + 1, Some(entry));
            }
            return Ok((found, low));
        }
        match E::decode(bytes).filter(|entry| below(entry)) {
            Some(entry) => (low, found) = (from + 1, Some(entry)),
            None => high = from,
        }
    }
    Ok((found, low))
}
