//! Walks the batches of a file by their headers, reading ahead by pages. Memory does not depend on what a header declares.

use barnabas_records::{BATCH_HEADER_BYTES, BatchError, BatchHeader};
use crc_fast::{CrcAlgorithm, Digest};

use crate::fs::{File, IoError, read_exact_at, read_up_to};

/// Where the bytes that the CRC covers begin in a batch.
const CRC_FROM: u64 = 21;
/// Enough for the headers between two index entries.
pub(crate) const LOOKUP_BYTES: usize = 8 * 1024;
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
    /// Which of the file's bytes `buffer[..filled]` are.
    buffer_at: u64,
    filled: usize,
}

impl<'f> Scanner<'f> {
    /// Walks from `position`, where a batch must start, to `end`.
    pub(crate) fn new(file: &'f dyn File, position: u64, end: u64, read_ahead_bytes: usize) -> Self {
        let buffer = vec![0; read_ahead_bytes.max(BATCH_HEADER_BYTES)];
        Self { file, position, end, buffer, buffer_at: position, filled: 0 }
    }

    /// Up to `length` bytes at `position`, fewer at the file's end or when the buffer is smaller.
    fn bytes(&mut self, position: u64, length: usize) -> Result<&[u8], IoError> {
        let length =
            length.min(self.buffer.len()).min(usize::try_from(self.end.saturating_sub(position)).unwrap_or(length));
        let inside = position.checked_sub(self.buffer_at).and_then(|skip| usize::try_from(skip).ok());
        let mut skip = inside.unwrap_or(usize::MAX);
        if skip.saturating_add(length) > self.filled {
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
