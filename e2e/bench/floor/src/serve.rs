//! The one loop: wait for sockets, handle what came, sync once if asked, answer. Fetches that find nothing wait for the next append or
//! their time. Anything that a client does wrong closes its connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::Settings;
use crate::connection::{Connection, Part};
use crate::partition::Partition;
use crate::wire::{
    API_VERSIONS, FETCH, Fields, LIST_OFFSETS, METADATA, PRODUCE, Reply, api_versions, is_served, metadata,
};

const LISTENER: u64 = 0;

/// A fetch that waits: what it asked, and until when.
struct Parked {
    connection: u64,
    correlation_id: i32,
    request: Vec<u8>,
    deadline: Instant,
}

struct Floor<'a> {
    settings: &'a Settings,
    partitions: HashMap<(Vec<u8>, i32), Partition>,
    /// Partitions that were appended to in this round.
    appended: Vec<(Vec<u8>, i32)>,
    parked: Vec<Parked>,
}

/// What to do with a frame: answer it, say nothing (acks=0), or let it wait until a deadline.
enum Outcome {
    Answer(Vec<Part>),
    Nothing,
    Wait(i32, Vec<u8>, Instant),
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a request that the floor does not read")
}

impl Floor<'_> {
    fn handle(&mut self, frame: &[u8]) -> io::Result<Outcome> {
        let mut fields = Fields(frame);
        let (api, version) = (fields.i16().ok_or_else(malformed)?, fields.i16().ok_or_else(malformed)?);
        let correlation_id = fields.i32().ok_or_else(malformed)?;
        if !is_served(api, version) {
            return Err(malformed());
        }
        if api == API_VERSIONS {
            return Ok(Outcome::Answer(vec![Part::Bytes(api_versions(correlation_id, version))]));
        }
        fields.string().ok_or_else(malformed)?; // the client's id
        let answer = |reply: Option<Vec<u8>>| reply.map(|reply| Outcome::Answer(vec![Part::Bytes(reply)]));
        match api {
            PRODUCE => self.produce(correlation_id, &mut fields),
            FETCH => self.fetch(correlation_id, fields.0, Instant::now(), None),
            METADATA => answer(metadata(correlation_id, self.settings.port, self.settings.partitions, &mut fields))
                .ok_or_else(malformed),
            LIST_OFFSETS => answer(self.list_offsets(correlation_id, &mut fields)).ok_or_else(malformed),
            _ => Err(malformed()),
        }
    }

    fn partition(&mut self, topic: &[u8], index: i32) -> io::Result<&mut Partition> {
        let count = self.partitions.len();
        match self.partitions.entry((topic.to_vec(), index)) {
            Entry::Occupied(there) => Ok(there.into_mut()),
            Entry::Vacant(_) if u32::try_from(index).map_or(true, |index| index >= self.settings.partitions) => {
                Err(malformed())
            }
            Entry::Vacant(free) => {
                Ok(free.insert(Partition::create(&self.settings.directory.join(count.to_string()))?))
            }
        }
    }

    fn produce(&mut self, correlation_id: i32, fields: &mut Fields<'_>) -> io::Result<Outcome> {
        let mut reply = Reply::to(correlation_id);
        fields.string().ok_or_else(malformed)?; // transactional id
        let acks = fields.i16().ok_or_else(malformed)?;
        fields.i32().ok_or_else(malformed)?; // timeout
        let topics = fields.i32().ok_or_else(malformed)?;
        reply.i32(topics);
        for _ in 0..topics {
            let topic = fields.string().ok_or_else(malformed)?;
            let partitions = fields.i32().ok_or_else(malformed)?;
            reply.string(topic).i32(partitions);
            for _ in 0..partitions {
                let index = fields.i32().ok_or_else(malformed)?;
                let batch = fields.bytes().ok_or_else(malformed)?;
                let base = self.partition(topic, index)?.append(batch)?;
                if self.settings.sync {
                    self.appended.push((topic.to_vec(), index));
                }
                reply.i32(index).i16(0).i64(base as i64).i64(-1).i64(0);
            }
        }
        reply.i32(0);
        Ok(if acks == 0 { Outcome::Nothing } else { Outcome::Answer(vec![Part::Bytes(reply.finish(0))]) })
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
                let end = self.partition(topic, index).ok()?.end_offset as i64;
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
                let end = partition.end_offset as i64;
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
        Ok(Outcome::Answer(joined(parts, reply, region_bytes)))
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
pub fn run(settings: &Settings) -> io::Result<()> {
    std::fs::create_dir_all(&settings.directory)?;
    let listener = TcpListener::bind(("127.0.0.1", settings.port))?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut floor = Floor { settings, partitions: HashMap::new(), appended: Vec::new(), parked: Vec::new() };
    let (mut connections, mut next_id) = (HashMap::new(), LISTENER + 1);
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
                connections.remove(id);
            }
        }
        if settings.sync {
            sync(&mut floor)?;
        }
        wake(&mut floor, &mut connections, &mut ready);
        for id in &ready {
            finish(&poll, *id, &mut connections);
        }
    }
}

/// Handles every whole frame that a connection has received, unless it waits for an earlier one.
fn take_frames(floor: &mut Floor<'_>, id: u64, connection: &mut Connection) -> io::Result<()> {
    while !connection.parked {
        let Some(frame) = connection.next_frame()? else { return Ok(()) };
        match floor.handle(frame)? {
            Outcome::Answer(parts) => connection.queue(parts),
            Outcome::Nothing => {}
            Outcome::Wait(correlation_id, request, deadline) => {
                connection.parked = true;
                floor.parked.push(Parked { connection: id, correlation_id, request, deadline });
            }
        }
    }
    Ok(())
}

fn sync(floor: &mut Floor<'_>) -> io::Result<()> {
    let mut appended = mem::take(&mut floor.appended);
    appended.sort_unstable();
    appended.dedup();
    for key in appended {
        if let Some(partition) = floor.partitions.get(&key) {
            partition.sync()?;
        }
    }
    Ok(())
}

/// Looks again at every fetch that waits; `ready` gets those that have an answer now.
fn wake(floor: &mut Floor<'_>, connections: &mut HashMap<u64, Connection>, ready: &mut Vec<u64>) {
    let now = Instant::now();
    for parked in mem::take(&mut floor.parked) {
        let Some(connection) = connections.get_mut(&parked.connection) else { continue };
        match floor.fetch(parked.correlation_id, &parked.request, now, Some(parked.deadline)) {
            Ok(Outcome::Answer(parts)) => {
                connection.parked = false;
                connection.queue(parts);
                ready.push(parked.connection);
                if take_frames(floor, parked.connection, connection).is_err() {
                    connections.remove(&parked.connection);
                }
            }
            Ok(_) => floor.parked.push(parked),
            Err(_) => {
                connections.remove(&parked.connection);
            }
        }
    }
}

/// Sends what waits to be sent, and asks to be told when the rest can go.
fn finish(poll: &impl AsFd, id: u64, connections: &mut HashMap<u64, Connection>) {
    let Some(connection) = connections.get_mut(&id) else { return };
    let mut sent = connection.send();
    if sent.is_ok() && connection.wants_to_send() != connection.told_of_room {
        connection.told_of_room = connection.wants_to_send();
        let room = if connection.told_of_room { EventFlags::OUT } else { EventFlags::empty() };
        sent = epoll::modify(poll, &connection.stream, EventData::new_u64(id), EventFlags::IN | room)
            .map_err(io::Error::from);
    }
    if sent.is_err() {
        connections.remove(&id);
    }
}
