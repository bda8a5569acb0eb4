//! The connections of a capture: finds those that speak Kafka's protocol, and hands their frames on. What is no such connection, began before the
//! capture or was not captured is said in a word. Memory is bounded, whatever the capture holds.

use std::collections::HashMap;
use std::io;
use std::io::Read;
use std::net::SocketAddr;

use super::conversation::{Conversation, is_request, looks_like_request};
use super::frames::{Cut, Cutter};
use super::packets::{self, CaptureError, Segment};
use super::page::{Origin, Page};
use super::reassembly::{Direction, Piece};

/// Connections that are followed at a time.
const CONNECTIONS_LIMIT: usize = 10_000;
/// Bytes that all connections together may hold back.
const HELD_LIMIT_BYTES: usize = 256 << 20;
/// The least bytes of a request: API key, version, correlation id.
const LEAST_REQUEST_BYTES: i32 = 8;

/// What to look for.
pub struct Filter {
    /// Ports of brokers; empty for all.
    pub ports: Vec<u16>,
    pub max_frame_bytes: u32,
}

/// Writes the frames of all connections in `file`, in the order in which they were complete.
pub fn decode(file: Box<dyn Read + Send>, filter: Filter, page: &mut Page<'_>) -> Result<(), CaptureError> {
    let mut capture = Capture { filter, connections: HashMap::new(), start: None, held_bytes: 0 };
    let is_cut = packets::read(file, &mut |segment| {
        let before = page.frames;
        capture.segment(segment, page)?;
        // The capture may still be going on, with someone watching.
        if page.frames > before { page.flush() } else { Ok(()) }
    })?;
    if is_cut {
        page.note("the capture ends within a packet")?;
    }
    let mut rest: Vec<_> = capture.connections.into_values().collect();
    rest.sort_by_key(|connection| (connection.client, connection.server));
    for mut connection in rest {
        connection.finish(page)?;
    }
    Ok(())
}

struct Capture {
    filter: Filter,
    /// By both ends, the lower address first.
    connections: HashMap<(SocketAddr, SocketAddr), Connection>,
    /// When the first segment was captured.
    start: Option<f64>,
    held_bytes: usize,
}

impl Capture {
    fn segment(&mut self, segment: &Segment<'_>, page: &mut Page<'_>) -> io::Result<()> {
        let Segment { from, to, .. } = *segment;
        let ports = &self.filter.ports;
        if !ports.is_empty() && !ports.contains(&from.port()) && !ports.contains(&to.port()) {
            return Ok(());
        }
        let since_start = segment.time - *self.start.get_or_insert(segment.time);
        let key = (from.min(to), from.max(to));
        if segment.is_syn
            && let Some(mut before) = self.connections.remove(&key)
        {
            // The answer to the first SYN, or the first SYN again, belongs to the connection that is there.
            if before.is_opening(segment) {
                self.connections.insert(key, before);
            } else {
                self.held_bytes = self.held_bytes.saturating_sub(before.held_bytes());
                before.finish(page)?;
            }
        }
        if !self.connections.contains_key(&key) {
            let Some(opened) = self.open(segment, page)? else { return Ok(()) };
            self.connections.insert(key, opened);
        }
        let Some(connection) = self.connections.get_mut(&key) else { return Ok(()) };
        let before = connection.held_bytes();
        connection.segment(segment, since_start, page)?;
        self.held_bytes = self.held_bytes.saturating_add(connection.held_bytes()).saturating_sub(before);
        if self.held_bytes > HELD_LIMIT_BYTES {
            let held = connection.held_bytes();
            page.note(&format!(
                "{} > {}: too much of it waits for bytes that do not come; left out from here",
                from, to
            ))?;
            connection.leave_out();
            self.held_bytes = self.held_bytes.saturating_sub(held);
        }
        if connection.is_over() {
            self.held_bytes = self.held_bytes.saturating_sub(connection.held_bytes());
            connection.finish(page)?;
            self.connections.remove(&key);
        }
        Ok(())
    }

    /// The connection that a segment opens, or that it is the first to show: by a SYN, or by the start of a request.
    fn open(&self, segment: &Segment<'_>, page: &mut Page<'_>) -> io::Result<Option<Connection>> {
        let max_bytes = self.filter.max_frame_bytes;
        let (client, server) = match (segment.is_syn, segment.is_ack) {
            (true, false) => (segment.from, segment.to),
            (true, true) => (segment.to, segment.from),
            (false, _) if starts_request(segment.payload, max_bytes) => (segment.from, segment.to),
            (false, _) => return Ok(None),
        };
        if self.connections.len() >= CONNECTIONS_LIMIT {
            page.note(&format!("{client} > {server}: left out, {CONNECTIONS_LIMIT} connections are open already"))?;
            return Ok(None);
        }
        if !segment.is_syn {
            page.note(&format!("{client} > {server}: this connection began before the capture"))?;
        }
        Ok(Some(Connection {
            client,
            server,
            requests: Side::new(max_bytes, segment.is_syn),
            responses: Side::new(max_bytes, segment.is_syn),
            conversation: Conversation::default(),
            is_left_out: false,
            has_requests: false,
        }))
    }
}

/// One direction of a connection.
struct Side {
    direction: Direction,
    cutter: Cutter,
    max_bytes: u32,
    /// The next byte is the first of a frame or of what follows it in the cutter.
    in_step: bool,
    skipped_bytes: u64,
    is_over: bool,
}

impl Side {
    fn new(max_bytes: u32, in_step: bool) -> Self {
        let (direction, cutter) = (Direction::default(), Cutter::new(max_bytes));
        Self { direction, cutter, max_bytes, in_step, skipped_bytes: 0, is_over: false }
    }

    fn lose_step(&mut self) {
        self.skipped_bytes = self.skipped_bytes.saturating_add(self.cutter.rest().len() as u64);
        self.cutter.clear();
        self.in_step = false;
    }

    fn held_bytes(&self) -> usize {
        self.direction.waiting_bytes().saturating_add(self.cutter.rest().len())
    }
}

struct Connection {
    client: SocketAddr,
    server: SocketAddr,
    requests: Side,
    responses: Side,
    conversation: Conversation,
    /// It is no connection of Kafka's protocol, or cannot be followed.
    is_left_out: bool,
    /// A request has been seen.
    has_requests: bool,
}

impl Connection {
    /// True for the SYN that opened the connection, come again, and for its answer.
    fn is_opening(&self, segment: &Segment<'_>) -> bool {
        let is_fresh = !self.has_requests && !self.requests.is_over && !self.responses.is_over;
        is_fresh && (segment.from == self.client) != segment.is_ack
    }

    fn is_over(&self) -> bool {
        self.requests.is_over && self.responses.is_over
    }

    fn held_bytes(&self) -> usize {
        self.requests.held_bytes().saturating_add(self.responses.held_bytes())
    }

    fn leave_out(&mut self) {
        self.is_left_out = true;
        for side in [&mut self.requests, &mut self.responses] {
            side.cutter.clear();
            side.direction = Direction::default();
        }
    }

    fn name(&self) -> String {
        format!("{} > {}", self.client, self.server)
    }

    fn segment(&mut self, segment: &Segment<'_>, since_start: f64, page: &mut Page<'_>) -> io::Result<()> {
        if self.is_left_out {
            return Ok(());
        }
        let is_request = segment.from == self.client;
        let (side, other) = match is_request {
            true => (&mut self.requests, &mut self.responses),
            false => (&mut self.responses, &mut self.requests),
        };
        side.is_over |= segment.is_end;
        let mut late = Vec::new();
        let mut pieces = Vec::new();
        if segment.is_syn {
            side.direction.start(segment.sequence.wrapping_add(1));
        } else {
            late = if segment.is_ack { other.direction.acknowledged(segment.acknowledgment) } else { late };
            pieces = side.direction.push(segment.sequence, segment.payload);
        }
        let (from, to) = (segment.from.to_string(), segment.to.to_string());
        let at = |from_to| Origin { time: Some(segment.time), since_start: Some(since_start), from_to: Some(from_to) };
        let origin = at([to.clone(), from.clone()]);
        late.into_iter().try_for_each(|piece| self.piece(piece, !is_request, &origin, page))?;
        let origin = at([from, to]);
        pieces.into_iter().try_for_each(|piece| self.piece(piece, is_request, &origin, page))
    }

    fn piece(&mut self, piece: Piece, is_request: bool, origin: &Origin, page: &mut Page<'_>) -> io::Result<()> {
        let name = self.name();
        let side = if is_request { &mut self.requests } else { &mut self.responses };
        let bytes = match piece {
            _ if self.is_left_out => return Ok(()),
            Piece::Missing(count) => {
                side.lose_step();
                let what = if is_request { "requests" } else { "responses" };
                return page.note(&format!("{name}: {count} bytes of {what} were not captured"));
            }
            Piece::Bytes(bytes) => bytes,
        };
        if !side.in_step {
            let conversation = &self.conversation;
            let starts = match is_request {
                true => starts_request(&bytes, side.max_bytes),
                false => bytes.get(4..).is_some_and(|frame| conversation.waits_for(frame)),
            };
            if !starts {
                side.skipped_bytes = side.skipped_bytes.saturating_add(bytes.len() as u64);
                return Ok(());
            }
            side.in_step = true;
            let skipped = std::mem::take(&mut side.skipped_bytes);
            if skipped > 0 {
                page.note(&format!("{name}: {skipped} bytes passed over, up to the next start of a frame"))?;
            }
        }
        side.cutter.push(&bytes);
        self.frames(is_request, origin, page)
    }

    /// Hands on the frames that are whole.
    fn frames(&mut self, is_request: bool, origin: &Origin, page: &mut Page<'_>) -> io::Result<()> {
        loop {
            let side = if is_request { &mut self.requests } else { &mut self.responses };
            let cut = side.cutter.next();
            let is_first = is_request && !self.has_requests;
            match cut {
                None => return Ok(()),
                Some(Cut::Frame(frame)) if is_first && !looks_like_request(&frame, frame.len()) => {
                    return self.is_not_kafka(&frame, page);
                }
                Some(Cut::Frame(frame)) if is_request => {
                    self.has_requests = true;
                    self.conversation.request(&frame, origin, page)?;
                }
                Some(Cut::Frame(frame)) => self.conversation.response(&frame, origin, page)?,
                Some(Cut::NoLength(_)) if is_first || !self.has_requests => {
                    let start = side.cutter.rest().to_vec();
                    return self.is_not_kafka(&start, page);
                }
                Some(Cut::NoLength(length)) => {
                    side.lose_step();
                    let name = self.name();
                    return page
                        .note(&format!("{name}: a frame of {length} bytes, which none can be (--max-frame-bytes)"));
                }
            }
        }
    }

    fn is_not_kafka(&mut self, start: &[u8], page: &mut Page<'_>) -> io::Result<()> {
        let why = match start {
            // A TLS record of a handshake.
            [0x16, 3, ..] => "TLS, which cannot be read without its keys; capture a listener without TLS",
            _ => "no requests of Kafka's protocol",
        };
        self.leave_out();
        page.note(&format!("{}: left out: {why}", self.name()))
    }

    /// The end of the connection, or of the capture.
    fn finish(&mut self, page: &mut Page<'_>) -> io::Result<()> {
        for is_request in [true, false] {
            let side = if is_request { &mut self.requests } else { &mut self.responses };
            let from_to = match is_request {
                true => [self.client.to_string(), self.server.to_string()],
                false => [self.server.to_string(), self.client.to_string()],
            };
            let origin = Origin { from_to: Some(from_to), ..Origin::default() };
            for piece in side.direction.finish() {
                self.piece(piece, is_request, &origin, page)?;
            }
            let side = if is_request { &mut self.requests } else { &mut self.responses };
            let (rest, skipped) = (side.cutter.rest().len(), side.skipped_bytes);
            let what = if is_request { "requests" } else { "responses" };
            if rest > 0 {
                page.note(&format!("{}: the {what} end {rest} bytes into a frame", self.name()))?;
            }
            if skipped > 0 {
                page.note(&format!("{}: {skipped} bytes of {what} passed over to the end", self.name()))?;
            }
        }
        Ok(())
    }
}

/// True when a segment begins with the length and header of a request.
fn starts_request(payload: &[u8], max_bytes: u32) -> bool {
    let Some((length, frame)) = payload.split_first_chunk::<4>() else { return false };
    let length = i32::from_be_bytes(*length);
    length >= LEAST_REQUEST_BYTES && length.cast_unsigned() <= max_bytes && is_request(frame, length as usize)
}
