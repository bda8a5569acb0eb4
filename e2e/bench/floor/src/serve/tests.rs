//! A floor under test: producers that pipeline, a consumer at the tail, and what is in the file in the end, for every way to append and
//! to send. Measures nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::SystemTime;

use super::*;
use crate::append::Way;
use crate::append::ring::CHUNK_BYTES;
use crate::send::Sender;

const TOPIC: &[u8] = b"topic";
/// More than a ring holds, so that its oldest chunks are used again.
const MANY_BYTES: usize = 20 << 20;
const FEW_BYTES: usize = 3 << 20;

struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, correlation_id: 0 }
    }

    fn send(&mut self, api: i16, version: i16, body: &[u8]) {
        self.correlation_id += 1;
        let mut frame = Reply(Vec::new());
        frame.i32(0).i16(api).i16(version).i32(self.correlation_id).string(b"test");
        frame.0.extend_from_slice(body);
        self.stream.write_all(&frame.finish(0)).unwrap();
    }

    /// The next reply, which must be the one to this request.
    fn receive(&mut self, correlation_id: i32) -> Vec<u8> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply[..4], correlation_id.to_be_bytes(), "replies keep the order of requests");
        reply.split_off(4)
    }

    fn send_batch(&mut self, batch: &[u8]) {
        let mut body = Reply(Vec::new());
        body.i16(-1).i16(-1).i32(1000).i32(1).string(TOPIC).i32(1).i32(0).i32(batch.len() as i32);
        body.0.extend_from_slice(batch);
        self.send(PRODUCE, 7, &body.0);
    }

    /// The offset that the reply to a produce gives.
    fn receive_offset(&mut self, correlation_id: i32) -> u64 {
        let reply = self.receive(correlation_id);
        let mut fields = Fields(&reply);
        fields.i32().unwrap();
        fields.string().unwrap();
        assert_eq!((fields.i32(), fields.i32(), fields.i16()), (Some(1), Some(0), Some(0)));
        fields.i64().unwrap() as u64
    }

    fn fetch(&mut self, offset: u64) -> Vec<u8> {
        let mut body = Reply(Vec::new());
        body.i32(-1).i32(5000).i32(1).i32(1 << 20).0.push(0);
        body.i32(1).string(TOPIC).i32(1).i32(0).i64(offset as i64).i32(700_000);
        self.send(FETCH, 4, &body.0);
        let reply = self.receive(self.correlation_id);
        let mut fields = Fields(&reply);
        fields.take(8).unwrap();
        fields.string().unwrap();
        fields.take(4 + 4 + 2 + 8 + 8 + 4).unwrap();
        fields.bytes().unwrap().to_vec()
    }

    /// All bytes up to an offset, where each batch holds one record.
    fn fetch_until(&mut self, end: u64) -> Vec<u8> {
        let (mut bytes, mut offset) = (Vec::new(), 0);
        while offset < end {
            let some = self.fetch(offset);
            let mut rest = &some[..];
            while !rest.is_empty() {
                assert_eq!(rest[..8], offset.to_be_bytes(), "the batches are in order");
                let length = u32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize;
                rest = &rest[12 + length..];
                offset += 1;
            }
            bytes.extend(some);
        }
        bytes
    }
}

const LARGEST_BATCH_BYTES: usize = 400_061;

/// Bytes that anyone can make again from the seed (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A batch of one record: small ones, and some that are larger than a chunk.
    fn batch(&mut self) -> Vec<u8> {
        let more = if self.next().is_multiple_of(8) { LARGEST_BATCH_BYTES - 61 } else { 20_000 };
        let bytes = 61 + self.next() % more as u64;
        let mut batch: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| self.next().to_be_bytes()).collect();
        batch.truncate(bytes as usize);
        batch[8..12].copy_from_slice(&(bytes as u32 - 12).to_be_bytes());
        batch[23..27].fill(0);
        batch
    }
}

/// Batches in turns of three, then a request that must not overtake them; all (offset, batch).
fn produce(address: SocketAddr, seed: u64, bytes: usize) -> Vec<(u64, Vec<u8>)> {
    let (mut client, mut random) = (Client::new(address), Random(seed));
    let mut produced = Vec::new();
    while produced.iter().map(|(_, batch): &(u64, Vec<u8>)| batch.len()).sum::<usize>() < bytes {
        let batches = [random.batch(), random.batch(), random.batch()];
        let first = client.correlation_id + 1;
        for batch in &batches {
            client.send_batch(batch);
        }
        client.send(METADATA, 4, &0_i32.to_be_bytes());
        for (number, batch) in batches.into_iter().enumerate() {
            produced.push((client.receive_offset(first + number as i32), batch));
        }
        client.receive(first + 3);
    }
    produced
}

fn start(append: Way, sync: bool, send: Sender) -> (SocketAddr, PathBuf) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let directory = std::env::temp_dir().join(format!("floor-{}-{}", std::process::id(), address.port()));
    let settings = Settings {
        port: address.port(),
        directory: directory.clone(),
        partitions: 1,
        sync,
        keep_bytes: None,
        append,
        send,
    };
    // It serves until the tests end.
    std::thread::spawn(move || run(&settings, &listener).unwrap());
    (address, directory)
}

fn leaves_what_was_produced(append: Way, sync: bool, send: Sender, bytes: usize) {
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("{append:?} sync={sync} {send:?} seed={seed}");
    let (address, directory) = start(append, sync, send);
    let producers: Vec<_> =
        [seed, !seed].into_iter().map(|seed| std::thread::spawn(move || produce(address, seed, bytes / 2))).collect();
    // No more than there are in any case: two producers, turns of three, no batch larger than this.
    let certain = 2 * 3 * (bytes / 2).div_ceil(3 * LARGEST_BATCH_BYTES);
    let consumer = std::thread::spawn(move || Client::new(address).fetch_until(certain as u64));
    let mut produced: Vec<_> = producers.into_iter().flat_map(|producer| producer.join().unwrap()).collect();
    produced.sort_by_key(|(offset, _)| *offset);
    let mut expected = Vec::new();
    for (number, (offset, batch)) in produced.iter().enumerate() {
        assert_eq!(*offset, number as u64);
        expected.extend_from_slice(&offset.to_be_bytes());
        expected.extend_from_slice(&batch[8..]);
    }
    let at_the_tail = consumer.join().unwrap();
    assert!(
        expected.starts_with(&at_the_tail) && !at_the_tail.is_empty(),
        "what is read at the tail is what was produced"
    );
    let read = Client::new(address).fetch_until(produced.len() as u64);
    assert!(read == expected, "what is read from the beginning is what was produced");
    let written = std::fs::read(directory.join("0")).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    // Without --sync a chunk is written once it is full, and that some time later.
    let in_file = if append == Way::Direct && !sync { expected.len().saturating_sub(16 << 20) } else { expected.len() };
    let in_file = in_file - if append == Way::Direct && !sync { in_file % CHUNK_BYTES } else { 0 };
    assert!(written[..in_file] == expected[..in_file], "the file holds what was produced");
    if append != Way::Direct {
        assert_eq!(written.len(), expected.len(), "and nothing else");
    }
}

#[test]
fn every_way_to_append_leaves_the_same_bytes_and_answers_in_order() {
    for (_, way) in Way::ALL.into_iter().filter(|(_, way)| *way != Way::Direct) {
        for sync in [false, true] {
            leaves_what_was_produced(way, sync, Sender::Sendfile, FEW_BYTES);
        }
    }
}

#[test]
fn a_ring_that_is_used_again_loses_nothing() {
    leaves_what_was_produced(Way::Direct, false, Sender::Sendfile, MANY_BYTES);
    leaves_what_was_produced(Way::Direct, true, Sender::Sendfile, FEW_BYTES);
}

#[test]
fn pages_that_were_let_go_are_read_from_the_disk() {
    leaves_what_was_produced(Way::Trimmed, false, Sender::Sendfile, 2 * MANY_BYTES);
}

#[test]
fn every_way_to_send_sends_the_same_bytes() {
    leaves_what_was_produced(Way::Plain, false, Sender::Copy, FEW_BYTES);
    leaves_what_was_produced(Way::Plain, false, Sender::Corked, FEW_BYTES);
    leaves_what_was_produced(Way::Direct, false, Sender::Copy, MANY_BYTES);
}

#[test]
fn a_batch_before_a_request_that_closes_the_connection_is_written_all_the_same() {
    for (_, way) in Way::ALL {
        let (address, directory) = start(way, true, Sender::Sendfile);
        let batch = Random(7).batch();
        let mut client = Client::new(address);
        client.send_batch(&batch);
        client.send(i16::MAX, 0, &[]);
        let read = Client::new(address).fetch_until(1);
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(read[8..] == batch[8..], "{way:?}");
    }
}
