//! What messages are written into: a counter of sizes, or a list of segments whose bytes were all reserved at once. Does no I/O.

use barnabas_types::{FileRegion, Segment, Segments};
use bytes::{BufMut, Bytes, BytesMut};

use super::{EncodeError, EncodeFault, Version};
use crate::ErrorCode;

/// Bytes objects up to this many bytes are copied among their neighbours; longer ones become segments of their own.
const COPY_LIMIT_BYTES: usize = 256;
/// The longest string: its length is an `i16` on the wire, in the compact form too.
const STRING_LIMIT_BYTES: usize = i16::MAX as usize;
/// The longest byte string, list and tagged field.
const LENGTH_LIMIT: usize = i32::MAX as usize;

/// Takes what is written, in order.
pub trait Sink {
    /// Takes a copy of `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// Takes `bytes`, without a copy when they are many.
    fn put_shared(&mut self, bytes: &Bytes);

    /// Takes a region of a file.
    fn put_region(&mut self, region: &FileRegion);

    /// Takes an error code.
    #[inline]
    fn error_code(&mut self, code: ErrorCode) {
        self.put(&code.0.to_be_bytes());
    }

    /// Takes an unsigned variable-length number.
    #[inline]
    fn unsigned_varint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    /// Takes the size of a tagged field.
    ///
    /// # Errors
    /// [`EncodeFault::TooLong`].
    fn size(&mut self, size: usize) -> Result<(), EncodeError> {
        let size = checked(size, LENGTH_LIMIT)?;
        self.unsigned_varint(size as u32);
        Ok(())
    }

    /// Takes the length of a string, `None` for null.
    ///
    /// # Errors
    /// [`EncodeFault::TooLong`] above 32,767 bytes.
    #[inline]
    fn string_length(&mut self, at: Version, length: Option<usize>) -> Result<(), EncodeError> {
        let length = length.map(|length| checked(length, STRING_LIMIT_BYTES)).transpose()?;
        if at.flexible {
            self.unsigned_varint(length.map_or(0, |length| length as u32 + 1));
        } else {
            self.put(&length.map_or(-1, |length| length as i16).to_be_bytes());
        }
        Ok(())
    }

    /// Takes the length of a byte string or of records, or the count of a list, `None` for null.
    ///
    /// # Errors
    /// [`EncodeFault::TooLong`] above `i32::MAX`.
    #[inline]
    fn length(&mut self, at: Version, length: Option<usize>) -> Result<(), EncodeError> {
        let length = length.map(|length| checked(length, LENGTH_LIMIT)).transpose()?;
        if at.flexible {
            self.unsigned_varint(length.map_or(0, |length| length as u32 + 1));
        } else {
            self.put(&length.map_or(-1, |length| length as i32).to_be_bytes());
        }
        Ok(())
    }
}

#[inline]
fn checked(length: usize, max: usize) -> Result<usize, EncodeError> {
    if length > max { Err(EncodeError::new(EncodeFault::TooLong { length, max })) } else { Ok(length) }
}

/// Counts what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    copied: usize,
    total: usize,
}

impl Size {
    /// All bytes written.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// Those that a [`SegmentWriter`] copies: what it should be made with.
    #[must_use]
    pub fn copied(&self) -> usize {
        self.copied
    }
}

impl Sink for Size {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.copied += bytes.len();
        self.total += bytes.len();
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() <= COPY_LIMIT_BYTES {
            self.put(bytes);
        } else {
            self.total += bytes.len();
        }
    }

    fn put_region(&mut self, region: &FileRegion) {
        self.total += region.length;
    }
}

/// Makes segments of what is written. All copied bytes come from one allocation.
#[derive(Debug)]
pub struct SegmentWriter {
    buffer: BytesMut,
    segments: Segments,
    failed: Vec<ErrorCode>,
}

impl SegmentWriter {
    /// A writer for a message of this size.
    #[must_use]
    pub fn for_size(size: Size) -> Self {
        Self { buffer: BytesMut::with_capacity(size.copied()), segments: Segments::default(), failed: Vec::new() }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Segments {
        self.finish_with_errors().0
    }

    /// What was written, and the errors among it, so that replies can be counted by what they say without looking through them again.
    #[must_use]
    pub fn finish_with_errors(mut self) -> (Segments, Vec<ErrorCode>) {
        self.cut();
        (self.segments, self.failed)
    }

    fn cut(&mut self) {
        self.segments.push(Segment::Bytes(self.buffer.split().freeze()));
    }
}

impl Sink for SegmentWriter {
    #[inline]
    fn error_code(&mut self, code: ErrorCode) {
        if code != ErrorCode::NONE {
            self.failed.push(code);
        }
        self.put(&code.0.to_be_bytes());
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() <= COPY_LIMIT_BYTES {
            self.put(bytes);
        } else {
            self.cut();
            self.segments.push(Segment::Bytes(bytes.clone()));
        }
    }

    fn put_region(&mut self, region: &FileRegion) {
        self.cut();
        self.segments.push(Segment::File(region.clone()));
    }
}
