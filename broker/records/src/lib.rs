//! Record batches of magic 2: view, validate, patch, build, iterate, compress. Works on bytes in memory; opens no file,
//! reads no clock, and neither accepts nor writes the message formats 0 and 1, which Kafka 4 dropped (KIP-896).
//!
//! Layout of a batch (big-endian): 8 base offset, 4 batch length, 4 partition leader epoch, 1 magic, 4 CRC-32C, 2 attributes,
//! 4 last offset delta, 8 base timestamp, 8 max timestamp, 8 producer id, 2 producer epoch, 4 base sequence, 4 record count,
//! then the records, compressed as one block. The CRC covers everything from the attributes on.

mod builder;
pub mod compression;
pub mod control;
#[cfg(test)]
mod golden;
mod header;
pub mod patch;
mod record;
pub mod validate;
mod varint;
mod view;

pub use builder::{BatchBuilder, BuildError};
pub use compression::{Compression, DecompressLimits};
pub use header::{
    Attributes, BATCH_HEADER_BYTES, BatchError, BatchHeader, Codec, LENGTH_PREFIX_BYTES, MAGIC_V2, NO_SEQUENCE,
    TimestampType, crc32c,
};
pub use record::{Header, Headers, Record, RecordError, Records};
pub use validate::{AppendRules, InvalidBatch, ValidBatch, single_batch, validate};
pub use view::{BatchView, Batches, batches};
