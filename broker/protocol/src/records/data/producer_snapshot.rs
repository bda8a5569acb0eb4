//! ProducerSnapshot: the file `.snapshot` beside a segment, with the producers that wrote to the log before it (KIP-98).

use barnabas_protocol_derive::Message;

/// The producers.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "1")]
pub struct ProducerSnapshot {
    /// The CRC-32C of what follows it.
    pub crc: u32,
    /// The producers.
    pub producer_entries: Vec<ProducerEntry>,
}

/// A producer.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ProducerEntry {
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub epoch: i16,
    /// The sequence number of its last record.
    pub last_sequence: i32,
    /// The offset of its last record.
    pub last_offset: i64,
    /// How many records its last batch has, less one.
    pub offset_delta: i32,
    /// The largest timestamp of its last batch, in milliseconds since 1970.
    pub timestamp: i64,
    /// The epoch of the transaction coordinator that wrote the last marker; -1 when there was none.
    pub coordinator_epoch: i32,
    /// The offset of the first record of the transaction under way; -1 for none.
    pub current_txn_first_offset: i64,
}
