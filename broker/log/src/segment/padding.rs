//! Zeros past the end of a segment that is synced again and again after little: where the file need not grow, a sync writes the
//! batches and not the file's length too, which takes a disk about twice as long. They are never a batch; recovery, rolling and
//! closing cut them off. `preallocate` makes such a tail as well, of the whole segment, as Kafka's does.

use std::io::IoSlice;

use barnabas_records::BATCH_HEADER_BYTES;

use crate::fs::{File, IoError, write_all_at};

/// A log whose syncs cover at least so many bytes each gains nothing.
const MOST_SYNCED_BYTES: u64 = 16 * 1024;
/// No more than this is written ahead, in bytes, and no more than a quarter of what the segment holds.
const MOST_BYTES: u64 = 64 * 1024;
/// Less is not worth a write, in bytes.
const LEAST_BYTES: u64 = 4 * 1024;

static ZEROS: [u8; MOST_BYTES as usize] = [0; MOST_BYTES as usize];

/// What a segment's file holds past its batches, and whether it should.
#[derive(Debug, Default)]
pub(crate) struct Padding {
    /// Where the zeros end; at or below the segment's size there are none.
    end: u64,
    synced_size: u64,
    /// The last sync covered little.
    wanted: bool,
}

impl Padding {
    /// A sync covered the segment's first `size` bytes.
    pub(crate) fn synced(&mut self, size: u64) {
        self.wanted = size.saturating_sub(self.synced_size) < MOST_SYNCED_BYTES;
        self.synced_size = size;
    }

    /// Writes `pieces`, of `bytes` bytes, at `size`, and zeros behind them, if it is time for that; false when nothing is written that
    /// counts.
    pub(crate) fn write(&mut self, file: &dyn File, pieces: &[IoSlice<'_>], size: u64, bytes: u64) -> bool {
        let end = size + bytes;
        if !self.wanted || end <= self.end {
            return false;
        }
        let length = (size / 4).min(MOST_BYTES);
        let zeros = usize::try_from(length).ok().and_then(|length| ZEROS.get(..length)).unwrap_or_default();
        if length < LEAST_BYTES {
            return false;
        }
        let mut padded: Vec<IoSlice<'_>> = pieces.iter().copied().chain([IoSlice::new(zeros)]).collect();
        // A disk may have room for the batch alone.
        self.end = end + length;
        write_all_at(file, &mut padded, size).is_ok()
    }

    /// True when the file is known to go on to `end`.
    pub(crate) fn reaches(&self, end: u64) -> bool {
        end <= self.end
    }

    /// Gives the bytes from `size` up to `end` their place on the disk; does nothing where they have it.
    pub(crate) fn allocate(&mut self, file: &dyn File, size: u64, end: u64) -> Result<(), IoError> {
        if self.reaches(end) || end <= size {
            return Ok(());
        }
        if let Err(error) = file.allocate(end) {
            // Part of it may be there: it would be missing elsewhere.
            if file.set_length(size).is_ok() {
                self.end = 0;
            }
            return Err(error);
        }
        self.end = end;
        Ok(())
    }

    /// The file was cut by somebody else.
    pub(crate) fn forget(&mut self) {
        self.end = 0;
    }

    /// True when a file of `size` bytes of batches has zeros behind them.
    pub(crate) fn is_there(&self, size: u64) -> bool {
        self.end > size
    }

    /// Cuts the file at `size`, unless it ends there.
    pub(crate) fn take_off(&mut self, file: &dyn File, size: u64) -> Result<(), IoError> {
        if self.is_there(size) {
            file.set_length(size)?;
        }
        self.end = 0;
        Ok(())
    }

    /// True when `file` has nothing but zeros from `size` to `end`, at least a batch's header.
    pub(crate) fn is_all(file: &dyn File, size: u64, end: u64) -> Result<bool, IoError> {
        if end.saturating_sub(size) < BATCH_HEADER_BYTES as u64 {
            return Ok(false);
        }
        let mut piece = vec![0; ZEROS.len()];
        let mut position = size;
        while position < end {
            let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(piece.len());
            let read = crate::fs::read_up_to(file, piece.get_mut(..wanted).unwrap_or_default(), position)?;
            if piece.iter().take(read).any(|byte| *byte != 0) {
                return Ok(false);
            }
            if read < wanted {
                break;
            }
            position += read as u64;
        }
        Ok(true)
    }
}
