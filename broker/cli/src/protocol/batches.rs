//! Record batches within a message, a line each. Checks headers and CRC; the records themselves stay compressed.

use std::fmt::Write;

use barnabas_records::{BatchHeader, batches};

/// A line for each batch, and one for what is no whole batch.
pub fn lines(records: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = batches(records);
    while let Some(batch) = rest.next() {
        lines.push(match batch {
            Ok(batch) => {
                let crc = if batch.check_crc().is_ok() { "CRC ok" } else { "CRC WRONG" };
                format!("{}, {crc}", line(batch.header()))
            }
            Err(error) => {
                let left = records.len().saturating_sub(rest.position());
                format!("{left} bytes that are no whole batch: {error}")
            }
        });
    }
    lines
}

/// `1 batch`, `2 batches`.
pub fn count(batches: usize) -> String {
    if batches == 1 { "1 batch".to_owned() } else { format!("{batches} batches") }
}

fn line(header: &BatchHeader) -> String {
    let mut line = format!(
        "offsets {}-{}, {} records, {} bytes, ",
        header.base_offset.0,
        header.last_offset().0,
        header.record_count,
        header.size_bytes(),
    );
    // Writing to a string cannot fail.
    let _ = match header.codec() {
        Ok(codec) => write!(line, "codec {}", codec.name()),
        Err(error) => write!(line, "{error}"),
    };
    let _ = write!(line, ", timestamps {}-{}", header.base_timestamp.0, header.max_timestamp.0);
    let _ = write!(line, ", leader epoch {}", header.partition_leader_epoch.0);
    if header.has_producer() {
        let (id, epoch, sequence) = (header.producer_id.0, header.producer_epoch.0, header.base_sequence);
        let _ = write!(line, ", producer {id} epoch {epoch} sequence {sequence}");
    }
    for (is_so, word) in
        [(header.attributes.is_transactional(), "transactional"), (header.attributes.is_control(), "control")]
    {
        if is_so {
            let _ = write!(line, ", {word}");
        }
    }
    line
}
