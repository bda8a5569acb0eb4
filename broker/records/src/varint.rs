//! Zig-zag variable-length integers, as records carry them: 7 bits a byte, low ones first. Reads from anything buffered,
//! so that the same code serves plain bytes and decompressors.

use std::io::{self, BufRead};

/// Longest encoding of an `i32`.
const VARINT_BYTES: u32 = 5;
/// Longest encoding of an `i64`.
const VARLONG_BYTES: u32 = 10;

/// Why a field could not be read.
#[derive(Debug)]
pub(crate) enum FieldError {
    /// The bytes end first.
    End,
    /// More continuation bytes than the integer can have, or bits beyond its width.
    Varint,
    /// A length below what the field allows.
    Length(i32),
    /// The source failed.
    Source(io::Error),
}

pub(crate) fn put_varint(output: &mut Vec<u8>, value: i32) {
    put_varlong(output, i64::from(value));
}

pub(crate) fn put_varlong(output: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    while rest >= 0x80 {
        output.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    output.push(rest as u8);
}

/// Bytes that [`put_varlong`] writes for `value`.
pub(crate) fn varlong_bytes(value: i64) -> usize {
    let bits = 64 - (value << 1 ^ value >> 63).leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

/// Reads fields and counts down the bytes that a record may still use.
pub(crate) struct FieldReader<'s, R> {
    source: &'s mut R,
    /// Bytes that may still be read.
    pub(crate) left: usize,
}

impl<'s, R: BufRead> FieldReader<'s, R> {
    pub(crate) fn new(source: &'s mut R, left: usize) -> Self {
        Self { source, left }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FieldError> {
        let left = self.left.checked_sub(1).ok_or(FieldError::End)?;
        let byte = *fill(self.source)?.first().ok_or(FieldError::End)?;
        self.source.consume(1);
        self.left = left;
        Ok(byte)
    }

    fn unsigned(&mut self, longest: u32) -> Result<u64, FieldError> {
        let mut value = 0;
        for index in 0..longest {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FieldError::Varint)
    }

    pub(crate) fn varint(&mut self) -> Result<i32, FieldError> {
        let raw = u32::try_from(self.unsigned(VARINT_BYTES)?).map_err(|_| FieldError::Varint)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    pub(crate) fn varlong(&mut self) -> Result<i64, FieldError> {
        let raw = self.unsigned(VARLONG_BYTES)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<(), FieldError> {
        self.left = self.left.checked_sub(count).ok_or(FieldError::End)?;
        let mut rest = count;
        while rest > 0 {
            let there = fill(self.source)?.len().min(rest);
            if there == 0 {
                return Err(FieldError::End);
            }
            self.source.consume(there);
            rest -= there;
        }
        Ok(())
    }

    /// A length of 0 or more.
    pub(crate) fn length(&mut self) -> Result<usize, FieldError> {
        let length = self.varint()?;
        usize::try_from(length).map_err(|_| FieldError::Length(length))
    }

    /// A length of 0 or more, or -1 for null.
    pub(crate) fn nullable_length(&mut self) -> Result<Option<usize>, FieldError> {
        match self.varint()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| FieldError::Length(length)),
        }
    }
}

impl<'a> FieldReader<'_, &'a [u8]> {
    /// Borrows `count` bytes, which plain bytes can do and a decompressor cannot.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], FieldError> {
        let left = self.left.checked_sub(count).ok_or(FieldError::End)?;
        let (taken, rest) = self.source.split_at_checked(count).ok_or(FieldError::End)?;
        *self.source = rest;
        self.left = left;
        Ok(taken)
    }
}

fn fill<R: BufRead>(source: &mut R) -> Result<&[u8], FieldError> {
    source.fill_buf().map_err(FieldError::Source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader<'s>(source: &'s mut &'static [u8]) -> FieldReader<'s, &'static [u8]> {
        FieldReader::new(source, usize::MAX)
    }

    #[test]
    fn integers_read_back_and_their_size_is_known() {
        for value in [0, -1, 1, 63, -64, 64, 300, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!(bytes.len(), varlong_bytes(value), "{value}");
            let mut rest = bytes.as_slice();
            assert_eq!(FieldReader::new(&mut rest, usize::MAX).varlong().unwrap(), value);
            assert!(rest.is_empty());
            if let Ok(small) = i32::try_from(value) {
                assert_eq!(FieldReader::new(&mut bytes.as_slice(), usize::MAX).varint().unwrap(), small);
            }
        }
    }

    #[test]
    fn overlong_and_overwide_integers_are_refused() {
        assert!(matches!(reader(&mut [0x80; 11].as_slice()).varlong(), Err(FieldError::Varint)));
        assert!(matches!(reader(&mut [0x80, 0x80, 0x80, 0x80, 0x80, 0].as_slice()).varint(), Err(FieldError::Varint)));
        assert!(matches!(reader(&mut [0xff, 0xff, 0xff, 0xff, 0x1f].as_slice()).varint(), Err(FieldError::Varint)));
        assert!(matches!(reader(&mut [0x80].as_slice()).varint(), Err(FieldError::End)));
    }

    #[test]
    fn a_record_cannot_read_past_its_own_length() {
        let mut source = [1_u8, 2, 3, 4].as_slice();
        let mut fields = FieldReader::new(&mut source, 2);
        assert!(matches!(fields.skip(3), Err(FieldError::End)));
        fields.left = 2;
        assert_eq!(fields.take(2).unwrap(), [1, 2]);
        assert!(matches!(fields.byte(), Err(FieldError::End)));
        assert_eq!(source, [3, 4]);
    }
}
