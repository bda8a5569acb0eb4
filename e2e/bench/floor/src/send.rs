//! How what was appended gets to a socket: from memory as long as the tail of its log holds it, else from the file, by sendfile or through
//! a buffer. Knows nothing of batches.

use std::io::{self, Write};
use std::net::TcpStream;
use std::rc::Rc;

use rustix::fs::sendfile;

use crate::append::Source;

/// What `--send copy` reads at once: it stays in the processor's cache until it is written.
const BUFFER_BYTES: usize = 256 << 10;

/// A run of bytes of a log that is to be sent.
pub struct Region {
    pub source: Rc<Source>,
    pub position: u64,
    pub remaining: u64,
}

/// What all connections send with.
pub struct Sending {
    /// The ticket up to which everything is kept.
    pub kept: u64,
    /// Nothing where sendfile is used.
    buffer: Option<Vec<u8>>,
}

impl Sending {
    pub fn new(copies: bool) -> Self {
        Self { kept: 0, buffer: copies.then(|| vec![0; BUFFER_BYTES]) }
    }
}

impl Region {
    /// Sends some of it. True once all is sent.
    pub fn send(&mut self, stream: &mut TcpStream, sending: &mut Sending) -> io::Result<bool> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let tail = self.source.tail.as_ref().map(|tail| tail.borrow());
        let count = if let Some(bytes) = tail.as_ref().and_then(|tail| tail.at(self.position)) {
            stream.write(bytes.get(..wanted).unwrap_or(bytes))?
        } else {
            // Behind the beginning of the tail the file need not hold anything yet.
            let in_file = tail.as_ref().map_or(u64::MAX, |tail| tail.begin.saturating_sub(self.position));
            let wanted = wanted.min(usize::try_from(in_file).unwrap_or(usize::MAX));
            match &mut sending.buffer {
                None => sendfile(&mut *stream, &self.source.file, Some(&mut self.position.clone()), wanted)?,
                Some(buffer) => {
                    let room = wanted.min(buffer.len());
                    let room = buffer.get_mut(..room).unwrap_or_default();
                    let count = rustix::io::pread(&self.source.file, &mut *room, self.position)?;
                    stream.write(room.get(..count).unwrap_or_default())?
                }
            }
        };
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file is shorter than its batches"));
        }
        self.position += count as u64;
        self.remaining -= count as u64;
        Ok(self.remaining == 0)
    }
}
