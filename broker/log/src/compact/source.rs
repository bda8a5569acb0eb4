//! Reads the batches of a segment one after the other, whole and checked. Never hands out a batch whose CRC does not hold; takes no
//! more memory than the file has bytes for.

use std::path::{Path, PathBuf};

use barnabas_records::{BATCH_HEADER_BYTES, BatchError, BatchHeader, BatchView};

use crate::error::ReadError;
use crate::fs::{File, read_up_to};

/// A walk over the batches of one segment.
pub(super) struct Source<'f> {
    file: &'f dyn File,
    path: PathBuf,
    /// Where in the file the unread bytes begin.
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    /// The unread bytes in the buffer.
    unread: std::ops::Range<usize>,
    /// Bytes read from the file since somebody asked.
    read_bytes: u64,
}

impl<'f> Source<'f> {
    /// Walks from `position`, where a batch begins, to `end`; `path` is for errors.
    pub(super) fn new(file: &'f dyn File, path: &Path, position: u64, end: u64, buffer_bytes: usize) -> Self {
        let buffer = vec![0; buffer_bytes.max(BATCH_HEADER_BYTES)];
        Self { file, path: path.to_path_buf(), position, end, buffer, unread: 0..0, read_bytes: 0 }
    }

    /// Bytes read from the file since the last call.
    pub(super) fn take_read_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.read_bytes)
    }

    /// The next batch and where it lies; none at the end.
    ///
    /// # Errors
    /// The disk failed, or what lies there is no sound batch: [`ReadError::Damaged`].
    pub(super) fn next(&mut self) -> Result<Option<(u64, BatchView<'_>)>, ReadError> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        self.have(BATCH_HEADER_BYTES)?;
        let header = BatchHeader::parse(self.unread()).map_err(|error| self.damaged(error))?;
        let (needed, left) = (header.size_bytes(), self.end - position);
        if needed as u64 > left {
            let available = usize::try_from(left).unwrap_or(usize::MAX);
            return Err(self.damaged(BatchError::Truncated { position: 0, needed, available }));
        }
        self.have(needed)?;
        BatchView::parse(self.unread()).and_then(|batch| batch.check_crc()).map_err(|error| self.damaged(error))?;
        let from = self.unread.start;
        self.unread.start += needed;
        self.position += needed as u64;
        let bytes = self.buffer.get(from..from + needed).unwrap_or_default();
        let batch = BatchView::parse(bytes);
        batch.map(|batch| Some((position, batch))).map_err(|error| damaged(&self.path, position, error))
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }

    fn damaged(&self, error: BatchError) -> ReadError {
        damaged(&self.path, self.position, error)
    }

    /// Reads on until the buffer has `needed` unread bytes, or all that are left.
    fn have(&mut self, needed: usize) -> Result<(), ReadError> {
        if self.unread.len() >= needed {
            return Ok(());
        }
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        let at = self.position + self.unread.end as u64;
        let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let room = self.buffer.get_mut(self.unread.end..).unwrap_or_default();
        let wanted = room.len().min(left);
        let read = read_up_to(self.file, room.get_mut(..wanted).unwrap_or_default(), at)?;
        self.unread.end += read;
        self.read_bytes += read as u64;
        Ok(())
    }
}

fn damaged(path: &Path, position: u64, error: BatchError) -> ReadError {
    ReadError::Damaged { path: path.to_path_buf(), position, error }
}
