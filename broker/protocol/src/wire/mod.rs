//! The wire primitives that every message and record is made of: a bounded reader, sinks to write into, and the traits between them.
//! Knows no message.

#[cfg(test)]
pub(crate) mod counting_allocator;
mod decode;
#[cfg(any(test, feature = "testing"))]
mod describe;
mod encode;
mod error;
mod int32_list;
mod into_owned;
mod layout;
mod reader;
mod record_set;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod sample;
mod sink;
mod tags;
#[cfg(test)]
mod tests;
mod version;

pub(crate) use decode::is_null_in_tag;
pub use decode::{Decode, DecodeNullable, read_nullable_struct, read_nullable_struct_in_tag};
#[cfg(any(test, feature = "testing"))]
pub use describe::{Describe, describe_field, describe_tags};
pub use encode::{
    Encode, EncodeNullable, must_be_default, required, write_nullable_struct, write_nullable_struct_in_tag,
};
pub use error::{DecodeError, DecodeFault, EncodeError, EncodeFault};
pub use int32_list::Int32List;
pub use into_owned::IntoOwned;
pub use layout::{FieldLayout, Layout, MessageLayout, Shape};
pub use reader::Reader;
pub use record_set::Records;
pub use sink::{SegmentWriter, Sink, Size};
pub use tags::UnknownTags;
pub use version::{Version, VersionRange};
