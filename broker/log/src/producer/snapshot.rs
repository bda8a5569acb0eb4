//! The producer state as a file, `<20-digit offset>.snapshot`: what was known when the log ended at that offset.
//! The format keeps one batch per producer, not five.
//!
//! Layout (big-endian): i16 version 1, u32 CRC-32C of all that follows, i32 count, then per producer i64 id, i16 epoch,
//! i32 last sequence, i64 last offset (-1: no batch), i32 offset delta, i64 timestamp, i32 coordinator epoch,
//! i64 first offset of the open transaction (-1: none).

use std::path::{Path, PathBuf};

use barnabas_records::crc32c;
use barnabas_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::entry::{ProducerEntry, SequencedBatch};
use crate::fs::{Fs, IoError, read_bounded};

const VERSION: i16 = 1;
const ENTRY_BYTES: usize = 46;
/// Far more than the producers that one partition remembers.
const LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// A snapshot that cannot be used. The log is replayed from an older one then.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The file is not a snapshot of a known version with a matching CRC.
    #[error("producer snapshot {} is corrupt: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

fn put_entry(bytes: &mut Vec<u8>, id: ProducerId, entry: &ProducerEntry) {
    let none =
        SequencedBatch { last_sequence: -1, last_offset: Offset(-1), offset_delta: 0, timestamp: entry.last_timestamp };
    let last = entry.last_batch().copied().unwrap_or(none);
    bytes.extend(id.0.to_be_bytes());
    bytes.extend(entry.epoch.0.to_be_bytes());
    bytes.extend(last.last_sequence.to_be_bytes());
    bytes.extend(last.last_offset.0.to_be_bytes());
    bytes.extend(last.offset_delta.to_be_bytes());
    bytes.extend(entry.last_timestamp.0.to_be_bytes());
    bytes.extend(entry.coordinator_epoch.to_be_bytes());
    bytes.extend(entry.transaction_first_offset.map_or(-1, |offset| offset.0).to_be_bytes());
}

/// The file's bytes.
pub(super) fn encode<'a>(entries: impl ExactSizeIterator<Item = (ProducerId, &'a ProducerEntry)>) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + entries.len() * ENTRY_BYTES);
    body.extend(i32::try_from(entries.len()).unwrap_or(i32::MAX).to_be_bytes());
    for (id, entry) in entries.take(i32::MAX as usize) {
        put_entry(&mut body, id, entry);
    }
    let mut bytes = Vec::with_capacity(6 + body.len());
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(crc32c(&body).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn take_entry(bytes: &mut &[u8]) -> Option<(ProducerId, ProducerEntry)> {
    let id = ProducerId(i64::from_be_bytes(take(bytes)?));
    let epoch = ProducerEpoch(i16::from_be_bytes(take(bytes)?));
    let last_sequence = i32::from_be_bytes(take(bytes)?);
    let last_offset = Offset(i64::from_be_bytes(take(bytes)?));
    let offset_delta = i32::from_be_bytes(take(bytes)?);
    let timestamp = Timestamp(i64::from_be_bytes(take(bytes)?));
    let mut entry = ProducerEntry::new();
    entry.epoch = epoch;
    if last_offset.0 >= 0 {
        entry.push(epoch, SequencedBatch { last_sequence, last_offset, offset_delta, timestamp });
    }
    entry.last_timestamp = timestamp;
    entry.seen = timestamp;
    entry.coordinator_epoch = i32::from_be_bytes(take(bytes)?);
    entry.transaction_first_offset = Some(Offset(i64::from_be_bytes(take(bytes)?))).filter(|offset| offset.0 >= 0);
    Some((id, entry))
}

/// The entries in a file's bytes, or what is wrong with them.
pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<(ProducerId, ProducerEntry)>, &'static str> {
    let bytes = &mut bytes;
    match take(bytes).map(i16::from_be_bytes) {
        Some(VERSION) => {}
        Some(_) => return Err("unknown version, expected 1"),
        None => return Err("too short"),
    }
    let crc = take(bytes).map(u32::from_be_bytes).ok_or("too short")?;
    if crc != crc32c(bytes) {
        return Err("the CRC does not match");
    }
    let count = take(bytes).map(i32::from_be_bytes).ok_or("too short")?;
    if usize::try_from(count).ok() != Some(bytes.len() / ENTRY_BYTES) || !bytes.len().is_multiple_of(ENTRY_BYTES) {
        return Err("the count does not match the length");
    }
    let mut entries = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    while let Some(entry) = take_entry(bytes) {
        entries.push(entry);
    }
    Ok(entries)
}

/// Reads the snapshot at `path`.
pub(super) fn read(fs: &dyn Fs, path: &Path) -> Result<Vec<(ProducerId, ProducerEntry)>, SnapshotError> {
    let corrupt = |reason| SnapshotError::Corrupt { path: path.to_path_buf(), reason };
    let bytes = read_bounded(fs, path, LIMIT_BYTES)?.ok_or_else(|| corrupt("it vanished"))?;
    decode(&bytes).map_err(corrupt)
}
