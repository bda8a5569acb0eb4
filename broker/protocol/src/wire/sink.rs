//! What messages are written into: a counter of sizes, or a list of segments whose bytes were all reserved at once. Does no I/O.

use barnabas_types::{FileRegion, Segment, Segments};
use bytes::Bytes;

use super::{Encode, EncodeError, EncodeFault, Version};
use crate::ErrorCode;

/// Bytes objects up to this many bytes are copied among their neighbours; longer ones become segments of their own.
const COPY_LIMIT_BYTES: usize = 256;
/// The longest string: its length is an `i16` on the wire, in the compact form too.
const STRING_LIMIT_BYTES: usize = i16::MAX as usize;
/// The longest byte string, list and tagged field.
const LENGTH_LIMIT: usize = i32::MAX as usize;

/// Takes what is written, in order.
pub trait Sink: Sized {
    /// Takes a copy of `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// Takes a copy of each of `numbers`, which all have the same size.
    #[inline]
    fn put_numbers<const N: usize>(&mut self, numbers: impl ExactSizeIterator<Item = [u8; N]>) {
        numbers.for_each(|number| self.put(&number));
    }

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
    fn unsigned_varint(&mut self, value: u32) {
        match value {
            0..0x80 => self.put(&[value as u8]),
            0x80..0x4000 => self.put(&[value as u8 | 0x80, (value >> 7) as u8]),
            _ => self.long_varint(value),
        }
    }

    /// Takes an unsigned variable-length number of more than two bytes.
    #[cold]
    fn long_varint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    /// Takes the field `name` of a structure.
    ///
    /// # Errors
    /// Those of the value, with the name.
    #[inline(always)]
    fn field<T: Encode>(&mut self, value: &T, at: Version, name: &'static str) -> Result<(), EncodeError> {
        value.write(self, at).map_err(|error| error.within(name))
    }

    /// Takes the tagged field `tag`, its size before it.
    ///
    /// # Errors
    /// Those of the value, and [`EncodeFault::TooLong`].
    fn tagged<T: Encode>(&mut self, at: Version, tag: u32, value: &T) -> Result<(), EncodeError> {
        let mut size = Size::default();
        value.write(&mut size, at)?;
        self.unsigned_varint(tag);
        self.size(size.total())?;
        value.write(self, at)
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
    shared: usize,
    /// Pieces that are not copied.
    pieces: usize,
}

impl Size {
    /// All bytes written.
    #[must_use]
    pub fn total(&self) -> usize {
        self.copied.saturating_add(self.shared)
    }

    /// Those that a [`SegmentWriter`] copies: what it should be made with.
    #[must_use]
    pub fn copied(&self) -> usize {
        self.copied
    }

    #[inline]
    fn copy(&mut self, length: usize) {
        // Cannot overflow: the bytes are in memory. So the compiler may add up what it knows.
        self.copied = self.copied.wrapping_add(length);
    }

    fn share(&mut self, length: usize) {
        self.shared = self.shared.saturating_add(length);
        self.pieces += 1;
    }
}

impl Sink for Size {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.copy(bytes.len());
    }

    #[inline]
    fn put_numbers<const N: usize>(&mut self, numbers: impl ExactSizeIterator<Item = [u8; N]>) {
        self.copy(numbers.len().wrapping_mul(N));
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() <= COPY_LIMIT_BYTES {
            self.put(bytes);
        } else {
            self.share(bytes.len());
        }
    }

    fn put_region(&mut self, region: &FileRegion) {
        self.share(region.length);
    }

    /// Counts the value once, however deep tagged fields are nested in it.
    fn tagged<T: Encode>(&mut self, at: Version, tag: u32, value: &T) -> Result<(), EncodeError> {
        let before = self.total();
        value.write(self, at)?;
        let size = self.total().saturating_sub(before);
        self.unsigned_varint(tag);
        self.size(size)
    }

    #[inline]
    fn unsigned_varint(&mut self, value: u32) {
        // Seven bits a byte, and one byte for 0.
        let bits = (value | 1).ilog2();
        self.copy((bits / 7 + 1) as usize);
    }
}

/// Makes segments of what is written. All copied bytes come from one allocation.
#[derive(Debug)]
pub struct SegmentWriter {
    buffer: Vec<u8>,
    /// What is not copied, and before which byte of the buffer it stands.
    pieces: Vec<(usize, Segment)>,
    failed: Vec<ErrorCode>,
}

impl SegmentWriter {
    /// A writer for a message of this size.
    #[must_use]
    pub fn for_size(size: Size) -> Self {
        let buffer = Vec::with_capacity(size.copied());
        Self { buffer, pieces: Vec::with_capacity(size.pieces), failed: Vec::new() }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Segments {
        self.finish_with_errors().0
    }

    /// What was written, and the errors among it, so that replies can be counted by what they say without looking through them again.
    #[must_use]
    pub fn finish_with_errors(self) -> (Segments, Vec<ErrorCode>) {
        let mut rest = Bytes::from(self.buffer);
        if self.pieces.is_empty() {
            return (Segments::from(rest), self.failed);
        }
        let mut segments = Segments::with_capacity(self.pieces.len().saturating_mul(2).saturating_add(1));
        let mut start = 0_usize;
        for (position, piece) in self.pieces {
            segments.push(Segment::Bytes(rest.split_to(position.saturating_sub(start))));
            segments.push(piece);
            start = position;
        }
        segments.push(Segment::Bytes(rest));
        (segments, self.failed)
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
        self.buffer.extend_from_slice(bytes);
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() <= COPY_LIMIT_BYTES {
            self.put(bytes);
        } else {
            self.pieces.push((self.buffer.len(), Segment::Bytes(bytes.clone())));
        }
    }

    fn put_region(&mut self, region: &FileRegion) {
        self.pieces.push((self.buffer.len(), Segment::File(region.clone())));
    }
}
