//! One direction of a connection in memory: bytes on their way, each with the moment at which it arrives. Chooses no moment.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Network;

/// What may be on its way, in bytes, before who writes has to wait.
const WINDOW_BYTES: usize = 256 * 1024;

#[derive(Debug, Default)]
struct State {
    /// What is on its way; a chunk without bytes is the end.
    chunks: VecDeque<(Instant, Bytes)>,
    on_their_way_bytes: usize,
    arrives: Option<Instant>,
    /// The end was written.
    ended: bool,
    /// Nobody reads any more, or the connection was lost.
    is_reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// From which machine, to which.
pub type Way = (usize, usize);

/// See the module.
#[derive(Debug)]
pub struct Pipe {
    way: Way,
    state: Mutex<State>,
}

impl Pipe {
    /// An empty one.
    #[must_use]
    pub fn new(way: Way) -> Arc<Self> {
        Arc::new(Self { way, state: Mutex::default() })
    }

    /// From which machine, to which.
    #[must_use]
    pub const fn way(&self) -> Way {
        self.way
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is lost: what is on its way with it.
    pub fn reset(&self) {
        let mut state = self.lock();
        state.is_reset = true;
        state.chunks.clear();
        self.wake_both(state);
    }

    /// The way is free again, or is not any more: who waits looks.
    pub fn wake(&self) {
        let state = self.lock();
        self.wake_both(state);
    }

    fn wake_both(&self, mut state: MutexGuard<'_, State>) {
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn push(&self, arrives: Instant, bytes: Bytes) {
        let mut state = self.lock();
        let arrives = state.arrives.map_or(arrives, |before| before.max(arrives));
        state.arrives = Some(arrives);
        state.ended |= bytes.is_empty();
        state.on_their_way_bytes += bytes.len();
        state.chunks.push_back((arrives, bytes));
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

/// Where a pipe is read.
pub struct Reader {
    network: Network,
    pipe: Arc<Pipe>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Where a pipe is written.
pub struct Writer {
    network: Network,
    pipe: Arc<Pipe>,
}

impl Reader {
    /// Reads `pipe`.
    pub const fn new(network: Network, pipe: Arc<Pipe>) -> Self {
        Self { network, pipe, timer: None }
    }
}

impl Writer {
    /// Writes `pipe`.
    pub const fn new(network: Network, pipe: Arc<Pipe>) -> Self {
        Self { network, pipe }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.pipe.way).finish()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Writer").field(&self.pipe.way).finish()
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { network, pipe, timer } = self.get_mut();
        let is_free = network.is_free(pipe.way);
        let mut state = pipe.lock();
        if state.is_reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        state.reader = Some(context.waker().clone());
        let Some((arrives, bytes)) = state.chunks.front_mut().filter(|_| is_free) else { return Poll::Pending };
        let arrives = *arrives;
        if arrives > Instant::now() {
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(arrives)));
            if timer.deadline() != arrives {
                timer.as_mut().reset(arrives);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let count = bytes.len().min(buffer.remaining());
        buffer.put_slice(bytes.get(..count).unwrap_or_default());
        bytes.advance(count);
        if bytes.is_empty() {
            state.chunks.pop_front();
        }
        state.on_their_way_bytes = state.on_their_way_bytes.saturating_sub(count);
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        {
            let mut state = self.pipe.lock();
            if state.is_reset || state.ended {
                return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
            }
            if state.on_their_way_bytes >= WINDOW_BYTES {
                state.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        if !bytes.is_empty() {
            self.pipe.push(self.network.arrival(self.pipe.way), Bytes::copy_from_slice(bytes));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Writer {
    fn end(&self) {
        // A machine without power says nothing any more, not even that.
        if !self.pipe.lock().ended && self.network.has_power(self.pipe.way.0) {
            self.pipe.push(self.network.arrival(self.pipe.way), Bytes::new());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.network.has_power(self.pipe.way.1) {
            self.pipe.reset();
        }
    }
}
