//! What messages say of themselves, and random values of them, for the crates that check this one. No shipped binary has it.

use std::borrow::Cow;

use barnabas_types::Uuid;

pub use crate::wire::sample::{Random, Sample, Shape};
use crate::{ErrorCode, Int32List, Records, VersionRange};

/// A type of Kafka's schemas.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A type without parts, by Kafka's name: `int32`, `string`.
    Plain(&'static str),
    /// A list of these.
    List(Box<Kind>),
    /// A structure.
    Struct(Schema),
}

/// A structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// The structure's name.
    pub name: String,
    /// Whether it has a place for tagged fields that are not known.
    pub keeps_unknown_tags: bool,
    /// The fields in the order of the wire, tagged ones anywhere among them.
    pub fields: Vec<Field>,
}

/// A field of a structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Kafka's name in camel case.
    pub name: String,
    /// The type, without saying whether null is allowed.
    pub kind: Kind,
    /// The versions that have it.
    pub versions: VersionRange,
    /// Those in which it may be null.
    pub nullable: VersionRange,
    /// The tag of a tagged field.
    pub tag: Option<u32>,
    /// The default as text: `null`, `[]` and `{}` for what is null, empty or all defaults.
    pub default: String,
    /// Whether a value is left out in silence where the version has no such field.
    pub ignorable: bool,
}

/// A type that can say what it is. The derive implements it for structures.
pub trait Described {
    /// The type in the words of Kafka's schemas.
    fn kind() -> Kind;

    /// The value as text, as far as defaults need it.
    fn text(&self) -> String;
}

/// The description of a field whose default is `default`. The derive uses it.
#[must_use]
pub fn field<T: Described>(
    name: &str,
    default: &T,
    versions: (i16, i16),
    nullable: (i16, i16),
    tag: Option<u32>,
    ignorable: bool,
) -> Field {
    let range = |(min, max)| VersionRange::new(min, max);
    Field {
        name: name.to_owned(),
        kind: T::kind(),
        versions: range(versions),
        nullable: range(nullable),
        tag,
        default: default.text(),
        ignorable,
    }
}

/// The description of a structure. The derive uses it.
#[must_use]
pub fn structure(name: &str, keeps_unknown_tags: bool, fields: Vec<Field>) -> Kind {
    Kind::Struct(Schema { name: name.to_owned(), keeps_unknown_tags, fields })
}

macro_rules! plain {
    ($($kind:ty, $name:literal, $text:expr;)*) => {$(
        impl Described for $kind {
            fn kind() -> Kind {
                Kind::Plain($name)
            }

            fn text(&self) -> String {
                let text: fn(&Self) -> String = $text;
                text(self)
            }
        }
    )*};
}

plain! {
    bool, "bool", Self::to_string;
    i8, "int8", Self::to_string;
    i16, "int16", Self::to_string;
    u16, "uint16", Self::to_string;
    i32, "int32", Self::to_string;
    u32, "uint32", Self::to_string;
    i64, "int64", Self::to_string;
    f64, "float64", Self::to_string;
    Uuid, "uuid", Self::to_string;
    ErrorCode, "int16", |code| code.0.to_string();
    Cow<'_, str>, "string", |text| text.to_string();
    Cow<'_, [u8]>, "bytes", |bytes| String::from_utf8_lossy(bytes).into_owned();
}

impl Described for Records<'_> {
    fn kind() -> Kind {
        Kind::Plain("records")
    }

    fn text(&self) -> String {
        String::new()
    }
}

impl<T: Described> Described for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }

    fn text(&self) -> String {
        let elements: Vec<_> = self.iter().map(T::text).collect();
        format!("[{}]", elements.join(","))
    }
}

impl Described for Int32List<'_> {
    fn kind() -> Kind {
        Vec::<i32>::kind()
    }

    fn text(&self) -> String {
        self.iter().collect::<Vec<_>>().text()
    }
}

impl<T: Described> Described for Option<T> {
    fn kind() -> Kind {
        T::kind()
    }

    fn text(&self) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), T::text)
    }
}
