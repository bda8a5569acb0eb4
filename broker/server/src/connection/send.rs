//! Sends one reply, and does not wait for its reader for ever: a connection that takes nothing of a reply for as long as it may be idle is
//! closed, and when the node stops, a reply has as long as all that had begun. Knows no request.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use barnabas_net::write_segments;
use barnabas_types::Segments;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use tokio::time::Instant;

use super::serve::ConnectionError;
use crate::runtime::Runtime;

/// How long a connection may take to answer what it had begun when the node stops.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long replies may wait for their reader.
pub(super) struct Patience {
    max_idle: Duration,
    stopping: watch::Receiver<bool>,
    /// The end of what a stop leaves, once somebody has seen that the node stops.
    drained_by: Option<Instant>,
}

impl Patience {
    pub(super) fn new(max_idle: Duration, stopping: watch::Receiver<bool>) -> Self {
        Self { max_idle, stopping, drained_by: None }
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Until when replies may be sent. The node stops: since now, unless it was seen before.
    pub(super) fn drained_by(&mut self, runtime: &Runtime) -> Instant {
        *self.drained_by.get_or_insert_with(|| runtime.deadline(DRAIN_TIMEOUT))
    }

    /// Waits for `sending`, which tells by `written` how far it is.
    async fn wait(
        &mut self,
        mut sending: Pin<&mut impl Future<Output = io::Result<()>>>,
        written: &AtomicU64,
        runtime: &Runtime,
    ) -> Result<(), ConnectionError> {
        let (max_idle, mut seen) = (self.max_idle, written.load(Ordering::Relaxed));
        let mut idle = pin!(tokio::time::sleep(max_idle));
        let sent = poll_fn(|context| {
            if let Poll::Ready(sent) = sending.as_mut().poll(context) {
                return Poll::Ready(sent.map_err(ConnectionError::Send));
            }
            let now = written.load(Ordering::Relaxed);
            if std::mem::replace(&mut seen, now) != now {
                idle.as_mut().reset(runtime.deadline(max_idle));
            }
            idle.as_mut().poll(context).map(|()| Err(ConnectionError::Idle))
        });
        let mut stopping = self.stopping.clone();
        let drained = async {
            _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep_until(self.drained_by(runtime)).await;
        };
        tokio::select! {
            biased;
            sent = sent => sent,
            () = drained => Err(ConnectionError::Unread),
        }
    }
}

/// Sends `segments`, as long as `patience` lasts.
pub(super) async fn send<W: AsyncWrite + Unpin>(
    out: &mut W,
    segments: Segments,
    runtime: &Runtime,
    patience: &mut Patience,
) -> Result<(), ConnectionError> {
    let written = AtomicU64::new(0);
    let mut out = Counted { out, written: &written };
    let mut sending = pin!(write_segments(&mut out, segments, runtime));
    // Most replies go at once: no clock and no channel hears of them.
    match at_once(sending.as_mut()).await {
        Poll::Ready(sent) => sent.map_err(ConnectionError::Send),
        Poll::Pending => patience.wait(sending, &written, runtime).await,
    }
}

/// What comes of looking once.
pub(super) async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Tells how much the socket has taken.
struct Counted<'w, W> {
    out: &'w mut W,
    written: &'w AtomicU64,
}

impl<W> Counted<'_, W> {
    fn count(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = polled {
            // Nobody else writes.
            self.written.store(self.written.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
        }
        polled
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<'_, W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.out).poll_write(context, bytes);
        self.count(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.out).poll_write_vectored(context, pieces);
        self.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.out.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.out).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.out).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::*;

    const MAX_IDLE: Duration = Duration::from_secs(600);
    const REPLY_BYTES: usize = 64 * 1024;

    /// A reply that is sent to a connection which holds 1 KiB, and the node that may stop meanwhile.
    fn sending() -> (DuplexStream, watch::Sender<bool>, impl Future<Output = Result<Duration, ConnectionError>>) {
        let (mut out, input) = tokio::io::duplex(1024);
        let (stop, stopping) = watch::channel(false);
        let sent = async move {
            let (runtime, mut patience) = (Runtime::current(), Patience::new(MAX_IDLE, stopping));
            let reply = Segments::from(Bytes::from(vec![7; REPLY_BYTES]));
            let began = runtime.now().monotonic;
            let result = send(&mut out, reply, &runtime, &mut patience).await;
            let took = runtime.now().monotonic - began;
            result.map(|()| took).inspect_err(|_| assert!(took < MAX_IDLE + DRAIN_TIMEOUT, "{took:?}"))
        };
        (input, stop, sent)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_nobody_reads_is_given_up_as_an_idle_connection_is() {
        let (_input, _stop, sent) = sending();
        assert!(matches!(sent.await, Err(ConnectionError::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_is_read_slowly_is_sent_to_its_end() {
        let (mut input, _stop, sent) = sending();
        let reading = async {
            let mut piece = [0; 1024];
            for _ in 0..REPLY_BYTES / piece.len() {
                tokio::time::sleep(MAX_IDLE - Duration::from_secs(1)).await;
                input.read_exact(&mut piece).await.unwrap();
            }
        };
        let (sent, ()) = tokio::join!(sent, reading);
        assert!(sent.unwrap() > MAX_IDLE * 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_nobody_reads_does_not_outlast_the_time_to_drain() {
        let (_input, stop, sent) = sending();
        let stopping = async {
            tokio::time::sleep(MAX_IDLE / 2).await;
            stop.send_replace(true);
            let stopped = Runtime::current();
            tokio::time::sleep(Duration::from_secs(3600)).await;
            stopped
        };
        let began = Instant::now();
        tokio::select! {
            sent = sent => assert!(matches!(sent, Err(ConnectionError::Unread))),
            _ = stopping => panic!("it is still being sent an hour later"),
        }
        assert_eq!(began.elapsed(), MAX_IDLE / 2 + DRAIN_TIMEOUT);
    }
}
