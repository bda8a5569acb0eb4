//! A thread that writes what it is handed, in order: it takes all that is queued, writes each adjacent run with one call, syncs each file
//! once if asked, and says up to which turn everything is kept. Any error is told at the next question and ends the floor.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::write_at;

/// Bytes for one place of one file.
pub struct Job<P> {
    pub log: usize,
    pub file: Arc<File>,
    pub position: u64,
    pub piece: P,
}

struct State<P> {
    jobs: Vec<Job<P>>,
    /// How many bytes are queued or being written.
    bytes: usize,
    /// The last turn of which everything has been handed over, and of which everything is kept.
    handed: u64,
    kept: u64,
    /// What was written, given back so that its memory is used again.
    returned: Vec<P>,
    failed: Option<io::Error>,
}

struct Shared<P> {
    state: Mutex<State<P>>,
    more: Condvar,
    written: Condvar,
    event: OwnedFd,
    sync: bool,
    /// Whether anybody waits for turns to be kept.
    tells: bool,
}

pub struct WriterThread<P>(Arc<Shared<P>>);

impl<P: AsRef<[u8]> + Send + 'static> WriterThread<P> {
    pub fn start(sync: bool, tells: bool) -> io::Result<Self> {
        let state = State { jobs: Vec::new(), bytes: 0, handed: 0, kept: 0, returned: Vec::new(), failed: None };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            more: Condvar::new(),
            written: Condvar::new(),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            sync,
            tells,
        });
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("writer".into()).spawn(move || run(&own))?;
        Ok(Self(shared))
    }

    /// Queues jobs; `turn` says that they complete it. Waits while more than `limit_bytes` are queued already.
    pub fn hand(
        &self,
        jobs: impl IntoIterator<Item = Job<P>>,
        turn: Option<u64>,
        limit_bytes: usize,
    ) -> io::Result<()> {
        let mut state = self.0.lock();
        while state.bytes > limit_bytes && state.failed.is_none() {
            state = self.0.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        check(&state)?;
        for job in jobs {
            state.bytes += job.piece.as_ref().len();
            state.jobs.push(job);
        }
        state.handed = turn.unwrap_or(state.handed);
        drop(state);
        self.0.more.notify_one();
        Ok(())
    }

    pub fn kept(&self) -> io::Result<u64> {
        let state = self.0.lock();
        check(&state)?;
        Ok(state.kept)
    }

    /// What has been written since the last call.
    pub fn returned(&self) -> io::Result<Vec<P>> {
        let mut state = self.0.lock();
        check(&state)?;
        Ok(mem::take(&mut state.returned))
    }

    /// The same, but waits for something where there is nothing; nothing comes of it only if nothing is queued.
    pub fn await_returned(&self) -> io::Result<Vec<P>> {
        let mut state = self.0.lock();
        while state.bytes > 0 && state.returned.is_empty() && state.failed.is_none() {
            state = self.0.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        check(&state)?;
        Ok(mem::take(&mut state.returned))
    }

    /// Counts up whenever turns have become kept; to be watched for edges, nobody reads it.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check<P>(state: &State<P>) -> io::Result<()> {
    let again = |error: &io::Error| Err(io::Error::new(error.kind(), format!("the writer: {error}")));
    state.failed.as_ref().map_or(Ok(()), again)
}

fn run<P: AsRef<[u8]>>(shared: &Shared<P>) {
    loop {
        let mut state = shared.lock();
        while state.jobs.is_empty() && state.handed == state.kept {
            state = shared.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut jobs, handed) = (mem::take(&mut state.jobs), state.handed);
        drop(state);
        jobs.sort_by_key(|job| job.log); // stable: what is written again stays behind what it replaces
        let failed = write(&jobs, shared.sync).err();
        let ended = failed.is_some();
        let mut state = shared.lock();
        if !ended {
            state.kept = handed;
        }
        state.failed = failed;
        state.bytes -= jobs.iter().map(|job| job.piece.as_ref().len()).sum::<usize>();
        state.returned.extend(jobs.into_iter().map(|job| job.piece));
        drop(state);
        shared.written.notify_all();
        if shared.tells || ended {
            let _ = rustix::io::write(&shared.event, &1_u64.to_ne_bytes()); // full is as good
        }
        if ended {
            return;
        }
    }
}

fn write<P: AsRef<[u8]>>(jobs: &[Job<P>], sync: bool) -> io::Result<()> {
    let adjacent = |a: &Job<P>, b: &Job<P>| a.log == b.log && a.position + a.piece.as_ref().len() as u64 == b.position;
    for run in jobs.chunk_by(adjacent) {
        let Some(first) = run.first() else { continue };
        let mut slices: Vec<IoSlice> = run.iter().map(|job| IoSlice::new(job.piece.as_ref())).collect();
        write_at(&first.file, first.position, &mut slices)?;
    }
    for run in jobs.chunk_by(|a, b| a.log == b.log).filter(|_| sync) {
        if let Some(first) = run.first() {
            first.file.sync_data()?;
        }
    }
    Ok(())
}
