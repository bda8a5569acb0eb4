//! Reading values of Kafka's types. Structures get their implementation from the derive; here are the types they are made of.

use std::borrow::Cow;

use barnabas_types::Uuid;

use super::{DecodeError, DecodeFault, Reader, Version};

/// A value that can be read from a frame, borrowing from it.
pub trait Decode<'a>: Default {
    /// Reads the value as version `at` writes it.
    ///
    /// # Errors
    /// When the bytes are not such a value.
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError>;

    /// As [`Decode::read`], into a value that is the default: a structure is read where it will stay. After an error nothing is said of the
    /// value and the reader.
    ///
    /// # Errors
    /// When the bytes are not such a value.
    #[inline]
    fn fill(&mut self, reader: &mut Reader<'a>, at: Version) -> Result<(), DecodeError> {
        // A default holds no memory, so nothing is lost by not dropping it, and the compiler need not look.
        std::mem::forget(std::mem::replace(self, Self::read(reader, at)?));
        Ok(())
    }

    /// `count` values, one after the other. At first no more memory is reserved than bytes remain in the frame; then it doubles as elements
    /// are really there.
    ///
    /// # Errors
    /// When the bytes are not such values.
    #[inline]
    fn read_list(reader: &mut Reader<'a>, at: Version, count: usize) -> Result<Vec<Self>, DecodeError> {
        reader.take_memory(count.saturating_mul(size_of::<Self>()))?;
        let affordable = reader.remaining().checked_div(size_of::<Self>()).unwrap_or(count);
        let mut elements = Vec::with_capacity(count.min(affordable));
        while elements.len() < count {
            if elements.len() == elements.capacity() {
                grow(&mut elements, count);
            }
            let start = elements.len();
            let room = elements.capacity().min(count).saturating_sub(start);
            elements.extend((0..room).map(|_| Self::default()));
            for (index, element) in elements.iter_mut().enumerate().skip(start) {
                element.fill(reader, at).map_err(|error| error.at_index(index))?;
            }
        }
        Ok(elements)
    }
}

/// Makes room for twice as many elements, or for `count` of them.
#[cold]
#[inline(never)]
fn grow<T>(elements: &mut Vec<T>, count: usize) {
    elements.reserve_exact(elements.len().max(1).min(count.saturating_sub(elements.len())));
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

            /// All of them at once: their size is known.
            #[inline]
            fn read_list(reader: &mut Reader<'_>, _at: Version, count: usize) -> Result<Vec<Self>, DecodeError> {
                reader.take_memory(count.saturating_mul(size_of::<Self>()))?;
                let bytes = reader.bytes(count.saturating_mul(size_of::<Self>()))?;
                let (numbers, _) = bytes.as_chunks();
                Ok(numbers.iter().map(|number| Self::from_be_bytes(*number)).collect())
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
        let Some(bytes) = reader.string(at)? else { return Ok(None) };
        // Replacing goes character by character; checking is much faster, and nearly always enough.
        Ok(Some(std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)))
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
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError> {
        reader.count(at)?.map(|count| T::read_list(reader, at, count)).transpose()
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
