//! `--append writer`: a thread writes, and syncs if asked, while the loop receives on; a batch is acknowledged once the thread has told so.
//! Each batch is copied into memory that the thread gives back: a broker that receives each frame into memory of its own need not.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::thread::{Job, WriterThread};
use super::{Appending, Batch, Connections, Source, add_source};

/// More than this is never queued: the loop waits.
const QUEUE_BYTES: usize = 64 << 20;
/// Buffers that are kept for the next batches.
const SPARE_BUFFERS: usize = 1024;

pub struct Writer {
    sources: Vec<Rc<Source>>,
    thread: WriterThread<Vec<u8>>,
    jobs: Vec<Job<Vec<u8>>>,
    spare: Vec<Vec<u8>>,
    turn: u64,
}

impl Writer {
    pub fn new(sync: bool) -> io::Result<Self> {
        let thread = WriterThread::start(sync, true)?;
        Ok(Self { sources: Vec::new(), thread, jobs: Vec::new(), spare: Vec::new(), turn: 1 })
    }
}

impl Appending for Writer {
    fn create(&mut self, path: &Path) -> io::Result<Rc<Source>> {
        add_source(&mut self.sources, path)
    }

    fn append(&mut self, batch: &Batch<'_>) -> io::Result<u64> {
        let Some(source) = self.sources.get(batch.log) else { return Ok(0) };
        let mut piece = self.spare.pop().unwrap_or_default();
        piece.clear();
        piece.extend_from_slice(&batch.head);
        piece.extend_from_slice(batch.rest);
        self.jobs.push(Job { log: batch.log, file: Arc::clone(&source.file), position: batch.position, piece });
        Ok(self.turn)
    }

    fn end_turn(&mut self, _: &Connections) -> io::Result<()> {
        if self.jobs.is_empty() {
            return Ok(());
        }
        self.thread.hand(self.jobs.drain(..), Some(self.turn), QUEUE_BYTES)?;
        self.turn += 1;
        self.spare.extend(self.thread.returned()?);
        self.spare.truncate(SPARE_BUFFERS);
        Ok(())
    }

    fn kept(&mut self) -> io::Result<u64> {
        self.thread.kept()
    }

    fn event(&self) -> Option<BorrowedFd<'_>> {
        Some(self.thread.event())
    }
}
