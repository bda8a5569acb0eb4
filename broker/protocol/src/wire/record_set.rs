//! The field of a message that carries record batches. Looks at no batch: the records are bytes here.

use barnabas_types::{FileRegion, Segment};
use bytes::Bytes;

use super::{
    Decode, DecodeError, DecodeFault, DecodeNullable, Encode, EncodeError, EncodeNullable, IntoOwned, Reader, Sink,
    Version,
};

/// Record batches, back to back, as they are in the log. Reading gives `Borrowed`; the others are for writing without a copy. A field
/// that may be null is an `Option` of this, as with any other type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records<'a> {
    /// A part of the frame that was read; writing copies it.
    Borrowed(&'a [u8]),
    /// Bytes that are shared, not copied, when they are many.
    Bytes(Bytes),
    /// A region of a file.
    File(FileRegion),
    /// Several of these, one after the other.
    Pieces(Vec<Segment>),
}

impl Default for Records<'_> {
    /// No bytes.
    fn default() -> Self {
        Self::Borrowed(&[])
    }
}

impl Records<'_> {
    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::File(region) => region.length,
            Self::Pieces(pieces) => pieces.iter().map(Segment::len).sum(),
        }
    }

    /// True when there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> DecodeNullable<'a> for Records<'a> {
    #[inline(always)]
    fn read_nullable(reader: &mut Reader<'a>, at: Version) -> Result<Option<Self>, DecodeError> {
        Ok(reader.byte_string(at)?.map(Self::Borrowed))
    }
}

impl<'a> Decode<'a> for Records<'a> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        let value = Self::read_nullable(reader, at)?;
        value.ok_or_else(|| reader.error(DecodeFault::Null))
    }
}

impl Encode for Records<'_> {
    fn write<S: Sink>(&self, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        sink.length(at, Some(self.len()))?;
        match self {
            Self::Borrowed(bytes) => sink.put(bytes),
            Self::Bytes(bytes) => sink.put_shared(bytes),
            Self::File(region) => sink.put_region(region),
            Self::Pieces(pieces) => {
                for piece in pieces {
                    match piece {
                        Segment::Bytes(bytes) => sink.put_shared(bytes),
                        Segment::File(region) => sink.put_region(region),
                    }
                }
            }
        }
        Ok(())
    }
}

impl EncodeNullable for Records<'_> {
    fn write_nullable<S: Sink>(value: Option<&Self>, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        match value {
            Some(records) => records.write(sink, at),
            None => sink.length(at, None),
        }
    }
}

impl IntoOwned for Records<'_> {
    type Owned = Records<'static>;

    fn into_owned(self) -> Records<'static> {
        match self {
            Self::Borrowed(bytes) => Records::Bytes(Bytes::copy_from_slice(bytes)),
            Self::Bytes(bytes) => Records::Bytes(bytes),
            Self::File(region) => Records::File(region),
            Self::Pieces(pieces) => Records::Pieces(pieces),
        }
    }
}
