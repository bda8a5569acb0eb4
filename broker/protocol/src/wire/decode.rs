//! Reading values of Kafka's types. Structures get their implementation from the derive; here are the types they are made of.

use std::borrow::Cow;

use barnabas_types::Uuid;

use super::{DecodeError, DecodeFault, Reader, Version};

/// A value that can be read from a frame, borrowing from it.
pub trait Decode<'a>: Sized {
    /// Reads the value as version `at` writes it.
    ///
    /// # Errors
    /// When the bytes are not such a value.
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError>;
}

/// A value that some versions may write as null.
pub trait DecodeNullable<'a>: Sized {
    /// Reads the value, or `None` for null, as version `at` writes it.
    ///
    /// # Errors
    /// When the bytes are neither null nor such a value.
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError>;
}

macro_rules! decode_number {
    ($($number:ty)*) => {$(
        impl Decode<'_> for $number {
            #[inline]
            fn read(reader: &mut Reader<'_>, _at: Version) -> Result<Self, DecodeError> {
                Ok(Self::from_be_bytes(reader.array()?))
            }
        }
    )*};
}

decode_number!(i8 i16 i32 i64 u16 u32 f64);

impl Decode<'_> for bool {
    /// Every byte but 0 is true, as in Kafka.
    #[inline]
    fn read(reader: &mut Reader<'_>, _at: Version) -> Result<Self, DecodeError> {
        let [byte] = reader.array()?;
        Ok(byte != 0)
    }
}

impl Decode<'_> for Uuid {
    #[inline]
    fn read(reader: &mut Reader<'_>, _at: Version) -> Result<Self, DecodeError> {
        Ok(Self(reader.array()?))
    }
}

/// `value`, or the error for null.
fn present<T>(reader: &Reader<'_>, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or_else(|| reader.error(DecodeFault::Null))
}

impl<'a> DecodeNullable<'a> for Cow<'a, str> {
    /// Bytes that are not UTF-8 are replaced by U+FFFD, as Kafka does.
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError> {
        Ok(reader.string(at)?.map(String::from_utf8_lossy))
    }
}

impl<'a> Decode<'a> for Cow<'a, str> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        let value = Self::read_nullable(reader, at)?;
        present(reader, value)
    }
}

impl<'a> DecodeNullable<'a> for Cow<'a, [u8]> {
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError> {
        Ok(reader.byte_string(at)?.map(Cow::Borrowed))
    }
}

impl<'a> Decode<'a> for Cow<'a, [u8]> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        let value = Self::read_nullable(reader, at)?;
        present(reader, value)
    }
}

impl<'a, T: Decode<'a>> DecodeNullable<'a> for Vec<T> {
    /// Reserves at first no more memory than bytes remain in the frame; then doubles as elements are really there.
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError> {
        let Some(count) = reader.count(at)? else { return Ok(None) };
        let affordable = reader.remaining().checked_div(size_of::<T>()).unwrap_or(count);
        let mut elements = Self::with_capacity(count.min(affordable));
        for index in 0..count {
            reader.take_memory(size_of::<T>())?;
            if elements.len() == elements.capacity() {
                elements.reserve_exact(elements.len().max(1).min(count.saturating_sub(index)));
            }
            elements.push(T::read(reader, at).map_err(|error| error.at_index(index))?);
        }
        Ok(Some(elements))
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        let value = Self::read_nullable(reader, at)?;
        present(reader, value)
    }
}

impl<'a, T: DecodeNullable<'a>> Decode<'a> for Option<T> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        T::read_nullable(reader, at)
    }
}

/// Reads the marker before a structure that may be null, then the structure. The derive uses it.
///
/// # Errors
/// [`DecodeFault::PresenceMarker`], and those of the structure.
pub fn read_nullable_struct<'a, T: Decode<'a>>(reader: &mut Reader<'a>, at: Version) -> Result<Option<T>, DecodeError> {
    match i8::read(reader, at)? {
        -1 => Ok(None),
        1 => T::read(reader, at).map(Some),
        marker => Err(reader.error(DecodeFault::PresenceMarker { marker })),
    }
}
