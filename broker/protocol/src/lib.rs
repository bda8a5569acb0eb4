//! Kafka's wire protocol: primitives, API keys, error codes, headers, messages and the records of the metadata and coordinator logs.
//! Turns bytes into structs and back. Reads no socket and no file, decides nothing, knows no state.

mod api_key;
mod describe;
mod error_code;
mod frame;
mod header;
mod json;
mod layouts;
mod message;
pub mod messages;
#[cfg(test)]
mod mutants;
pub mod own_tags;
pub mod records;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod verified;
mod wire;

pub use api_key::{ApiKey, Listener};
pub use describe::{Describer, Event};
pub use error_code::ErrorCode;
pub use frame::{encode_reply, encode_request, encode_response, frame_request, frame_response};
pub use header::{RequestHeader, ResponseHeader};
pub use json::Json;
pub use message::{Message, Request, Response};
#[cfg(any(test, feature = "testing"))]
pub use wire::Describe;
pub use wire::{
    Decode, DecodeError, DecodeFault, DecodeNullable, Encode, EncodeError, EncodeFault, EncodeNullable, Int32List,
    IntoOwned, MessageLayout, Reader, Records, SegmentWriter, Sink, Size, UnknownTags, Version, VersionRange,
};

/// What the derive's output refers to. Not for use by hand.
#[doc(hidden)]
pub mod derived {
    pub use crate::wire::{
        FieldLayout, Layout, Shape, must_be_default, read_nullable_struct, read_nullable_struct_in_tag, required,
        write_nullable_struct, write_nullable_struct_in_tag,
    };
    #[cfg(any(test, feature = "testing"))]
    pub use crate::wire::{describe_field, describe_tags};
}
