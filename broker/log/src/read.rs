//! Reading by offset: what to read is decided under the lock, index files and headers are read outside it. Returns regions of
//! files, never copies of batches.

use std::path::PathBuf;
use std::sync::Arc;

use barnabas_types::Offset;

use crate::error::ReadError;
use crate::files;
use crate::fs::{Disk, File, IoError};
use crate::log::Log;
use crate::segment::{Place, ScanError, SealedSegment, Span, batch_at_or_after, limit_position};

/// Whole batches in a file, the last one possibly cut short.
#[derive(Clone, Debug)]
pub struct Region {
    /// Holds the file open, whatever retention does to its name.
    pub file: Arc<std::fs::File>,
    /// First byte.
    pub position: u64,
    /// Number of bytes.
    pub length: u32,
    /// The segment, if it is a sealed one.
    pub(crate) sealed: Option<Arc<SealedSegment>>,
}

/// What a read found.
#[derive(Debug)]
pub enum Read {
    /// Bytes from the batch on that holds the offset asked for, or the first one after it. None when there is nothing below the
    /// limit, or when the first batch is larger than allowed.
    Data(Option<Region>),
    /// The rest of that segment was compacted away, or all of it was replaced meanwhile: read again from here.
    Continue(Offset),
}

/// How much to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Only batches below this offset: high watermark or last stable offset for consumers, log end for followers.
    pub end: Offset,
    /// At most this many bytes.
    pub max_bytes: u32,
    /// The first batch is returned whole though it is larger than `max_bytes`, so that readers get on.
    pub at_least_one_batch: bool,
}

/// A read that was decided and has to be run outside the log's lock.
#[derive(Debug)]
pub struct ReadTicket {
    disk: Arc<Disk>,
    segment: Segment,
    offset: Offset,
    limits: ReadLimits,
}

#[derive(Debug)]
enum Segment {
    Nothing,
    Sealed(Arc<SealedSegment>),
    Active {
        file: Arc<dyn File>,
        base_offset: Offset,
        size: u64,
        hint: u64,
        end: End,
    },
    /// Nothing has to be looked up.
    Known {
        file: Arc<dyn File>,
        first: Place,
        end: u64,
    },
}

/// Where the bytes end that may be read of the active segment.
#[derive(Clone, Copy, Debug)]
enum End {
    Size,
    Before { limit: Offset, hint: u64 },
}

pub(crate) fn damaged(error: ScanError, path: impl FnOnce() -> PathBuf) -> ReadError {
    match error {
        ScanError::Io(error) => ReadError::Io(error),
        ScanError::Batch { position, error } => ReadError::Damaged { path: path(), position, error },
    }
}

impl Log {
    /// Decides about a read from `offset` on. Reading at the log's end is allowed and finds nothing.
    pub fn prepare_read(&self, offset: Offset, limits: ReadLimits) -> Result<ReadTicket, ReadError> {
        let (log_start, log_end) = (self.log_start, self.log_end());
        if offset < log_start || offset > log_end {
            return Err(ReadError::OutOfRange { offset, log_start, log_end });
        }
        let segment = if offset >= limits.end.min(log_end) {
            Segment::Nothing
        } else if let Some(sealed) = self.sealed_holding(offset) {
            Segment::Sealed(Arc::clone(sealed))
        } else if let Some(known) = self.known(offset, limits.end)? {
            known
        } else {
            let active = &self.active;
            let end = if limits.end >= log_end {
                End::Size
            } else {
                End::Before { limit: limits.end, hint: active.hint(limits.end) }
            };
            let file = active.file(&self.disk)?;
            let hint = active.hint(offset);
            Segment::Active { file, base_offset: active.base_offset, size: active.size, hint, end }
        };
        Ok(ReadTicket { disk: Arc::clone(&self.disk), segment, offset, limits })
    }

    /// The newest batches, from the one with `offset` to before `limit`.
    fn known(&self, offset: Offset, limit: Offset) -> Result<Option<Segment>, IoError> {
        let active = &self.active;
        let Some(first) = active.place(offset) else { return Ok(None) };
        let end = if limit >= self.log_end() { Some(active.size) } else { active.place(limit).map(|at| at.position) };
        let Some(end) = end else { return Ok(None) };
        Ok(Some(Segment::Known { file: active.file(&self.disk)?, first, end }))
    }

    /// [`Log::prepare_read`] and [`ReadTicket::run`] in one, for callers that may block.
    pub fn read(&self, mut offset: Offset, limits: ReadLimits) -> Result<Option<Region>, ReadError> {
        loop {
            match self.prepare_read(offset, limits)?.run()? {
                Read::Data(region) => return Ok(region),
                Read::Continue(next) => offset = next,
            }
        }
    }
}

impl ReadTicket {
    /// Finds the bytes. Reads a few pages of headers and index; blocks if they are not in memory.
    pub fn run(self) -> Result<Read, ReadError> {
        match &self.segment {
            Segment::Nothing => Ok(Read::Data(None)),
            Segment::Known { file, first, end } => Ok(self.found(&**file, first.position, first.bytes, *end)),
            Segment::Sealed(sealed) => match self.in_sealed(sealed) {
                // What was read may be the new segment's file with the old one's size, or no file at all.
                _ if sealed.is_replaced() => Ok(Read::Continue(self.offset)),
                read => read,
            },
            Segment::Active { file, base_offset, size, hint, end } => {
                let span = Span { file: &**file, base_offset: *base_offset, size: *size };
                let at = |error| damaged(error, || file.path().to_path_buf());
                let end = match *end {
                    End::Size => span.size,
                    End::Before { limit, hint } => limit_position(span, hint, limit).map_err(at)?,
                };
                Ok(self.region(span, *hint, end).map_err(at)?.unwrap_or(Read::Data(None)))
            }
        }
    }

    fn in_sealed(&self, sealed: &SealedSegment) -> Result<Read, ReadError> {
        let file = sealed.open_file(&self.disk)?;
        let span = sealed.span(&*file);
        let at = |error| damaged(error, || sealed.path(files::LOG));
        let hint = sealed.hint(&self.disk, self.offset)?;
        let end = if self.limits.end >= sealed.end_offset {
            span.size
        } else {
            limit_position(span, sealed.hint(&self.disk, self.limits.end)?, self.limits.end).map_err(at)?
        };
        match self.region(span, hint, end).map_err(at)? {
            Some(read) => Ok(read),
            None => Ok(Read::Continue(sealed.end_offset)),
        }
    }

    /// The region from the batch with the wanted offset to `end`; none when the segment has no such batch.
    fn region(&self, span: Span<'_>, hint: u64, end: u64) -> Result<Option<Read>, ScanError> {
        let Some(first) = batch_at_or_after(span, hint, self.offset)? else {
            return Ok(None);
        };
        Ok(Some(self.found(span.file, first.position, first.header.size_bytes() as u64, end)))
    }

    /// The region from `position`, where a batch of `first_bytes` begins, to `end`, as far as the limits allow.
    fn found(&self, file: &dyn File, position: u64, first_bytes: u64, end: u64) -> Read {
        let available = end.saturating_sub(position);
        let allowed = u64::from(self.limits.max_bytes);
        let allowed = if self.limits.at_least_one_batch { allowed.max(first_bytes) } else { allowed };
        let length = u32::try_from(available.min(allowed)).unwrap_or(u32::MAX);
        // Less than one batch is of no use to the reader and would be sent again.
        let useful = u64::from(length) >= first_bytes;
        Read::Data(useful.then(|| Region { file: Arc::clone(file.handle()), position, length, sealed: self.sealed() }))
    }
}

impl ReadTicket {
    fn sealed(&self) -> Option<Arc<SealedSegment>> {
        match &self.segment {
            Segment::Sealed(sealed) => Some(Arc::clone(sealed)),
            _ => None,
        }
    }
}

impl Region {
    /// The bytes, for whoever does not send them on: coordinators, the quorum, tests.
    pub fn bytes(&self) -> std::io::Result<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; self.length as usize];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes)
    }
}
