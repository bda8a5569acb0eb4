//! Writing values of Kafka's types. Structures get their implementation from the derive; here are the types they are made of.

use std::borrow::Cow;

use barnabas_types::Uuid;

use super::{EncodeError, EncodeFault, Sink, Version};

/// A value that can be written. The same code counts and writes, depending on the sink.
pub trait Encode {
    /// Writes the value as version `at` has it.
    ///
    /// # Errors
    /// When the version cannot carry the value.
    fn write<S: Sink>(&self, sink: &mut S, at: Version) -> Result<(), EncodeError>;

    /// Writes the values of a list, one after the other.
    ///
    /// # Errors
    /// When the version cannot carry one of them.
    #[inline]
    fn write_list<S: Sink>(list: &[Self], sink: &mut S, at: Version) -> Result<(), EncodeError>
    where
        Self: Sized,
    {
        for (index, element) in list.iter().enumerate() {
            element.write(sink, at).map_err(|error| error.at_index(index))?;
        }
        Ok(())
    }
}

/// A value that some versions may write as null.
pub trait EncodeNullable: Encode + Sized {
    /// Writes `value`, `None` as null, as version `at` has it.
    ///
    /// # Errors
    /// When the version cannot carry the value.
    fn write_nullable<S: Sink>(value: Option<&Self>, sink: &mut S, at: Version) -> Result<(), EncodeError>;
}

macro_rules! encode_number {
    ($($number:ty)*) => {$(
        impl Encode for $number {
            #[inline]
            fn write<S: Sink>(&self, sink: &mut S, _at: Version) -> Result<(), EncodeError> {
                sink.put(&self.to_be_bytes());
                Ok(())
            }

            #[inline]
            fn write_list<S: Sink>(list: &[Self], sink: &mut S, _at: Version) -> Result<(), EncodeError> {
                sink.put_numbers(list.iter().map(|number| number.to_be_bytes()));
                Ok(())
            }
        }
    )*};
}

encode_number!(i8 i16 i32 i64 u16 u32 f64);

impl Encode for bool {
    #[inline]
    fn write<S: Sink>(&self, sink: &mut S, _at: Version) -> Result<(), EncodeError> {
        sink.put(&[u8::from(*self)]);
        Ok(())
    }
}

impl Encode for Uuid {
    #[inline]
    fn write<S: Sink>(&self, sink: &mut S, _at: Version) -> Result<(), EncodeError> {
        sink.put(&self.0);
        Ok(())
    }
}

macro_rules! encode_by_nullable {
    ($(($($generic:tt)*) $kind:ty;)*) => {$(
        impl $($generic)* Encode for $kind {
            fn write<S: Sink>(&self, sink: &mut S, at: Version) -> Result<(), EncodeError> {
                Self::write_nullable(Some(self), sink, at)
            }
        }
    )*};
}

encode_by_nullable! {
    () Cow<'_, str>;
    () Cow<'_, [u8]>;
    (<T: Encode>) Vec<T>;
}

impl EncodeNullable for Cow<'_, str> {
    fn write_nullable<S: Sink>(value: Option<&Self>, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        sink.string_length(at, value.map(|text| text.len()))?;
        sink.put(value.map_or(b"", |text| text.as_bytes()));
        Ok(())
    }
}

impl EncodeNullable for Cow<'_, [u8]> {
    fn write_nullable<S: Sink>(value: Option<&Self>, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        sink.length(at, value.map(|bytes| bytes.len()))?;
        sink.put(value.map_or(b"", |bytes| bytes));
        Ok(())
    }
}

impl<T: Encode> EncodeNullable for Vec<T> {
    fn write_nullable<S: Sink>(value: Option<&Self>, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        sink.length(at, value.map(Self::len))?;
        T::write_list(value.map_or(&[], Vec::as_slice), sink, at)
    }
}

impl<T: EncodeNullable> Encode for Option<T> {
    fn write<S: Sink>(&self, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        T::write_nullable(self.as_ref(), sink, at)
    }
}

/// Writes the marker before a structure that may be null, then the structure. The derive uses it.
///
/// # Errors
/// Those of the structure.
pub fn write_nullable_struct<S: Sink, T: Encode>(
    value: Option<&T>,
    sink: &mut S,
    at: Version,
) -> Result<(), EncodeError> {
    let Some(value) = value else {
        sink.put(&(-1_i8).to_be_bytes());
        return Ok(());
    };
    sink.put(&1_i8.to_be_bytes());
    value.write(sink, at)
}

/// As [`write_nullable_struct`], where the structure is a tagged field (KIP-893). The derive uses it.
///
/// # Errors
/// Those of the structure.
pub fn write_nullable_struct_in_tag<S: Sink, T: Encode>(
    value: Option<&T>,
    sink: &mut S,
    at: Version,
) -> Result<(), EncodeError> {
    sink.unsigned_varint(u32::from(value.is_some()));
    value.map_or(Ok(()), |value| value.write(sink, at))
}

/// The value where the version has no null. The derive uses it.
///
/// # Errors
/// [`EncodeFault::Null`].
pub fn required<T>(value: &Option<T>) -> Result<&T, EncodeError> {
    value.as_ref().ok_or_else(|| EncodeError::new(EncodeFault::Null))
}

/// Fails when a field that the version does not have, and that may not be left out in silence, has a value. The derive uses it.
///
/// # Errors
/// [`EncodeFault::FieldNotInVersion`].
pub fn must_be_default<T: PartialEq>(value: &T, default: &T) -> Result<(), EncodeError> {
    if value == default { Ok(()) } else { Err(EncodeError::new(EncodeFault::FieldNotInVersion)) }
}
