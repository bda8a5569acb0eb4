//! Structures that are neither messages nor records of a log by themselves: Kafka's schemas call them data. They stand in a field of a message, in the
//! key or value of a control record, or in a file. Most have their version before them; what is JSON on disk is read where the file is.

use bytes::Bytes;

use super::{encode_record, keyed};
use crate::{Decode, DecodeError, Encode, EncodeError, Message};

pub mod aborted_txn;
pub mod consumer_protocol_assignment;
pub mod consumer_protocol_subscription;
pub mod control_record_type_schema;
pub mod default_principal_data;
pub mod end_txn_marker;
pub mod producer_snapshot;
pub mod quorum_state_data;

pub use aborted_txn::AbortedTxn;
pub use consumer_protocol_assignment::ConsumerProtocolAssignment;
pub use consumer_protocol_subscription::ConsumerProtocolSubscription;
pub use control_record_type_schema::ControlRecordTypeSchema;
pub use default_principal_data::DefaultPrincipalData;
pub use end_txn_marker::EndTxnMarker;
pub use producer_snapshot::ProducerSnapshot;
pub use quorum_state_data::QuorumStateData;

/// The structure, its version first.
///
/// # Errors
/// When it has no such version or the version cannot carry what it says.
pub fn encode<D: Message + Encode>(data: &D, version: i16) -> Result<Bytes, EncodeError> {
    encode_record(&version.to_be_bytes(), data, version)
}

/// Reads a structure that has its version before it.
///
/// # Errors
/// When it is not whole, of a version that is not known, or something follows it.
pub fn decode<'a, D: Message + Decode<'a>>(bytes: &'a [u8]) -> Result<D, DecodeError> {
    keyed::decode_value(bytes)
}
