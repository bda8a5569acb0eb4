//! Tagged fields that a structure does not know, kept as they came so that they can be sent on. Never looks into their values.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EncodeError, EncodeFault, IntoOwned, Reader, Sink};

/// The tagged fields of a structure whose meaning is not known here, as on the wire: tag, size, value, one after the other. Borrows from the
/// frame, except where known fields stood between unknown ones. Nearly always there are none, and every structure has a place for them:
/// so the place is as small as it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownTags<'a>(Option<Box<Kept<'a>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept<'a> {
    fields: Cow<'a, [u8]>,
    count: u32,
}

impl<'a> UnknownTags<'a> {
    /// What the first field takes, in bytes.
    pub(crate) const MEMORY_BYTES: usize = size_of::<Kept<'_>>();

    /// One field.
    #[must_use]
    pub(crate) fn single(tag: u32, value: &[u8]) -> Self {
        let mut field = Vec::with_capacity(value.len() + 10);
        put_varint(&mut field, tag);
        put_varint(&mut field, u32::try_from(value.len()).unwrap_or(u32::MAX));
        field.extend_from_slice(value);
        Self(Some(Box::new(Kept { fields: Cow::Owned(field), count: 1 })))
    }

    /// These and one more, whose tag is higher than theirs.
    #[must_use]
    pub(crate) fn and(mut self, tag: u32, value: &[u8]) -> Self {
        let Some(Kept { fields, count }) = self.0.as_deref_mut() else { return Self::single(tag, value) };
        let one = Self::single(tag, value);
        fields.to_mut().extend_from_slice(one.as_bytes());
        *count = count.saturating_add(1);
        self
    }

    /// How many fields there are.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.as_ref().map_or(0, |kept| kept.count)
    }

    /// The fields as on the wire.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |kept| &kept.fields)
    }

    /// The fields, tag and bytes.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut reader = Reader::new(self.as_bytes());
        std::iter::from_fn(move || {
            let tag = reader.unsigned_varint().ok()?;
            let size = reader.unsigned_varint().ok()?;
            Some((tag, reader.bytes(size as usize).ok()?))
        })
    }

    /// Adds the field that begins at `start` and ends with `frame`.
    pub(crate) fn append(&mut self, frame: &'a [u8], start: usize) {
        let field = frame.get(start..).unwrap_or_default();
        let kept = self.0.get_or_insert_with(|| Box::new(Kept { fields: Cow::Borrowed(&[]), count: 0 }));
        kept.count = kept.count.saturating_add(1);
        match &mut kept.fields {
            Cow::Borrowed([]) => kept.fields = Cow::Borrowed(field),
            Cow::Borrowed(before) if std::ptr::eq(before.as_ptr_range().end, field.as_ptr()) => {
                let whole = start.checked_sub(before.len()).and_then(|first| frame.get(first..));
                kept.fields = Cow::Borrowed(whole.unwrap_or_default());
            }
            fields => fields.to_mut().extend_from_slice(field),
        }
    }

    /// Fails when there are fields but the version has no place for them.
    #[inline]
    pub fn refuse(&self) -> Result<(), EncodeError> {
        if self.0.is_none() { Ok(()) } else { Err(EncodeError::new(EncodeFault::TagsInInflexibleVersion)) }
    }

    /// Writes the fields from byte `written` on whose tag is below `tag`, and returns up to which byte they are written now.
    pub fn write_below<S: Sink>(&self, sink: &mut S, written: usize, tag: u32) -> usize {
        if self.0.is_none() {
            return written;
        }
        let rest = self.as_bytes().get(written..).unwrap_or_default();
        let mut reader = Reader::new(rest);
        let mut end = 0;
        while let (Ok(next), Ok(size)) = (reader.unsigned_varint(), reader.unsigned_varint()) {
            if next >= tag || reader.bytes(size as usize).is_err() {
                break;
            }
            end = reader.position();
        }
        sink.put(rest.get(..end).unwrap_or_default());
        written + end
    }

    /// Writes the fields from byte `written` on.
    #[inline]
    pub fn write_rest<S: Sink>(&self, sink: &mut S, written: usize) {
        if self.0.is_some() {
            sink.put(self.as_bytes().get(written..).unwrap_or_default());
        }
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// In a recording they are left out: nobody who decides looks at them.
impl Serialize for UnknownTags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for UnknownTags<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self::default())
    }
}

impl IntoOwned for UnknownTags<'_> {
    type Owned = UnknownTags<'static>;

    fn into_owned(self) -> UnknownTags<'static> {
        UnknownTags(
            self.0.map(|kept| Box::new(Kept { fields: Cow::Owned(kept.fields.into_owned()), count: kept.count })),
        )
    }
}
