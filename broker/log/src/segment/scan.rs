//! Walks the batches of a file by their headers, reading ahead by pages. Memory does not depend on what a header declares.

use barnabas_records::{BATCH_HEADER_BYTES, BatchError, BatchHeader};
use crc_fast::{CrcAlgorithm, Digest};

use crate::fs::{File, IoError, read_exact_at, read_up_to};

/// Where the bytes that the CRC covers begin in a batch.
const CRC_FROM: u64 = 21;
/// Where a look-up begins: large batches show no more than a header or two, small ones soon ask for more.
const FIRST_LOOK_BYTES: usize = 512;
/// Enough for the headers between two index entries.
const LOOKUP_BYTES: usize = 8 * 1024;
/// For walks over whole segments.
pub(crate) const SEQUENTIAL_BYTES: usize = 256 * 1024;

/// A batch in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    /// Its header.
    pub(crate) header: BatchHeader,
    /// Where it starts.
    pub(crate) position: u64,
}

impl Located {
    /// Where the next batch starts.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.header.size_bytes() as u64
    }
}

/// Why a walk stopped.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The disk failed.
    Io(IoError),
    /// What lies at `position` is not a whole, sound batch.
    Batch {
        /// Where.
        position: u64,
        /// What is wrong with it.
        error: BatchError,
    },
}

impl From<IoError> for ScanError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

/// Yields the batches between two positions of a file.
#[derive(Debug)]
pub(crate) struct Scanner<'f> {
    file: &'f dyn File,
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    /// How far the buffer may grow while what follows is read.
    most_bytes: usize,
    /// Which of the file's bytes `buffer[..filled]` are.
    buffer_at: u64,
    filled: usize,
}

impl<'f> Scanner<'f> {
    /// Walks from `position`, where a batch must start, to `end`.
    pub(crate) fn new(file: &'f dyn File, position: u64, end: u64, read_ahead_bytes: usize) -> Self {
        let most_bytes = read_ahead_bytes.max(BATCH_HEADER_BYTES);
        Self { file, position, end, buffer: vec![0; most_bytes], most_bytes, buffer_at: position, filled: 0 }
    }

    /// As [`Scanner::new`], for a walk over the few batches from where an index points.
    pub(crate) fn looking_up(file: &'f dyn File, position: u64, end: u64) -> Self {
        Self { most_bytes: LOOKUP_BYTES, ..Self::new(file, position, end, FIRST_LOOK_BYTES) }
    }

    /// Up to `length` bytes at `position`, fewer at the file's end or when the buffer is smaller.
    fn bytes(&mut self, position: u64, length: usize) -> Result<&[u8], IoError> {
        let length =
            length.min(self.buffer.len()).min(usize::try_from(self.end.saturating_sub(position)).unwrap_or(length));
        let inside = position.checked_sub(self.buffer_at).and_then(|skip| usize::try_from(skip).ok());
        let mut skip = inside.unwrap_or(usize::MAX);
        if skip.saturating_add(length) > self.filled {
            if self.filled > 0 && skip <= self.filled && self.buffer.len() < self.most_bytes {
                self.buffer.resize(self.buffer.len().saturating_mul(2).min(self.most_bytes), 0);
            }
            let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
            let target = self.buffer.len().min(left);
            let target = self.buffer.get_mut(..target).unwrap_or_default();
            self.filled = read_up_to(self.file, target, position)?;
            self.buffer_at = position;
            skip = 0;
        }
        Ok(self.buffer.get(skip..self.filled.min(skip + length)).unwrap_or_default())
    }

    /// The next batch, none at the end. After an error the walk is over: nothing tells where another batch would start.
    pub(crate) fn next(&mut self) -> Result<Option<Located>, ScanError> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        let failed = |error| ScanError::Batch { position, error };
        let header = BatchHeader::parse(self.bytes(position, BATCH_HEADER_BYTES)?).map_err(failed)?;
        let available = usize::try_from(self.end - position).unwrap_or(usize::MAX);
        if header.size_bytes() > available {
            return Err(failed(BatchError::Truncated { position: 0, needed: header.size_bytes(), available }));
        }
        // A walk does not look at the CRC: a batch that says it ends before it begins would be passed over.
        if header.last_offset_delta < 0 {
            return Err(failed(BatchError::Length { position: 0, length: header.last_offset_delta }));
        }
        let located = Located { header, position };
        self.position = located.end();
        Ok(Some(located))
    }

    /// Reads the batch's bytes and compares their CRC with the header's.
    pub(crate) fn check_crc(&mut self, batch: &Located) -> Result<(), ScanError> {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        let (mut position, end) = (batch.position + CRC_FROM, batch.end());
        while position < end {
            let wanted = usize::try_from(end - position).unwrap_or(usize::MAX);
            let bytes = self.bytes(position, wanted)?;
            if bytes.is_empty() {
                let error = BatchError::Truncated { position: 0, needed: batch.header.size_bytes(), available: 0 };
                return Err(ScanError::Batch { position: batch.position, error });
            }
            digest.update(bytes);
            position += bytes.len() as u64;
        }
        let computed = digest.finalize() as u32;
        let stored = batch.header.crc;
        if computed == stored {
            return Ok(());
        }
        let error = BatchError::Crc { base_offset: batch.header.base_offset, stored, computed };
        Err(ScanError::Batch { position: batch.position, error })
    }

    /// The whole batch. The caller has made sure that its size is one it can afford.
    pub(crate) fn read(&self, batch: &Located) -> Result<Vec<u8>, IoError> {
        let mut bytes = vec![0; batch.header.size_bytes()];
        read_exact_at(self.file, &mut bytes, batch.position)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use barnabas_records::{BatchBuilder, Compression};
    use barnabas_types::{Offset, Timestamp};

    use super::*;
    use crate::fs::{Fs, OpenMode, RealFs, write_all_at};

    #[test]
    fn a_look_up_walks_over_small_and_large_batches_as_a_walk_over_the_whole_file_does() {
        let directory = tempfile::tempdir().unwrap();
        let file = RealFs.open(&directory.path().join("batches"), OpenMode::Create).unwrap();
        let mut bytes = Vec::new();
        let sizes = [1; 400].into_iter().chain([20_000, 1, 500, 700_000, 1, 1, 8_192, 1]);
        for (number, size) in sizes.enumerate() {
            let mut batch = BatchBuilder::new(Offset(number as i64), Compression::None);
            batch.append(Timestamp(1), None, Some(&vec![7; size]), &[]).unwrap();
            bytes.extend(batch.build().unwrap());
        }
        write_all_at(&*file, &mut [IoSlice::new(&bytes)], 0).unwrap();
        let positions = |mut scanner: Scanner<'_>| {
            let mut positions = Vec::new();
            while let Some(batch) = scanner.next().unwrap() {
                positions.push((batch.position, batch.end()));
                if batch.header.base_offset.0 % 3 == 0 {
                    scanner.check_crc(&batch).unwrap();
                }
            }
            positions
        };
        let length = bytes.len() as u64;
        let all = positions(Scanner::new(&*file, 0, length, SEQUENTIAL_BYTES));
        assert_eq!(all.len(), 408);
        assert_eq!(positions(Scanner::looking_up(&*file, 0, length)), all);
    }
}
