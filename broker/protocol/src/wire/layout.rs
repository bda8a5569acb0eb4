//! What values look like on the wire, as tables, and reading bytes by them. For tools that show messages: it takes far less code than decoding
//! all of them into structures, and what stands before a fault is told too. Keeps nothing of what it reads.

use std::borrow::Cow;

use barnabas_types::Uuid;

use super::{
    Decode, DecodeError, DecodeFault, DecodeNullable, Int32List, Reader, Records, Version, VersionRange, is_null_in_tag,
};
use crate::{Describer, ErrorCode, Event, Message};

/// What a value looks like on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A `bool`.
    Bool,
    /// An `int8`.
    Int8,
    /// An `int16`.
    Int16,
    /// An `int16` that is an error code.
    ErrorCode,
    /// A `uint16`.
    Uint16,
    /// An `int32`.
    Int32,
    /// A `uint32`.
    Uint32,
    /// An `int64`.
    Int64,
    /// A `float64`.
    Float64,
    /// A `uuid`.
    Uuid,
    /// A `string`.
    Text,
    /// `bytes`.
    Bytes,
    /// `records`.
    Records,
    /// A list of these.
    List(&'static Shape),
    /// A structure: its untagged fields in order, then the tagged ones.
    Struct(&'static [FieldLayout]),
}

/// A field of a structure.
#[derive(Clone, Copy, Debug)]
pub struct FieldLayout {
    name: &'static str,
    shape: Shape,
    versions: VersionRange,
    nullable: VersionRange,
    tag: Option<u32>,
}

/// A type that says what it looks like on the wire. Structures get it from the derive.
pub trait Layout {
    /// The look.
    const SHAPE: Shape;
}

macro_rules! plain {
    ($($kind:ty, $shape:ident;)*) => {$(
        impl Layout for $kind {
            const SHAPE: Shape = Shape::$shape;
        }
    )*};
}

plain! {
    bool, Bool;
    i8, Int8;
    i16, Int16;
    ErrorCode, ErrorCode;
    u16, Uint16;
    i32, Int32;
    u32, Uint32;
    i64, Int64;
    f64, Float64;
    Uuid, Uuid;
    Cow<'_, str>, Text;
    Cow<'_, [u8]>, Bytes;
    Records<'_>, Records;
}

impl Layout for Int32List<'_> {
    const SHAPE: Shape = Shape::List(&Shape::Int32);
}

impl<T: Layout> Layout for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: Layout> Layout for Option<T> {
    const SHAPE: Shape = T::SHAPE;
}

impl Shape {
    /// Reads a value and tells it. After a fault every structure and list that has begun is still told to end.
    fn read(
        self,
        reader: &mut Reader<'_>,
        at: Version,
        nullable: bool,
        to: &mut dyn Describer,
    ) -> Result<(), DecodeError> {
        let (text, records);
        let event = match self {
            Self::Bool => Event::Bool(bool::read(reader, at)?),
            Self::Int8 => Event::Int(i8::read(reader, at)?.into()),
            Self::Int16 => Event::Int(i16::read(reader, at)?.into()),
            Self::ErrorCode => Event::ErrorCode(ErrorCode::read(reader, at)?),
            Self::Uint16 => Event::Int(u16::read(reader, at)?.into()),
            Self::Int32 => Event::Int(i32::read(reader, at)?.into()),
            Self::Uint32 => Event::Int(u32::read(reader, at)?.into()),
            Self::Int64 => Event::Int(i64::read(reader, at)?),
            Self::Float64 => Event::Float(f64::read(reader, at)?),
            Self::Uuid => Event::Uuid(Uuid::read(reader, at)?),
            Self::Text => {
                text = present(<Cow<'_, str>>::read_nullable(reader, at)?, reader, nullable)?;
                text.as_deref().map_or(Event::Null, Event::Text)
            }
            Self::Bytes => present(reader.byte_string(at)?, reader, nullable)?.map_or(Event::Null, Event::Bytes),
            Self::Records => {
                records = present(reader.byte_string(at)?, reader, nullable)?.map(Records::Borrowed);
                records.as_ref().map_or(Event::Null, Event::Records)
            }
            Self::List(element) => return element.read_list(reader, at, nullable, to),
            Self::Struct(_) if nullable && is_null(reader, at)? => Event::Null,
            Self::Struct(fields) => {
                to.event(Event::Struct);
                let read = read_fields(fields, reader, at, to);
                to.event(Event::EndStruct);
                return read;
            }
        };
        to.event(event);
        Ok(())
    }

    fn read_list(
        self,
        reader: &mut Reader<'_>,
        at: Version,
        nullable: bool,
        to: &mut dyn Describer,
    ) -> Result<(), DecodeError> {
        let Some(count) = present(reader.count(at)?, reader, nullable)? else {
            to.event(Event::Null);
            return Ok(());
        };
        to.event(Event::List);
        let read =
            (0..count).try_for_each(|index| self.read(reader, at, false, to).map_err(|error| error.at_index(index)));
        to.event(Event::EndList);
        read
    }
}

impl FieldLayout {
    /// A field of type `T`, with the versions that have it and those in which it may be null. The derive uses it.
    #[must_use]
    pub const fn of<T: Layout>(
        name: &'static str,
        versions: (i16, i16),
        nullable: (i16, i16),
        tag: Option<u32>,
    ) -> Self {
        let (versions, nullable) =
            (VersionRange::new(versions.0, versions.1), VersionRange::new(nullable.0, nullable.1));
        Self { name, shape: T::SHAPE, versions, nullable, tag }
    }

    fn read(&self, reader: &mut Reader<'_>, at: Version, to: &mut dyn Describer) -> Result<(), DecodeError> {
        to.event(Event::Field(self.name));
        self.read_value(reader, at, to).map_err(|error| error.within(self.name))
    }

    fn read_value(&self, reader: &mut Reader<'_>, at: Version, to: &mut dyn Describer) -> Result<(), DecodeError> {
        let nullable = self.nullable.contains(at.number);
        if !(nullable && self.tag.is_some() && matches!(self.shape, Shape::Struct(_))) {
            return self.shape.read(reader, at, nullable, to);
        }
        if is_null_in_tag(reader)? {
            to.event(Event::Null);
            return Ok(());
        }
        self.shape.read(reader, at, false, to)
    }
}

fn read_fields(
    fields: &[FieldLayout],
    reader: &mut Reader<'_>,
    at: Version,
    to: &mut dyn Describer,
) -> Result<(), DecodeError> {
    let exists = |field: &&FieldLayout| field.versions.contains(at.number);
    for field in fields.iter().filter(|field| field.tag.is_none()).filter(exists) {
        field.read(reader, at, to)?;
    }
    if !at.flexible {
        return Ok(());
    }
    let unknown =
        reader.tags(|reader, tag| match fields.iter().filter(|field| field.tag == Some(tag)).find(exists) {
            Some(field) => field.read(reader, at, to).map(|()| true),
            None => Ok(false),
        })?;
    for (tag, value) in unknown.iter() {
        to.event(Event::UnknownTag(tag, value));
    }
    Ok(())
}

/// Reads the marker before a structure that may be null.
fn is_null(reader: &mut Reader<'_>, at: Version) -> Result<bool, DecodeError> {
    match i8::read(reader, at)? {
        -1 => Ok(true),
        1 => Ok(false),
        marker => Err(reader.error(DecodeFault::PresenceMarker { marker })),
    }
}

/// `value`, unless it is null and may not be.
fn present<T>(value: Option<T>, reader: &Reader<'_>, nullable: bool) -> Result<Option<T>, DecodeError> {
    if value.is_none() && !nullable { Err(reader.error(DecodeFault::Null)) } else { Ok(value) }
}

/// What a whole message or record looks like on the wire.
#[derive(Clone, Copy, Debug)]
pub struct MessageLayout {
    /// Kafka's name of the message.
    pub name: &'static str,
    /// The versions that can be read.
    pub versions: VersionRange,
    flexible: VersionRange,
    shape: Shape,
}

impl MessageLayout {
    /// That of the message `M`.
    pub(crate) const fn of<M: Message + Layout>() -> Self {
        Self { name: M::NAME, versions: M::VERSIONS, flexible: M::FLEXIBLE, shape: M::SHAPE }
    }

    /// Reads the message from where `reader` stands and tells it, up to the first fault. Bytes after it are left. What is told of one frame is
    /// linear in its size.
    ///
    /// # Errors
    /// When the message has no such version or the bytes are not such a message.
    pub fn read(&self, reader: &mut Reader<'_>, version: i16, to: &mut dyn Describer) -> Result<(), DecodeError> {
        let read = if self.versions.contains(version) {
            let at = Version { number: version, flexible: self.flexible.contains(version) };
            self.shape.read(reader, at, false, to)
        } else {
            Err(reader.error(DecodeFault::UnsupportedVersion { supported: self.versions }))
        };
        read.map_err(|error| error.in_message(self.name, version))
    }
}
