//! How what was appended gets to a socket: from memory as long as the tail of its log holds it, else from the file, by sendfile or through
//! a buffer. Knows nothing of batches.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::rc::Rc;

use rustix::fs::sendfile;
use rustix::net::{SendFlags, send};

use crate::append::Source;
use crate::append::ring::Tail;

/// What is copied at once: it stays in the processor's cache until it is written.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sender {
    /// What stands before a region is written on its own, then the region goes from the page cache to the socket.
    #[default]
    Sendfile,
    /// The same, but the system is told that more follows, and may put both into one packet.
    Corked,
    /// The region is read into a buffer behind what stands before it, and both are written from there.
    Copy,
}

impl Sender {
    pub const ALL: [(&str, Self); 3] = [("sendfile", Self::Sendfile), ("corked", Self::Corked), ("copy", Self::Copy)];
}

/// What all connections send with.
pub struct Sending {
    /// The ticket up to which everything is kept.
    pub kept: u64,
    sender: Sender,
    buffer: Vec<u8>,
}

impl Sending {
    pub fn new(sender: Sender) -> Self {
        Self { kept: 0, sender, buffer: vec![0; if sender == Sender::Copy { BUFFER_BYTES } else { 0 }] }
    }
}

/// A run of bytes of a log that is to be sent.
pub struct Region {
    pub source: Rc<Source>,
    pub position: u64,
    pub remaining: u64,
}

impl Region {
    /// Sends some of `head` and the region behind it; answers how many bytes of both.
    pub fn send(&self, head: &[u8], stream: &mut TcpStream, sending: &mut Sending) -> io::Result<usize> {
        let tail = self.source.tail.as_ref().map(|tail| tail.borrow());
        if let Some(slices) = tail.as_ref().and_then(|tail| self.in_memory(head, tail)) {
            return stream.write_vectored(&slices);
        }
        // Behind the beginning of the tail the file need not hold anything yet.
        let in_file = tail.as_ref().map_or(u64::MAX, |tail| tail.begin.saturating_sub(self.position));
        let wanted = usize::try_from(self.remaining.min(in_file)).unwrap_or(usize::MAX);
        let sent = match sending.sender {
            Sender::Copy => return self.copy(head, wanted, stream, &mut sending.buffer),
            Sender::Sendfile if !head.is_empty() => return stream.write(head),
            Sender::Corked if !head.is_empty() => {
                return Ok(send(stream, head, SendFlags::MORE | SendFlags::NOSIGNAL)?);
            }
            Sender::Sendfile | Sender::Corked => {
                sendfile(stream, &self.source.file, Some(&mut self.position.clone()), wanted)?
            }
        };
        if sent == 0 { Err(cut_short()) } else { Ok(sent) }
    }

    /// `head` and as much of the region as two chunks hold, where they are in memory.
    fn in_memory<'a>(&self, head: &'a [u8], tail: &'a Tail) -> Option<[IoSlice<'a>; 3]> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let first = tail.at(self.position)?;
        let first = first.get(..wanted).unwrap_or(first);
        let second = tail.at(self.position + first.len() as u64).unwrap_or_default();
        let second = second.get(..wanted - first.len()).unwrap_or(second);
        Some([IoSlice::new(head), IoSlice::new(first), IoSlice::new(second)])
    }

    fn copy(&self, head: &[u8], wanted: usize, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((room, rest)) = buffer.split_at_mut_checked(head.len()) else { return stream.write(head) };
        room.copy_from_slice(head);
        let wanted = wanted.min(rest.len());
        let read = rustix::io::pread(&self.source.file, rest.get_mut(..wanted).unwrap_or_default(), self.position)?;
        if read == 0 && wanted > 0 {
            return Err(cut_short());
        }
        stream.write(buffer.get(..head.len() + read).unwrap_or_default())
    }

    /// Leaves out what was sent. True when nothing is left.
    pub fn advance(&mut self, count: usize) -> bool {
        self.position += count as u64;
        self.remaining -= count as u64;
        self.remaining == 0
    }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "a file is shorter than its batches")
}
