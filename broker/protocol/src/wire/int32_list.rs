//! A list of `int32` that is a part of the frame until somebody wants to keep it. For lists that stand in every partition of a large
//! response, where memory of their own for each would cost more than all the rest. Changes nothing in place: a new list is collected.

use std::fmt;

use super::{
    Decode, DecodeError, DecodeFault, DecodeNullable, Encode, EncodeError, EncodeNullable, IntoOwned, Reader, Sink,
    Version,
};

/// Numbers, in order. What was read borrows from the frame; what is to be written is made `from` a `Vec` or collected.
#[derive(Clone)]
pub struct Int32List<'a>(Source<'a>);

#[derive(Clone)]
enum Source<'a> {
    /// As on the wire, big-endian.
    Frame(&'a [[u8; 4]]),
    Owned(Vec<i32>),
}

impl Int32List<'_> {
    /// How many numbers there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Source::Frame(numbers) => numbers.len(),
            Source::Owned(numbers) => numbers.len(),
        }
    }

    /// True when there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = i32> {
        let (frame, owned): (&[[u8; 4]], &[i32]) = match &self.0 {
            Source::Frame(numbers) => (numbers, &[]),
            Source::Owned(numbers) => (&[], numbers),
        };
        frame.iter().map(|number| i32::from_be_bytes(*number)).chain(owned.iter().copied())
    }
}

impl Default for Int32List<'_> {
    /// No numbers.
    #[inline]
    fn default() -> Self {
        Self(Source::Frame(&[]))
    }
}

impl From<Vec<i32>> for Int32List<'_> {
    fn from(numbers: Vec<i32>) -> Self {
        Self(Source::Owned(numbers))
    }
}

impl FromIterator<i32> for Int32List<'_> {
    fn from_iter<I: IntoIterator<Item = i32>>(numbers: I) -> Self {
        numbers.into_iter().collect::<Vec<_>>().into()
    }
}

impl PartialEq for Int32List<'_> {
    /// Whether the numbers are the same, wherever they are.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Int32List<'_> {}

impl fmt::Debug for Int32List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> DecodeNullable<'a> for Int32List<'a> {
    #[inline]
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError> {
        let Some(count) = reader.count(at)? else { return Ok(None) };
        // Cannot overflow: there are no more than bytes in the frame.
        let (numbers, _) = reader.bytes(count.saturating_mul(size_of::<i32>()))?.as_chunks();
        Ok(Some(Self(Source::Frame(numbers))))
    }
}

impl<'a> Decode<'a> for Int32List<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        match Self::read_nullable(reader, at)? {
            Some(numbers) => Ok(numbers),
            None => Err(reader.error(DecodeFault::Null)),
        }
    }
}

impl Encode for Int32List<'_> {
    fn write<S: Sink>(&self, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        sink.length(at, Some(self.len()))?;
        match &self.0 {
            Source::Frame(numbers) => sink.put(numbers.as_flattened()),
            Source::Owned(numbers) => i32::write_list(numbers, sink, at)?,
        }
        Ok(())
    }
}

impl EncodeNullable for Int32List<'_> {
    fn write_nullable<S: Sink>(value: Option<&Self>, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        match value {
            Some(numbers) => numbers.write(sink, at),
            None => sink.length(at, None),
        }
    }
}

impl IntoOwned for Int32List<'_> {
    type Owned = Int32List<'static>;

    fn into_owned(self) -> Int32List<'static> {
        match self.0 {
            Source::Frame(numbers) => numbers.iter().map(|number| i32::from_be_bytes(*number)).collect(),
            Source::Owned(numbers) => numbers.into(),
        }
    }
}
