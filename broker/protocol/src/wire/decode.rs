//! Reading values of Kafka's types. Structures get their implementation from the derive; here are the types they are made of.

use std::borrow::Cow;

use ascii::AsAsciiStr;
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

    /// Reads `count` values, one after the other, into `list`, which is empty. At first no more memory is taken than bytes remain in the
    /// frame; then it doubles as elements are really there.
    ///
    /// # Errors
    /// When the bytes are not such values.
    #[inline]
    fn fill_list(list: &mut Vec<Self>, reader: &mut Reader<'a>, at: Version, count: usize) -> Result<(), DecodeError> {
        let size = count.saturating_mul(size_of::<Self>());
        reader.take_memory(size)?;
        let room =
            if size <= reader.remaining() { count } else { affordable(reader.remaining(), size_of::<Self>(), count) };
        let mut elements: Vec<Self> = (0..room).map(|_| Self::default()).collect();
        let mut fresh = elements.as_mut_slice();
        let mut index = 0_usize;
        let inner = &mut reader.clone();
        loop {
            // The only place where an element is read, so that the compiler puts the reading here.
            for element in fresh {
                element.fill(inner, at).map_err(|error| error.at_index(index))?;
                index = index.wrapping_add(1);
            }
            if index >= count {
                break;
            }
            fresh = double(&mut elements, count);
        }
        reader.clone_from(inner);
        std::mem::forget(std::mem::replace(list, elements));
        Ok(())
    }
}

/// How many of `count` elements of `size` bytes fit in as much memory as bytes remain; at least one.
#[cold]
#[inline(never)]
fn affordable(remaining: usize, size: usize, count: usize) -> usize {
    remaining.checked_div(size).map_or(count, |room| room.clamp(1, count))
}

/// Makes up to as many elements again, `count` at most in all, and gives the new ones.
#[cold]
#[inline(never)]
fn double<T: Default>(elements: &mut Vec<T>, count: usize) -> &mut [T] {
    let before = elements.len();
    let more = before.min(count.saturating_sub(before));
    elements.reserve_exact(more);
    elements.resize_with(before.saturating_add(more), T::default);
    elements.get_mut(before..).unwrap_or_default()
}

/// A value that some versions may write as null.
pub trait DecodeNullable<'a>: Sized {
    /// Reads the value, or `None` for null, as version `at` writes it.
    ///
    /// # Errors
    /// When the bytes are neither null nor such a value.
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError>;

    /// As [`DecodeNullable::read_nullable`], into a value that is the default; see [`Decode::fill`].
    ///
    /// # Errors
    /// As `read_nullable`.
    #[inline]
    fn fill_nullable(value: &mut Option<Self>, reader: &mut Reader<'a>, at: Version) -> Result<(), DecodeError> {
        std::mem::forget(std::mem::replace(value, Self::read_nullable(reader, at)?));
        Ok(())
    }
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
            fn fill_list(
                list: &mut Vec<Self>,
                reader: &mut Reader<'_>,
                _at: Version,
                count: usize,
            ) -> Result<(), DecodeError> {
                let size = count.saturating_mul(size_of::<Self>());
                reader.take_memory(size)?;
                let (numbers, _) = reader.bytes(size)?.as_chunks();
                *list = numbers.iter().map(|number| Self::from_be_bytes(*number)).collect();
                Ok(())
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

/// Bytes that are not UTF-8 are replaced by U+FFFD, as Kafka does.
#[inline(never)]
fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Replacing goes character by character; checking is much faster, and seeing that all is ASCII, as it nearly always is, faster still.
    match bytes.as_ascii_str() {
        Ok(text) => Cow::Borrowed(text.as_str()),
        Err(_) => std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed),
    }
}

impl<'a> DecodeNullable<'a> for Cow<'a, str> {
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError> {
        Ok(reader.string(at)?.map(text))
    }

    #[inline]
    fn fill_nullable(value: &mut Option<Self>, reader: &mut Reader<'a>, at: Version) -> Result<(), DecodeError> {
        let read = reader.string(at)?.map(text);
        std::mem::forget(std::mem::replace(value, read));
        Ok(())
    }
}

impl<'a> Decode<'a> for Cow<'a, str> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        let value = Self::read_nullable(reader, at)?;
        present(reader, value)
    }

    #[inline]
    fn fill(&mut self, reader: &mut Reader<'a>, at: Version) -> Result<(), DecodeError> {
        let Some(bytes) = reader.string(at)? else { return Err(reader.error(DecodeFault::Null)) };
        std::mem::forget(std::mem::replace(self, text(bytes)));
        Ok(())
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
        let Some(count) = reader.count(at)? else { return Ok(None) };
        let mut list = Self::new();
        T::fill_list(&mut list, reader, at, count)?;
        Ok(Some(list))
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        let mut list = Self::new();
        list.fill(reader, at)?;
        Ok(list)
    }

    #[inline]
    fn fill(&mut self, reader: &mut Reader<'a>, at: Version) -> Result<(), DecodeError> {
        let Some(count) = reader.count(at)? else { return Err(reader.error(DecodeFault::Null)) };
        T::fill_list(self, reader, at, count)
    }
}

impl<'a, T: DecodeNullable<'a>> Decode<'a> for Option<T> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        T::read_nullable(reader, at)
    }

    #[inline]
    fn fill(&mut self, reader: &mut Reader<'a>, at: Version) -> Result<(), DecodeError> {
        T::fill_nullable(self, reader, at)
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

/// As [`read_nullable_struct`], where the structure is a tagged field (KIP-893). The derive uses it.
///
/// # Errors
/// [`DecodeFault::PresenceMarker`], and those of the structure.
pub fn read_nullable_struct_in_tag<'a, T: Decode<'a>>(
    reader: &mut Reader<'a>,
    at: Version,
) -> Result<Option<T>, DecodeError> {
    if is_null_in_tag(reader)? { Ok(None) } else { T::read(reader, at).map(Some) }
}

/// Reads the marker before a structure that may be null and is a tagged field.
pub fn is_null_in_tag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.unsigned_varint()? {
        0 => Ok(true),
        1 => Ok(false),
        number => Err(reader.error(DecodeFault::UnknownNumber { what: "presence marker", number: i64::from(number) })),
    }
}
