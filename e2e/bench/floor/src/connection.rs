//! One connection: bytes in, frames out of them, replies back. Knows no API. A frame over the limit closes the connection.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::mem;
use std::net::TcpStream;
use std::ops::Range;

use crate::send::{Region, Sending};

/// Kafka's own default of `socket.request.max.bytes`.
const MAX_FRAME_BYTES: usize = 100 << 20;
const READ_BYTES: usize = 256 << 10;

pub enum Part {
    Bytes(Vec<u8>),
    Region(Region),
}

pub struct Connection {
    pub stream: TcpStream,
    incoming: Vec<u8>,
    /// How much of `incoming` holds bytes that were received, and how much of that is done with.
    filled: usize,
    done: usize,
    /// Each with the ticket that must be kept before it may leave.
    outgoing: VecDeque<(u64, Part)>,
    /// Bytes that have left `outgoing` and are next.
    head: Vec<u8>,
    /// A fetch of it waits, and no later frame is looked at.
    pub parked: bool,
    /// Whether the poll reports room to send.
    pub told_of_room: bool,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            incoming: Vec::new(),
            filled: 0,
            done: 0,
            outgoing: VecDeque::new(),
            head: Vec::new(),
            parked: false,
            told_of_room: false,
        }
    }

    /// Receives what is there. False when the client has closed.
    pub fn receive(&mut self) -> io::Result<bool> {
        self.incoming.copy_within(self.done..self.filled, 0);
        self.filled -= self.done;
        self.done = 0;
        if self.incoming.len() < self.filled + READ_BYTES {
            // Doubling, so that a large frame is not copied for each of its pieces.
            self.incoming.resize((self.filled + READ_BYTES).max(self.incoming.len() * 2), 0);
        }
        let Some(room) = self.incoming.get_mut(self.filled..) else { return Ok(true) };
        match self.stream.read(room) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.filled += count;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The next whole frame that was received, without its length, and where it lies; it stays there until the next `receive`.
    pub fn next_frame(&mut self) -> io::Result<Option<(usize, &[u8])>> {
        let waiting = self.incoming.get(self.done..self.filled).unwrap_or_default();
        let Some((head, rest)) = waiting.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame over 100 MiB"));
        }
        let begin = self.done + 4;
        let frame = rest.get(..length).map(|frame| (begin, frame));
        if frame.is_some() {
            self.done = begin + length;
        }
        Ok(frame)
    }

    /// Bytes of a frame of this turn.
    pub fn received(&self, range: Range<usize>) -> Option<&[u8]> {
        self.incoming.get(range)
    }

    /// Queues a reply that may leave once the ticket `after` is kept.
    pub fn queue(&mut self, after: u64, parts: impl IntoIterator<Item = Part>) {
        self.outgoing.extend(parts.into_iter().map(|part| (after, part)));
    }

    /// Sends what is kept, as much as the socket takes. False when the socket took less.
    pub fn send(&mut self, sending: &mut Sending) -> io::Result<bool> {
        loop {
            let next = self.outgoing.front_mut().filter(|(after, _)| *after <= sending.kept);
            let sent = match next {
                Some((_, Part::Bytes(bytes))) if self.head.is_empty() => {
                    self.head = mem::take(bytes);
                    self.outgoing.pop_front();
                    continue;
                }
                Some((_, Part::Region(region))) => region.send(&self.head, &mut self.stream, sending),
                _ if self.head.is_empty() => return Ok(true),
                _ => self.stream.write(&self.head),
            };
            let count = match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                sent => sent?,
            };
            let of_region = count.saturating_sub(self.head.len());
            self.head.drain(..count - of_region);
            if let Some((_, Part::Region(region))) = self.outgoing.front_mut()
                && region.advance(of_region)
            {
                self.outgoing.pop_front();
            }
        }
    }
}
