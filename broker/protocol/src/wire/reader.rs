//! A cursor over the bytes of one frame. Never reads past the end, never reserves memory by a length that it read.

use super::{Decode, DecodeError, DecodeFault, UnknownTags, Version};

/// How much memory lists may take for each byte of the frame. Ordinary requests need 1 to 8.
const MEMORY_PER_BYTE: usize = 16;
/// How much memory lists may take whatever the frame's size, in bytes.
const MEMORY_BASE_BYTES: usize = 64 * 1024;

/// A cursor over one frame. What it hands out borrows from the frame; only lists take memory of their own, and all lists of one frame together
/// no more than 64 KiB and 16 times the frame.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// Bytes not yet read.
    rest: &'a [u8],
    /// Bytes from the start of the frame to the end of `rest`.
    end: usize,
    /// Bytes of memory that lists may still take.
    memory: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `frame`.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        let memory = frame.len().saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_BASE_BYTES);
        Self { rest: frame, end: frame.len(), memory }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The error `fault`, found here.
    #[inline]
    pub(crate) fn error(&self, fault: DecodeFault) -> DecodeError {
        DecodeError::new(fault, self.position())
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
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(truncated(length, self.rest.len(), self.end));
        };
        self.rest = rest;
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
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(truncated(N, self.rest.len(), self.end));
        };
        self.rest = rest;
        Ok(*bytes)
    }

    /// An unsigned variable-length number, 7 bits a byte, the lowest first.
    ///
    /// # Errors
    /// [`DecodeFault::VarintTooLong`] above five bytes or 32 bits, [`DecodeFault::Truncated`].
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        // Nearly all of them are lengths of short things.
        let (value, rest) = match self.rest {
            [byte @ 0..0x80, rest @ ..] => (u32::from(*byte), rest),
            [low, high @ 0..0x80, rest @ ..] => (u32::from(*low & 0x7f) | u32::from(*high) << 7, rest),
            _ => long_varint(self.rest, self.end)?,
        };
        self.rest = rest;
        Ok(value)
    }

    /// A length as this version writes it: compact (one more than the length, 0 for null) or as a number of fixed size (-1 for null).
    #[inline(always)]
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
    #[inline(always)]
    pub(crate) fn string(&mut self, at: Version) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = self.length(at, |reader| Ok(i32::from(i16::from_be_bytes(reader.array()?))))?;
        length.map(|length| self.bytes(length)).transpose()
    }

    /// The bytes of a byte string or of records, or `None` for null.
    #[inline(always)]
    pub(crate) fn byte_string(&mut self, at: Version) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = self.length(at, |reader| Ok(i32::from_be_bytes(reader.array()?)))?;
        length.map(|length| self.bytes(length)).transpose()
    }

    /// Accounts for `size` more bytes of memory.
    #[inline]
    pub(crate) fn take_memory(&mut self, size: usize) -> Result<(), DecodeError> {
        match self.memory.checked_sub(size) {
            Some(memory) => self.memory = memory,
            None => return Err(self.error(DecodeFault::TooManyElements { times: MEMORY_PER_BYTE })),
        }
        Ok(())
    }

    /// The number of elements of a list, or `None` for null. No more than there are bytes left: every element takes at least one.
    #[inline]
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
    #[inline]
    pub fn tags<F>(&mut self, known: F) -> Result<UnknownTags<'a>, DecodeError>
    where
        F: FnMut(&mut Reader<'a>, u32) -> Result<bool, DecodeError>,
    {
        match self.tag_count()? {
            0 => Ok(UnknownTags::default()),
            count => self.some_tags(count, known),
        }
    }

    /// Reads the field `name` of a structure into its place, which has the default.
    ///
    /// # Errors
    /// Those of the value, with the name.
    #[inline(always)]
    pub fn field<T: Decode<'a>>(&mut self, value: &mut T, at: Version, name: &'static str) -> Result<(), DecodeError> {
        value.fill(self, at).map_err(|error| error.within(name))
    }

    /// How many tagged fields follow.
    ///
    /// # Errors
    /// As [`Reader::unsigned_varint`].
    #[inline]
    pub fn tag_count(&mut self) -> Result<u32, DecodeError> {
        self.unsigned_varint().map_err(in_tags)
    }

    /// As [`Reader::tags`], when it is known already that there are `count` of them. Apart from it, because there nearly always are none.
    ///
    /// # Errors
    /// As `tags`.
    #[cold]
    #[inline(never)]
    pub fn some_tags<F>(&mut self, count: u32, mut known: F) -> Result<UnknownTags<'a>, DecodeError>
    where
        F: FnMut(&mut Reader<'a>, u32) -> Result<bool, DecodeError>,
    {
        let mut unknown = UnknownTags::default();
        let all = self.rest;
        for _ in 0..count {
            let start = all.len().saturating_sub(self.rest.len());
            let (tag, mut field) = self.tag().map_err(in_tags)?;
            let declared = field.remaining();
            let is_known = known(&mut field, tag)?;
            self.memory = field.memory;
            if !is_known {
                if unknown.count() == 0 {
                    self.take_memory(UnknownTags::MEMORY_BYTES).map_err(in_tags)?;
                }
                unknown.append(all.get(..all.len().saturating_sub(self.rest.len())).unwrap_or_default(), start);
            } else if field.remaining() > 0 {
                let actual = declared.saturating_sub(field.remaining());
                return Err(in_tags(field.error(DecodeFault::TagSize { tag, declared, actual })));
            }
        }
        Ok(unknown)
    }

    /// The next tag, and a reader over its field.
    fn tag(&mut self) -> Result<(u32, Self), DecodeError> {
        let tag = self.unsigned_varint()?;
        let declared = self.unsigned_varint()? as usize;
        let value = self.bytes(declared)?;
        Ok((tag, Reader { rest: value, end: self.position(), memory: self.memory }))
    }
}

/// The same error, found in what stands around tagged fields.
#[cold]
fn in_tags(error: DecodeError) -> DecodeError {
    error.within("tagged_fields")
}

/// The error that `needed` bytes are asked for where `remaining` are left before byte `end` of the frame.
#[cold]
#[inline(never)]
fn truncated(needed: usize, remaining: usize, end: usize) -> DecodeError {
    DecodeError::new(DecodeFault::Truncated { needed, remaining }, end.saturating_sub(remaining))
}

/// A variable-length number at the start of `bytes`, which end at byte `end` of the frame, and what follows it.
#[inline(never)]
fn long_varint(bytes: &[u8], end: usize) -> Result<(u32, &[u8]), DecodeError> {
    if let [low, middle, high @ 0..0x80, rest @ ..] = bytes {
        // Two bytes or fewer do not come here.
        return Ok((u32::from(low & 0x7f) | u32::from(middle & 0x7f) << 7 | u32::from(*high) << 14, rest));
    }
    let mut value = 0_u32;
    let mut rest = bytes;
    for shift in [0, 7, 14, 21, 28] {
        let Some((byte, after)) = rest.split_first() else { return Err(truncated(1, 0, end)) };
        rest = after;
        if shift == 28 && *byte > 0x0f {
            break;
        }
        value |= u32::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok((value, rest));
        }
    }
    Err(DecodeError::new(DecodeFault::VarintTooLong { max_bytes: 5 }, end.saturating_sub(rest.len())))
}
