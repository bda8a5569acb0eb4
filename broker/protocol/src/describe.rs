//! Telling the content of a message to someone who writes it down: the events of which every description is made. Writes nothing itself.

use barnabas_types::Uuid;

use crate::{ErrorCode, Records};

/// One step through a message. A structure is `Struct`, then a `Field` and its value for each field, then `EndStruct`; a list is `List`, its
/// elements, `EndList`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A structure begins.
    Struct,
    /// The structure is complete.
    EndStruct,
    /// A list begins.
    List,
    /// The list is complete.
    EndList,
    /// The value of the field with Kafka's camelCase name follows.
    Field(&'static str),
    /// A tagged field without a name here: its tag and its bytes. The structure it stands in has no field after it.
    UnknownTag(u32, &'a [u8]),
    /// A value that is null.
    Null,
    /// A `bool`.
    Bool(bool),
    /// A whole number of any width.
    Int(i64),
    /// A `float64`.
    Float(f64),
    /// An `int16` that is an error code.
    ErrorCode(ErrorCode),
    /// A `string`.
    Text(&'a str),
    /// A `uuid`.
    Uuid(Uuid),
    /// `bytes`.
    Bytes(&'a [u8]),
    /// `records` that are not null.
    Records(&'a Records<'a>),
}

/// Takes the events of a description in order.
pub trait Describer {
    /// Takes the next event.
    fn event(&mut self, event: Event<'_>);
}
