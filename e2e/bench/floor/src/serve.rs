//! The one loop: wait for sockets, handle what came, end the turn of whatever appends, answer what is kept. Fetches that find nothing wait
//! for the next append or their time. Anything that a client does wrong closes its connection.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::Settings;
use crate::append::{Appending, Batch, Connections};
use crate::connection::{Connection, Part};
use crate::partition::{End, Partition};
use crate::send::Sending;
use crate::wire::{
    API_VERSIONS, BASE_OFFSET_BYTES, FETCH, Fields, LIST_OFFSETS, METADATA, PRODUCE, Reply, api_versions, is_served,
    metadata, offsets_of,
};

#[cfg(test)]
mod tests;

/// What the poll calls what is no connection.
const LISTENER: u64 = 0;
const APPENDING: u64 = 1;

/// A fetch that waits: what it asked, and until when.
struct Parked {
    connection: u64,
    correlation_id: i32,
    request: Vec<u8>,
    deadline: Instant,
}

/// What becomes possible when a ticket is kept.
enum Due {
    /// A partition may be read up to here.
    Kept(usize, End),
    /// A connection may send.
    Send(u64),
}

struct Floor<'a> {
    settings: &'a Settings,
    appending: Box<dyn Appending>,
    /// Where the partition of a name and number is in `partitions`.
    places: HashMap<(Vec<u8>, i32), usize>,
    partitions: Vec<Partition>,
    /// By ticket.
    due: VecDeque<(u64, Due)>,
    /// Whether anything was appended since the last turn ended.
    appended: bool,
    parked: Vec<Parked>,
}

/// A frame, and where it lies in the buffer of its connection.
struct Frame<'a> {
    bytes: &'a [u8],
    connection: u64,
    at: usize,
}

/// What to do with a frame: answer it once a ticket is kept, say nothing (acks=0), or let it wait until a deadline.
enum Outcome {
    Answer(u64, Vec<Part>),
    Nothing,
    Wait(i32, Vec<u8>, Instant),
}

/// The ticket of what need not be kept first.
const AT_ONCE: u64 = 0;

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a request that the floor does not read")
}

impl Floor<'_> {
    fn handle(&mut self, frame: &Frame<'_>) -> io::Result<Outcome> {
        let mut fields = Fields(frame.bytes);
        let (api, version) = (fields.i16().ok_or_else(malformed)?, fields.i16().ok_or_else(malformed)?);
        let correlation_id = fields.i32().ok_or_else(malformed)?;
        if !is_served(api, version) {
            return Err(malformed());
        }
        if api == API_VERSIONS {
            return Ok(Outcome::Answer(AT_ONCE, vec![Part::Bytes(api_versions(correlation_id, version))]));
        }
        fields.string().ok_or_else(malformed)?; // the client's id
        let answer = |reply: Option<Vec<u8>>| reply.map(|reply| Outcome::Answer(AT_ONCE, vec![Part::Bytes(reply)]));
        match api {
            PRODUCE => self.produce(correlation_id, frame, &mut fields),
            FETCH => self.fetch(correlation_id, fields.0, Instant::now(), None),
            METADATA => answer(metadata(correlation_id, self.settings.port, self.settings.partitions, &mut fields))
                .ok_or_else(malformed),
            LIST_OFFSETS => answer(self.list_offsets(correlation_id, &mut fields)).ok_or_else(malformed),
            _ => Err(malformed()),
        }
    }

    fn partition(&mut self, topic: &[u8], index: i32) -> io::Result<&mut Partition> {
        let place = match self.places.entry((topic.to_vec(), index)) {
            Entry::Occupied(there) => *there.get(),
            Entry::Vacant(_) if u32::try_from(index).map_or(true, |index| index >= self.settings.partitions) => {
                return Err(malformed());
            }
            Entry::Vacant(free) => {
                let log = self.partitions.len();
                let source = self.appending.create(&self.settings.directory.join(log.to_string()))?;
                self.partitions.push(Partition::new(log, source));
                *free.insert(log)
            }
        };
        self.partitions.get_mut(place).ok_or_else(malformed)
    }

    fn produce(&mut self, correlation_id: i32, frame: &Frame<'_>, fields: &mut Fields<'_>) -> io::Result<Outcome> {
        let mut reply = Reply::to(correlation_id);
        fields.string().ok_or_else(malformed)?; // transactional id
        let acks = fields.i16().ok_or_else(malformed)?;
        fields.i32().ok_or_else(malformed)?; // timeout
        let topics = fields.i32().ok_or_else(malformed)?;
        reply.i32(topics);
        let mut after = AT_ONCE;
        for _ in 0..topics {
            let topic = fields.string().ok_or_else(malformed)?;
            let partitions = fields.i32().ok_or_else(malformed)?;
            reply.string(topic).i32(partitions);
            for _ in 0..partitions {
                let index = fields.i32().ok_or_else(malformed)?;
                let batch = fields.bytes().ok_or_else(malformed)?;
                let at = frame.at + (frame.bytes.len() - fields.0.len() - batch.len());
                let (base, ticket) = self.append(topic, index, batch, frame.connection, at)?;
                after = ticket;
                reply.i32(index).i16(0).i64(base as i64).i64(-1).i64(0);
            }
        }
        reply.i32(0);
        Ok(if acks == 0 { Outcome::Nothing } else { Outcome::Answer(after, vec![Part::Bytes(reply.finish(0))]) })
    }

    /// Appends a batch, which lies at `at` in the buffer of its connection; answers its offset and its ticket.
    fn append(&mut self, topic: &[u8], index: i32, batch: &[u8], connection: u64, at: usize) -> io::Result<(u64, u64)> {
        let offsets = offsets_of(batch).ok_or_else(malformed)?;
        let rest = batch.get(BASE_OFFSET_BYTES..).ok_or_else(malformed)?;
        let partition = self.partition(topic, index)?;
        let (log, End { offset, position, .. }) = (partition.log, partition.end);
        let (head, at) = (offset.to_be_bytes(), at + BASE_OFFSET_BYTES);
        let ticket = self.appending.append(&Batch { log, position, head, rest, connection, at })?;
        self.appended = true;
        if let Some(partition) = self.partitions.get_mut(log) {
            partition.append(offsets, batch.len() as u64);
            if ticket == AT_ONCE {
                partition.kept = partition.end;
            } else {
                self.due.push_back((ticket, Due::Kept(log, partition.end)));
            }
        }
        Ok((offset, ticket))
    }

    /// Ends a turn; `ready` gets the connections that may send because of what has become kept.
    fn end_turn(&mut self, connections: &Connections, ready: &mut Vec<u64>) -> io::Result<u64> {
        if mem::take(&mut self.appended) {
            self.appending.end_turn(connections)?;
        }
        if self.due.is_empty() {
            return Ok(u64::MAX);
        }
        let kept = self.appending.kept()?;
        while let Some((_, due)) = self.due.pop_front_if(|(ticket, _)| *ticket <= kept) {
            match due {
                Due::Send(connection) => ready.push(connection),
                Due::Kept(log, end) => {
                    if let Some(partition) = self.partitions.get_mut(log) {
                        partition.kept = end;
                    }
                }
            }
        }
        Ok(kept)
    }

    fn list_offsets(&mut self, correlation_id: i32, fields: &mut Fields<'_>) -> Option<Vec<u8>> {
        const LATEST: i64 = -1;
        let mut reply = Reply::to(correlation_id);
        fields.i32()?; // replica
        let topics = fields.i32()?;
        reply.i32(topics);
        for _ in 0..topics {
            let topic = fields.string()?;
            let partitions = fields.i32()?;
            reply.string(topic).i32(partitions);
            for _ in 0..partitions {
                let (index, timestamp) = (fields.i32()?, fields.i64()?);
                let end = self.partition(topic, index).ok()?.kept.offset as i64;
                reply.i32(index).i16(0).i64(-1).i64(if timestamp == LATEST { end } else { 0 });
            }
        }
        Some(reply.finish(0))
    }

    /// Answers a fetch if it finds anything or its deadline has come; `deadline` is none the first time.
    fn fetch(
        &mut self,
        correlation_id: i32,
        request: &[u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> io::Result<Outcome> {
        let mut fields = Fields(request);
        fields.i32().ok_or_else(malformed)?; // replica
        let max_wait_ms = u64::try_from(fields.i32().ok_or_else(malformed)?).unwrap_or(0);
        fields.i32().ok_or_else(malformed)?; // min bytes: anything is enough here
        let mut budget = u64::try_from(fields.i32().ok_or_else(malformed)?).unwrap_or(0);
        fields.i8().ok_or_else(malformed)?; // isolation
        let topics = fields.i32().ok_or_else(malformed)?;
        let (mut parts, mut reply, mut region_bytes) = (Vec::new(), Reply::to(correlation_id), 0);
        reply.i32(0).i32(topics);
        for _ in 0..topics {
            let topic = fields.string().ok_or_else(malformed)?;
            let partitions = fields.i32().ok_or_else(malformed)?;
            reply.string(topic).i32(partitions);
            for _ in 0..partitions {
                let (index, offset) = (fields.i32().ok_or_else(malformed)?, fields.i64().ok_or_else(malformed)?);
                let max_bytes = u64::try_from(fields.i32().ok_or_else(malformed)?).unwrap_or(0).min(budget);
                let partition = self.partition(topic, index)?;
                let end = partition.kept.offset as i64;
                let region =
                    if budget == 0 { None } else { partition.read(u64::try_from(offset).unwrap_or(0), max_bytes) };
                let length = region.as_ref().map_or(0, |region| region.remaining);
                reply.i32(index).i16(0).i64(end).i64(end).i32(-1).i32(i32::try_from(length).unwrap_or(i32::MAX));
                if let Some(region) = region {
                    parts.push(Part::Bytes(mem::take(&mut reply.0)));
                    parts.push(Part::Region(region));
                }
                budget = budget.saturating_sub(length);
                region_bytes += length;
            }
        }
        let deadline = deadline.unwrap_or(now + Duration::from_millis(max_wait_ms));
        if region_bytes == 0 && now < deadline {
            return Ok(Outcome::Wait(correlation_id, request.to_vec(), deadline));
        }
        Ok(Outcome::Answer(AT_ONCE, joined(parts, reply, region_bytes)))
    }
}

/// The parts of a reply in order, the first of them with the length of all.
fn joined(mut parts: Vec<Part>, tail: Reply, region_bytes: u64) -> Vec<Part> {
    if !tail.0.is_empty() {
        parts.push(Part::Bytes(tail.0));
    }
    let lengths = parts.iter().map(|part| if let Part::Bytes(bytes) = part { bytes.len() as u64 } else { 0 });
    let bytes = lengths.sum::<u64>();
    if let Some(Part::Bytes(first)) = parts.first_mut() {
        let beyond = (bytes - first.len() as u64) + region_bytes;
        *first = Reply(mem::take(first)).finish(beyond);
    }
    parts
}

/// Serves until it is killed.
pub fn run(settings: &Settings, listener: &TcpListener) -> io::Result<()> {
    std::fs::create_dir_all(&settings.directory)?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let appending = settings.append.appending(settings.sync, settings.keep_bytes)?;
    if let Some(event) = appending.event() {
        epoll::add(&poll, event, EventData::new_u64(APPENDING), EventFlags::IN | EventFlags::ET)?;
    }
    let (places, partitions, due, parked) = (HashMap::new(), Vec::new(), VecDeque::new(), Vec::new());
    let mut floor = Floor { settings, appending, places, partitions, due, appended: false, parked };
    let (mut connections, mut next_id) = (Connections::new(), APPENDING + 1);
    let mut sending = Sending::new(settings.send);
    let mut events = Vec::with_capacity(1024);
    loop {
        let earliest = floor.parked.iter().map(|parked| parked.deadline).min();
        let timeout =
            earliest.and_then(|deadline| Timespec::try_from(deadline.saturating_duration_since(Instant::now())).ok());
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready: Vec<u64> = events.iter().map(|event| event.data.u64()).collect();
        let mut closed = Vec::new();
        for id in &ready {
            if *id == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    epoll::add(&poll, &stream, EventData::new_u64(next_id), EventFlags::IN)?;
                    connections.insert(next_id, Connection::new(stream));
                    next_id += 1;
                }
            } else if let Some(connection) = connections.get_mut(id)
                && !matches!(
                    connection.receive().and_then(|open| take_frames(&mut floor, *id, connection).map(|()| open)),
                    Ok(true)
                )
            {
                closed.push(*id);
            }
        }
        loop {
            sending.kept = floor.end_turn(&connections, &mut ready)?;
            wake(&mut floor, &mut connections, &mut ready, &mut closed);
            if !floor.appended {
                break;
            }
        }
        // Only now: what a connection received is in its buffer until the turn has ended.
        for id in &closed {
            connections.remove(id);
        }
        for id in &ready {
            finish(&poll, *id, &mut connections, &mut sending);
        }
    }
}

/// Handles every whole frame that a connection has received, unless it waits for an earlier one.
fn take_frames(floor: &mut Floor<'_>, id: u64, connection: &mut Connection) -> io::Result<()> {
    while !connection.parked {
        let Some((at, bytes)) = connection.next_frame()? else { return Ok(()) };
        match floor.handle(&Frame { bytes, connection: id, at })? {
            Outcome::Answer(after, parts) => {
                connection.queue(after, parts);
                if after != AT_ONCE {
                    floor.due.push_back((after, Due::Send(id)));
                }
            }
            Outcome::Nothing => {}
            Outcome::Wait(correlation_id, request, deadline) => {
                connection.parked = true;
                floor.parked.push(Parked { connection: id, correlation_id, request, deadline });
            }
        }
    }
    Ok(())
}

/// Looks again at every fetch that waits; `ready` gets those that have an answer now, `closed` those that are at fault.
fn wake(floor: &mut Floor<'_>, connections: &mut Connections, ready: &mut Vec<u64>, closed: &mut Vec<u64>) {
    let now = Instant::now();
    for parked in mem::take(&mut floor.parked) {
        let Some(connection) = connections.get_mut(&parked.connection) else { continue };
        match floor.fetch(parked.correlation_id, &parked.request, now, Some(parked.deadline)) {
            Ok(Outcome::Answer(after, parts)) => {
                connection.parked = false;
                connection.queue(after, parts);
                ready.push(parked.connection);
                if take_frames(floor, parked.connection, connection).is_err() {
                    closed.push(parked.connection);
                }
            }
            Ok(_) => floor.parked.push(parked),
            Err(_) => closed.push(parked.connection),
        }
    }
}

/// Sends what may be sent, and asks to be told when the rest can go.
fn finish(poll: &impl AsFd, id: u64, connections: &mut Connections, sending: &mut Sending) {
    let Some(connection) = connections.get_mut(&id) else { return };
    let mut sent = connection.send(sending);
    if let Ok(all) = sent
        && all == connection.told_of_room
    {
        connection.told_of_room = !all;
        let room = if all { EventFlags::empty() } else { EventFlags::OUT };
        sent = epoll::modify(poll, &connection.stream, EventData::new_u64(id), EventFlags::IN | room)
            .map(|()| all)
            .map_err(io::Error::from);
    }
    if sent.is_err() {
        connections.remove(&id);
    }
}
