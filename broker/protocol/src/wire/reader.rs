//! A cursor over the bytes of one frame. Never reads past the end, never reserves memory by a length that it read.

use super::{DecodeError, DecodeFault, UnknownTags, Version};

/// How much memory lists may take for each byte of the frame. Ordinary requests need 1 to 8.
const MEMORY_PER_BYTE: usize = 16;
/// How much memory lists may take whatever the frame's size, in bytes.
const MEMORY_BASE_BYTES: usize = 64 * 1024;

/// A cursor over one frame. What it hands out borrows from the frame; only lists take memory of their own, and all lists of one frame together
/// no more than 64 KiB and 16 times the frame.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    frame: &'a [u8],
    position: usize,
    /// Bytes of memory that lists may still take.
    memory: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `frame`.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        let memory = frame.len().saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_BASE_BYTES);
        Self { frame, position: 0, memory }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.frame.len().saturating_sub(self.position)
    }

    /// The error `fault`, found here.
    #[cold]
    pub(crate) fn error(&self, fault: DecodeFault) -> DecodeError {
        DecodeError::new(fault, self.position)
    }

    /// Fails unless every byte has been read.
    ///
    /// # Errors
    /// [`DecodeFault::TrailingBytes`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(self.error(DecodeFault::TrailingBytes { remaining })),
        }
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`DecodeFault::Truncated`].
    #[inline]
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        #[cfg(test)]
        super::counting_allocator::count_read();
        let rest = self.frame.get(self.position..).unwrap_or_default();
        let Some(bytes) = rest.get(..length) else {
            return Err(self.error(DecodeFault::Truncated { needed: length, remaining: rest.len() }));
        };
        self.position += length;
        Ok(bytes)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`DecodeFault::Truncated`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        #[cfg(test)]
        super::counting_allocator::count_read();
        let rest = self.frame.get(self.position..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(self.error(DecodeFault::Truncated { needed: N, remaining: rest.len() }));
        };
        self.position += N;
        Ok(*bytes)
    }

    /// An unsigned variable-length number, 7 bits a byte, the lowest first.
    ///
    /// # Errors
    /// [`DecodeFault::VarintTooLong`] above five bytes or 32 bits, [`DecodeFault::Truncated`].
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(DecodeFault::VarintTooLong { max_bytes: 5 }))
    }

    /// A length as this version writes it: compact (one more than the length, 0 for null) or as a number of fixed size (-1 for null).
    #[inline]
    fn length(
        &mut self,
        at: Version,
        fixed: fn(&mut Self) -> Result<i32, DecodeError>,
    ) -> Result<Option<usize>, DecodeError> {
        if at.flexible {
            return Ok(self.unsigned_varint()?.checked_sub(1).map(|length| length as usize));
        }
        let length = fixed(self)?;
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(self.error(DecodeFault::NegativeLength { length: i64::from(length) })),
        }
    }

    /// The bytes of a string, or `None` for null.
    pub(crate) fn string(&mut self, at: Version) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = self.length(at, |reader| Ok(i32::from(i16::from_be_bytes(reader.array()?))))?;
        length.map(|length| self.bytes(length)).transpose()
    }

    /// The bytes of a byte string or of records, or `None` for null.
    pub(crate) fn byte_string(&mut self, at: Version) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = self.length(at, |reader| Ok(i32::from_be_bytes(reader.array()?)))?;
        length.map(|length| self.bytes(length)).transpose()
    }

    /// Accounts for one more element of `size` bytes.
    #[inline]
    pub(crate) fn take_memory(&mut self, size: usize) -> Result<(), DecodeError> {
        match self.memory.checked_sub(size) {
            Some(memory) => self.memory = memory,
            None => return Err(self.error(DecodeFault::TooManyElements { times: MEMORY_PER_BYTE })),
        }
        Ok(())
    }

    /// The number of elements of a list, or `None` for null. No more than there are bytes left: every element takes at least one.
    pub(crate) fn count(&mut self, at: Version) -> Result<Option<usize>, DecodeError> {
        let count = self.length(at, |reader| Ok(i32::from_be_bytes(reader.array()?)))?;
        match count {
            Some(count) if count > self.remaining() => {
                Err(self.error(DecodeFault::CountBeyondFrame { count, remaining: self.remaining() }))
            }
            count => Ok(count),
        }
    }

    /// Reads the tagged fields at the end of a structure. `known` is given a reader over one field's bytes and its tag, and says
    /// whether it read it; the others are kept as they are.
    ///
    /// # Errors
    /// Those of `known`, and [`DecodeFault::TagSize`] when a known field does not fill its declared size.
    pub fn tags<F>(&mut self, mut known: F) -> Result<UnknownTags<'a>, DecodeError>
    where
        F: FnMut(&mut Reader<'a>, u32) -> Result<bool, DecodeError>,
    {
        let mut unknown = UnknownTags::default();
        for _ in 0..self.unsigned_varint().map_err(in_tags)? {
            let start = self.position;
            let (tag, mut field) = self.tag().map_err(in_tags)?;
            let value_start = field.position;
            let is_known = known(&mut field, tag)?;
            self.memory = field.memory;
            if !is_known {
                unknown.append(field.frame, start);
            } else if field.remaining() > 0 {
                let actual = field.position.saturating_sub(value_start);
                let declared = actual.saturating_add(field.remaining());
                return Err(in_tags(field.error(DecodeFault::TagSize { tag, declared, actual })));
            }
        }
        Ok(unknown)
    }

    /// The next tag, and a reader over its field.
    #[inline]
    fn tag(&mut self) -> Result<(u32, Self), DecodeError> {
        let tag = self.unsigned_varint()?;
        let declared = self.unsigned_varint()? as usize;
        let start = self.position;
        self.bytes(declared)?;
        let frame = self.frame.get(..self.position).unwrap_or_default();
        Ok((tag, Reader { frame, position: start, memory: self.memory }))
    }
}

/// The same error, found in what stands around tagged fields.
#[cold]
fn in_tags(error: DecodeError) -> DecodeError {
    error.within("tagged_fields")
}
