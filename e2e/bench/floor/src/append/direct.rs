//! `--append direct`: past the page cache. A batch is copied into the log's tail in memory; a thread writes whole blocks from there with
//! O_DIRECT. Without --sync a batch counts as kept once it is in memory, and only chunks that are full are written: the tail is then this
//! program's page cache, and is lost with the program. With --sync each turn writes the blocks it changed, the last one padded with zeros
//! and written again by the next turn, and syncs. A thread does it, because a direct write takes as long as the device: in the loop all
//! connections would wait. Where memory is short the loop waits for the device.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

use super::ring::{BLOCK_BYTES, CHUNK_BYTES, Chunk, Tail, arena};
use super::thread::{Job, WriterThread};
use super::{Appending, Batch, Connections, Source, create_file};

/// How much of a file is allocated ahead. Its size is set too (no KEEP_SIZE): a write that does not move the end of the file needs no
/// exclusive lock of the file, and its sync need not write the size.
const SEGMENT_BYTES: u64 = 64 << 20;

/// A part of a chunk, shared with the tail or a copy of its own.
struct Piece {
    chunk: Arc<Chunk>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.chunk.bytes().get(self.range.clone()).unwrap_or_default()
    }
}

struct Log {
    file: Arc<File>,
    source: Rc<Source>,
    allocated: u64,
    /// Up to where everything was given to the thread.
    handed: u64,
}

pub struct Direct {
    sync: bool,
    logs: Vec<Log>,
    spare: Vec<Chunk>,
    /// Whose the full chunks are, the oldest first.
    full: VecDeque<usize>,
    thread: WriterThread<Piece>,
    touched: Vec<usize>,
    turn: u64,
}

impl Direct {
    pub fn new(sync: bool) -> io::Result<Self> {
        let thread = WriterThread::start(sync, sync)?;
        let spare = arena().collect();
        Ok(Self { sync, logs: Vec::new(), spare, full: VecDeque::new(), thread, touched: Vec::new(), turn: 1 })
    }

    /// A chunk that nobody uses: a spare one, else the oldest of all tails, as soon as it is written.
    fn chunk(&mut self) -> io::Result<Chunk> {
        let returned = self.thread.returned()?;
        self.reclaim(returned);
        loop {
            if let Some(chunk) = self.spare.pop() {
                return Ok(chunk);
            }
            if let Some(log) = self.full.pop_front() {
                self.forget_oldest_of(log)?;
                continue;
            }
            let returned = self.thread.await_returned()?;
            if returned.is_empty() {
                self.spare.extend(arena()); // every chunk is being filled: there are that many logs
            }
            self.reclaim(returned);
        }
    }

    /// Copies that were written are free again; of full chunks their tails have the other share.
    fn reclaim(&mut self, pieces: Vec<Piece>) {
        self.spare.extend(pieces.into_iter().filter_map(|piece| Arc::try_unwrap(piece.chunk).ok()));
    }

    /// Gives up the oldest chunk of a tail; from now on it is read from the file.
    fn forget_oldest_of(&mut self, log: usize) -> io::Result<()> {
        let tail = self.logs.get(log).and_then(|log| log.source.tail.as_ref());
        let oldest = tail.and_then(|tail| {
            let mut tail = tail.borrow_mut();
            tail.begin += CHUNK_BYTES as u64;
            tail.full.pop_front()
        });
        let Some(mut chunk) = oldest else { return Ok(()) };
        loop {
            match Arc::try_unwrap(chunk) {
                Ok(chunk) => {
                    self.spare.push(chunk);
                    return Ok(());
                }
                Err(shared) => chunk = shared,
            }
            let returned = self.thread.await_returned()?;
            self.reclaim(returned);
        }
    }

    /// Copies bytes behind the tail of a log; each chunk that is full goes to the thread.
    fn put(&mut self, log: usize, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let Some(source) = self.logs.get(log).map(|log| Rc::clone(&log.source)) else { return Ok(()) };
            let Some(tail) = source.tail.as_ref() else { return Ok(()) };
            if tail.borrow().open.is_none() {
                let chunk = self.chunk()?;
                tail.borrow_mut().open = Some(chunk);
            }
            let mut tail = tail.borrow_mut();
            let at = tail.end as usize % CHUNK_BYTES;
            let Some(room) = tail.open.as_mut().and_then(|chunk| chunk.bytes_mut().get_mut(at..)) else {
                return Ok(());
            };
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            if let Some(room) = room.get_mut(..now.len()) {
                room.copy_from_slice(now);
            }
            bytes = later;
            tail.end += now.len() as u64;
            if at + now.len() == CHUNK_BYTES
                && let Some(chunk) = tail.open.take().map(Arc::new)
            {
                tail.full.push_back(Arc::clone(&chunk));
                self.full.push_back(log);
                let end = tail.end;
                drop(tail);
                self.hand_full(log, chunk, end)?;
            }
        }
        Ok(())
    }

    /// Gives the thread what it has not had of a full chunk, which ends at `end`.
    fn hand_full(&mut self, number: usize, chunk: Arc<Chunk>, end: u64) -> io::Result<()> {
        let Some(log) = self.logs.get_mut(number) else { return Ok(()) };
        let begin = end - CHUNK_BYTES as u64;
        let from = whole_blocks(log.handed.saturating_sub(begin) as usize);
        let job = log.job(number, begin + from as u64, Piece { chunk, range: from..CHUNK_BYTES }, end)?;
        self.thread.hand([job], None, usize::MAX)
    }

    /// The blocks of the open chunk that have changed: a copy, because the chunk is filled further meanwhile.
    fn job_of_open(&mut self, number: usize) -> io::Result<Option<Job<Piece>>> {
        let Some(source) = self.logs.get(number).map(|log| Rc::clone(&log.source)) else { return Ok(None) };
        let Some(tail) = source.tail.as_ref() else { return Ok(None) };
        if tail.borrow().open.is_none() {
            return Ok(None);
        }
        let mut copy = self.chunk()?;
        let tail = tail.borrow();
        let (Some(open), Some(log)) = (tail.open.as_ref(), self.logs.get_mut(number)) else { return Ok(None) };
        let filled = tail.end as usize % CHUNK_BYTES;
        let begin = tail.end - filled as u64;
        let from = whole_blocks(log.handed.saturating_sub(begin) as usize);
        let changed = open.bytes().get(from..filled).unwrap_or_default();
        let padded = changed.len().next_multiple_of(BLOCK_BYTES);
        let (room, rest) = copy.bytes_mut().split_at_mut(changed.len());
        room.copy_from_slice(changed);
        if let Some(padding) = rest.get_mut(..padded - changed.len()) {
            padding.fill(0);
        }
        let piece = Piece { chunk: Arc::new(copy), range: 0..padded };
        log.job(number, begin + from as u64, piece, tail.end).map(Some)
    }
}

impl Log {
    fn job(&mut self, number: usize, position: u64, piece: Piece, handed: u64) -> io::Result<Job<Piece>> {
        while position + piece.range.len() as u64 > self.allocated {
            fallocate(&self.file, FallocateFlags::empty(), self.allocated, SEGMENT_BYTES)?;
            self.allocated += SEGMENT_BYTES;
        }
        self.handed = handed;
        Ok(Job { log: number, file: Arc::clone(&self.file), position, piece })
    }
}

fn whole_blocks(bytes: usize) -> usize {
    bytes - bytes % BLOCK_BYTES
}

impl Appending for Direct {
    fn create(&mut self, path: &Path) -> io::Result<Rc<Source>> {
        let for_readers = create_file(path)?;
        let direct = OpenOptions::new().write(true).custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path);
        let direct = direct.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: O_DIRECT: {error}; choose a directory on a disk", path.display()))
        })?;
        let source = Rc::new(Source { file: for_readers, tail: Some(RefCell::new(Tail::default())) });
        self.logs.push(Log { file: Arc::new(direct), source: Rc::clone(&source), allocated: 0, handed: 0 });
        Ok(source)
    }

    fn append(&mut self, batch: &Batch<'_>) -> io::Result<u64> {
        self.put(batch.log, &batch.head)?;
        self.put(batch.log, batch.rest)?;
        if !self.sync {
            return Ok(0);
        }
        self.touched.push(batch.log);
        Ok(self.turn)
    }

    fn end_turn(&mut self, _: &Connections) -> io::Result<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let mut jobs = Vec::with_capacity(touched.len());
        for log in touched {
            jobs.extend(self.job_of_open(log)?);
        }
        self.thread.hand(jobs, Some(self.turn), usize::MAX)?;
        self.turn += 1;
        Ok(())
    }

    fn kept(&mut self) -> io::Result<u64> {
        self.thread.kept()
    }

    fn event(&self) -> Option<BorrowedFd<'_>> {
        Some(self.thread.event())
    }
}
