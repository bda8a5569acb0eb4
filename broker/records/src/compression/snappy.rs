//! Snappy as Kafka's clients write it: blocks in snappy-java's framing (a 16-byte header, then length-prefixed blocks), or
//! one raw block without a frame. Not the framing of Google's `framing_format.txt`, which no Kafka client uses.

use std::io::{self, Read, Write};

/// How every snappy-java stream begins.
const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version 1, compatible with version 1.
const HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// Decompressed bytes of a block that is written; the Java client's own size.
const BLOCK_BYTES: usize = 32 << 10;
/// No element of a block stands for more than 64 bytes in 3, so that a block which declares more is lying.
const HIGHEST_RATIO: usize = 22;

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Decompresses block by block.
pub(super) struct SnappyReader<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    taken: usize,
}

impl<'a> SnappyReader<'a> {
    pub(super) fn new(stored: &'a [u8]) -> Self {
        Self { rest: stored, framed: stored.starts_with(&MAGIC), block: Vec::new(), taken: 0 }
    }

    /// The next compressed block, if there is one.
    fn next_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        if !self.framed {
            let block = std::mem::take(&mut self.rest);
            return Ok((!block.is_empty()).then_some(block));
        }
        // A stream that was appended to carries further headers.
        while self.rest.starts_with(&MAGIC) {
            self.rest = self.rest.get(HEADER.len()..).ok_or_else(|| damaged("snappy header is cut off"))?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (length, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged("snappy block length is cut off"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, rest) = rest.split_at_checked(length).ok_or_else(|| damaged("snappy block is cut off"))?;
        self.rest = rest;
        Ok(Some(block))
    }

    fn decompress(&mut self, block: &[u8]) -> io::Result<()> {
        let length = snap::raw::decompress_len(block)?;
        if length > block.len().saturating_mul(HIGHEST_RATIO) {
            return Err(damaged("snappy block declares more bytes than it can hold"));
        }
        self.block.resize(length, 0);
        self.taken = 0;
        let written = snap::raw::Decoder::new().decompress(block, &mut self.block)?;
        self.block.truncate(written);
        Ok(())
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken >= self.block.len() {
            match self.next_block()? {
                Some(block) => self.decompress(block)?,
                None => return Ok(0),
            }
        }
        let read = self.block.get(self.taken..).unwrap_or_default().read(buffer)?;
        self.taken += read;
        Ok(read)
    }
}

/// Writes snappy-java's framing.
pub(super) struct SnappyWriter {
    output: Vec<u8>,
    pending: Vec<u8>,
}

impl SnappyWriter {
    pub(super) fn new() -> Self {
        Self { output: HEADER.to_vec(), pending: Vec::new() }
    }

    fn write_block(&mut self) -> io::Result<()> {
        let block = snap::raw::Encoder::new().compress_vec(&self.pending)?;
        self.output.extend_from_slice(&(block.len() as u32).to_be_bytes());
        self.output.extend_from_slice(&block);
        self.pending.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<Vec<u8>> {
        if !self.pending.is_empty() {
            self.write_block()?;
        }
        Ok(self.output)
    }
}

impl Write for SnappyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK_BYTES.saturating_sub(self.pending.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.pending.extend_from_slice(taken);
        if self.pending.len() >= BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
