//! The lines of a recording: eight digits of a checksum, a space, JSON. The checksum covers the line's number, too, so that a line that is missing,
//! doubled or moved is seen like one that is changed. Knows nothing of what a line says.

use crc_fast::{CrcAlgorithm, Digest};
use serde::Serialize;

use crate::Damaged;

/// The first line, without its number.
pub(crate) const MAGIC: &str = "barnabas recording, format ";
/// What is written, and all that is read.
pub(crate) const FORMAT: u32 = 1;

fn checksum(number: usize, text: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&(number as u64).to_be_bytes());
    digest.update(text);
    // The algorithm has 32 bits.
    u32::try_from(digest.finalize()).unwrap_or_default()
}

/// Makes a file line by line.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    lines: usize,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { bytes: format!("{MAGIC}{FORMAT}\n").into_bytes(), lines: 1 }
    }

    pub(crate) fn line(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        let text = serde_json::to_vec(value)?;
        self.lines += 1;
        self.bytes.extend_from_slice(format!("{:08x} ", checksum(self.lines, &text)).as_bytes());
        self.bytes.extend_from_slice(&text);
        self.bytes.push(b'\n');
        Ok(())
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A line whose checksum is right.
pub(crate) struct Line<'a> {
    /// From 1.
    pub(crate) number: usize,
    /// Where its JSON begins in the file.
    pub(crate) position: usize,
    pub(crate) json: &'a [u8],
}

impl Line<'_> {
    pub(crate) fn damaged(&self, what: impl Into<String>) -> Damaged {
        Damaged { line: self.number, position: self.position, what: what.into() }
    }
}

/// Every line after the first, each as it was written.
pub(crate) fn checked(bytes: &[u8]) -> Result<Vec<Line<'_>>, Damaged> {
    let damaged = |line, position, what: &str| Damaged { line, position, what: what.to_owned() };
    let Some((first, mut rest)) = split_line(bytes) else {
        return Err(damaged(1, bytes.len(), "the file ends in its first line"));
    };
    let format = first.strip_prefix(MAGIC.as_bytes()).ok_or_else(|| {
        damaged(1, 0, "this is no recording: one begins with `barnabas recording, format` and a number")
    })?;
    if format != FORMAT.to_string().as_bytes() {
        let format = String::from_utf8_lossy(format.get(..format.len().min(20)).unwrap_or_default());
        let what = format!("format {format}: this release reads {FORMAT}; take the release that wrote the file");
        return Err(damaged(1, MAGIC.len(), &what));
    }
    let (mut lines, mut position) = (Vec::new(), first.len() + 1);
    while !rest.is_empty() {
        let number = lines.len() + 2;
        let Some((line, after)) = split_line(rest) else {
            return Err(damaged(number, bytes.len(), "the file ends within this line"));
        };
        let json = line
            .split_at_checked(9)
            .filter(|(sum, json)| *sum == format!("{:08x} ", checksum(number, json)).as_bytes())
            .map(|(_, json)| json)
            .ok_or_else(|| damaged(number, position, "the line is not what was written: its checksum differs"))?;
        lines.push(Line { number, position: position + 9, json });
        position += line.len() + 1;
        rest = after;
    }
    Ok(lines)
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}
