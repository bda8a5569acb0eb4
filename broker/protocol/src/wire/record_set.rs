//! The field of a message that carries record batches. Looks at no batch: the records are bytes here.

use barnabas_types::{FileRegion, Segment};
use bytes::Bytes;

use super::{Decode, DecodeError, Encode, EncodeError, IntoOwned, Reader, Sink, Version};

/// Record batches, back to back, as they are in the log. Reading gives `Null` or `Borrowed`; the others are for writing without a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Records<'a> {
    /// No records field at all, which is not the same as an empty one.
    #[default]
    Null,
    /// A part of the frame that was read; writing copies it.
    Borrowed(&'a [u8]),
    /// Bytes that are shared, not copied, when they are many.
    Bytes(Bytes),
    /// A region of a file.
    File(FileRegion),
    /// Several of these, one after the other.
    Pieces(Vec<Segment>),
}

impl Records<'_> {
    /// How many bytes there are; 0 for null.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Borrowed(bytes) => bytes.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::File(region) => region.length,
            Self::Pieces(pieces) => pieces.iter().map(Segment::len).sum(),
        }
    }

    /// True when there are no bytes, or no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Decode<'a> for Records<'a> {
    fn read(reader: &mut Reader<'a>, at: Version) -> Result<Self, DecodeError> {
        Ok(reader.byte_string(at)?.map_or(Self::Null, Self::Borrowed))
    }
}

impl Encode for Records<'_> {
    fn write<S: Sink>(&self, sink: &mut S, at: Version) -> Result<(), EncodeError> {
        sink.length(at, if matches!(self, Self::Null) { None } else { Some(self.len()) })?;
        match self {
            Self::Null => {}
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

impl IntoOwned for Records<'_> {
    type Owned = Records<'static>;

    fn into_owned(self) -> Records<'static> {
        match self {
            Self::Null => Records::Null,
            Self::Borrowed(bytes) => Records::Bytes(Bytes::copy_from_slice(bytes)),
            Self::Bytes(bytes) => Records::Bytes(bytes),
            Self::File(region) => Records::File(region),
            Self::Pieces(pieces) => Records::Pieces(pieces),
        }
    }
}
