//! Tells a batch of Kafka's message formats 0 and 1 from a torn tail: the one must not be cut off as the other is.

use crc_fast::{CrcAlgorithm, Digest};

use crate::fs::{File, IoError, read_up_to};

/// Offset, size and CRC come before what the CRC covers.
const CRC_FROM: u64 = 16;
const CHUNK_BYTES: usize = 64 * 1024;

/// The format of the batch at `position` if it is of format 0 or 1, whole, and its CRC-32 (IEEE) holds.
pub(crate) fn magic_at(file: &dyn File, position: u64) -> Result<Option<i8>, IoError> {
    let mut head = [0; 17];
    if read_up_to(file, &mut head, position)? < head.len() {
        return Ok(None);
    }
    let [_, _, _, _, _, _, _, _, size @ .., crc_0, crc_1, crc_2, crc_3, magic] = head;
    let (stored, magic) = (u32::from_be_bytes([crc_0, crc_1, crc_2, crc_3]), magic.cast_signed());
    let size = i32::from_be_bytes(size);
    let end = position + 12 + u64::from(size.unsigned_abs());
    if !(0..=1).contains(&magic) || size < 14 || end > file.length()? {
        return Ok(None);
    }
    let mut digest = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = position + CRC_FROM;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let read = read_up_to(file, chunk.get_mut(..wanted).unwrap_or_default(), at)?;
        if read == 0 {
            return Ok(None);
        }
        digest.update(chunk.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok((digest.finalize() as u32 == stored).then_some(magic))
}
