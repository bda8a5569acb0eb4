//! Reads a sealed segment again, long after it was written, and checks every batch: a disk that rots is found out before somebody
//! needs the records. Corrects nothing, and leaves the pace to the caller.

use std::num::NonZeroU64;
use std::sync::Arc;

use barnabas_records::BatchError;
use barnabas_types::Offset;

use crate::error::ReadError;
use crate::files;
use crate::fs::{Disk, File};
use crate::log::Log;
use crate::read::damaged;
use crate::segment::{SEQUENTIAL_BYTES, ScanError, Scanner, SealedSegment};

/// A segment to be read again, outside the log's lock.
#[derive(Debug)]
pub struct ScrubTicket {
    disk: Arc<Disk>,
    segment: Arc<SealedSegment>,
}

impl Log {
    /// The first sealed segment that begins at `from` or later.
    #[must_use]
    pub fn prepare_scrub(&self, from: Offset) -> Option<ScrubTicket> {
        let after = self.sealed.partition_point(|segment| segment.base_offset < from);
        let segment = Arc::clone(self.sealed.get(after)?);
        Some(ScrubTicket { disk: Arc::clone(&self.disk), segment })
    }
}

impl ScrubTicket {
    /// The segment's first offset.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        self.segment.base_offset
    }

    /// Reads the segment and checks its batches. `pace` is told of the bytes read so far and may wait; it says whether to go on.
    /// A segment that has left the log meanwhile is sound.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] names file and position; or the disk failed.
    pub fn run(&self, pace: impl FnMut(u64) -> bool) -> Result<(), ReadError> {
        let checked = self.segment.open_file(&self.disk).map_err(ScanError::from);
        let checked = checked.and_then(|file| self.check(&*file, pace));
        match checked {
            Err(ScanError::Io(error)) if error.is_not_found() => Ok(()),
            checked => checked.map_err(|error| damaged(error, || self.segment.path(files::LOG))),
        }
    }

    fn check(&self, file: &dyn File, mut pace: impl FnMut(u64) -> bool) -> Result<(), ScanError> {
        let mut scanner = Scanner::new(file, 0, self.segment.size, SEQUENTIAL_BYTES);
        let mut expected = self.segment.base_offset;
        let mut told = 0;
        while let Some(batch) = scanner.next()? {
            scanner.check_crc(&batch)?;
            let header = &batch.header;
            if header.base_offset < expected || header.next_offset() > self.segment.end_offset {
                let error = BatchError::Length { position: 0, length: header.last_offset_delta };
                return Err(ScanError::Batch { position: batch.position, error });
            }
            expected = header.next_offset();
            if batch.end() - told >= SEQUENTIAL_BYTES as u64 {
                forget(file, told, batch.end());
                told = batch.end();
                if !pace(told) {
                    return Ok(());
                }
            }
        }
        forget(file, told, self.segment.size);
        Ok(())
    }
}

/// What is read once must not push out of memory what is read often.
fn forget(file: &dyn File, from: u64, to: u64) {
    if let Some(length) = NonZeroU64::new(to - from) {
        file.forget_cached(from, Some(length));
    }
}
