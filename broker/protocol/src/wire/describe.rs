//! Telling the values of decoded structures. Structures get their implementation from the derive; here are the types they are made of.
//! Only tests and developers' tools are built with it.

use std::borrow::Cow;

use barnabas_types::Uuid;

use super::{Int32List, Records, UnknownTags, Version};
use crate::{Describer, ErrorCode, Event};

/// A value that can be told.
pub trait Describe {
    /// Tells the value as version `at` has it.
    fn describe(&self, to: &mut dyn Describer, at: Version);
}

macro_rules! describe_as {
    ($($kind:ty as |$value:ident| $event:expr;)*) => {$(
        impl Describe for $kind {
            fn describe(&self, to: &mut dyn Describer, _at: Version) {
                let $value = self;
                to.event($event);
            }
        }
    )*};
}

describe_as! {
    bool as |value| Event::Bool(*value);
    i8 as |value| Event::Int((*value).into());
    i16 as |value| Event::Int((*value).into());
    u16 as |value| Event::Int((*value).into());
    i32 as |value| Event::Int((*value).into());
    u32 as |value| Event::Int((*value).into());
    i64 as |value| Event::Int(*value);
    f64 as |value| Event::Float(*value);
    ErrorCode as |value| Event::ErrorCode(*value);
    Uuid as |value| Event::Uuid(*value);
    Cow<'_, str> as |value| Event::Text(value);
    Cow<'_, [u8]> as |value| Event::Bytes(value);
    Records<'_> as |value| Event::Records(value);
}

impl<T: Describe> Describe for Vec<T> {
    fn describe(&self, to: &mut dyn Describer, at: Version) {
        to.event(Event::List);
        self.iter().for_each(|element| element.describe(to, at));
        to.event(Event::EndList);
    }
}

impl Describe for Int32List<'_> {
    fn describe(&self, to: &mut dyn Describer, at: Version) {
        self.iter().collect::<Vec<_>>().describe(to, at);
    }
}

impl<T: Describe> Describe for Option<T> {
    fn describe(&self, to: &mut dyn Describer, at: Version) {
        match self {
            Some(value) => value.describe(to, at),
            None => to.event(Event::Null),
        }
    }
}

/// Tells the field `name`. The derive uses it.
pub fn describe_field(name: &'static str, value: &dyn Describe, to: &mut dyn Describer, at: Version) {
    to.event(Event::Field(name));
    value.describe(to, at);
}

/// Tells the tagged fields that are not known. The derive uses it.
pub fn describe_tags(tags: &UnknownTags<'_>, to: &mut dyn Describer) {
    for (tag, value) in tags.iter() {
        to.event(Event::UnknownTag(tag, value));
    }
}
