//! Records that Kafka keeps in its own logs: of the metadata log, of the quorum, of the coordinators, of remote storage. Bytes to structs
//! and back; what a record means is decided where its state is kept.

use barnabas_types::Segment;
use bytes::Bytes;

use crate::Message;
use crate::message::encodable;
use crate::wire::{
    Decode, DecodeError, DecodeFault, Encode, EncodeError, EncodeFault, Reader, SegmentWriter, Sink, Size,
};

pub mod control;
pub mod coordinator;
pub mod data;
#[doc(hidden)]
pub mod every;
mod framed;
mod keyed;
pub mod metadata;
pub mod remote_log;
pub mod share;
#[cfg(test)]
mod tests;
pub mod transaction;

pub use control::ControlRecord;
pub use coordinator::GroupRecord;
pub use metadata::MetadataRecord;
pub use remote_log::RemoteLogRecord;
pub use share::ShareRecord;
pub use transaction::TransactionRecord;

/// `prefix` and then `record` in version `version`.
fn encode_record<R: Message + Encode>(prefix: &[u8], record: &R, version: i16) -> Result<Bytes, EncodeError> {
    let at = encodable::<R>(version)?;
    let mut size = Size::default();
    size.put(prefix);
    record.write(&mut size, at).map_err(|error| error.in_message(R::NAME, version))?;
    let mut writer = SegmentWriter::for_size(size);
    writer.put(prefix);
    record.write(&mut writer, at).map_err(|error| error.in_message(R::NAME, version))?;
    let mut segments = writer.finish().into_iter();
    match (segments.next(), segments.next()) {
        (None, _) => Ok(Bytes::new()),
        (Some(Segment::Bytes(bytes)), None) => Ok(bytes),
        _ => Err(EncodeError::new(EncodeFault::NotContiguous).in_message(R::NAME, version)),
    }
}

/// The record in the rest of `reader`, and nothing after it.
fn decode_record<'a, R: Message + Decode<'a>>(reader: &mut Reader<'a>, version: i16) -> Result<R, DecodeError> {
    let record = R::decode(reader, version)?;
    reader.finish().map_err(|error| error.in_message(R::NAME, version))?;
    Ok(record)
}

/// The error that no `what` has this number.
fn unknown_number(reader: &Reader<'_>, what: &'static str, number: i64) -> DecodeError {
    reader.error(DecodeFault::UnknownNumber { what, number })
}
