//! Receives requests, each within the memory that requests may hold: a request is counted as it arrives, and one that has begun must go
//! on arriving. Knows no request.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use barnabas_net::FrameReader;
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::send::at_once;
use super::serve::ConnectionError;
use crate::memory::{FIRST_STEP_BYTES, MemoryBudget, Reservation};
use crate::runtime::Runtime;

/// A request up to this size, and the beginning of any other, is read before there is memory for it: every connection has a buffer of this
/// size. So a small request, a heartbeat or what a follower fetches, never waits for the large ones of others.
const READ_AHEAD_BYTES: usize = 4096 - 4;
/// How long a request that has begun may arrive no further. One that has the budget's last place has to be whole by then: others wait.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// What has been received of a connection and not looked at.
#[derive(Debug, Default)]
pub(super) struct Received {
    bytes: BytesMut,
    reservation: Option<Reservation>,
}

/// A connection's requests, one after the other.
#[derive(Debug)]
pub(super) struct Requests<R> {
    frames: FrameReader<R>,
    /// Of the request that is arriving.
    reservation: Option<Reservation>,
    /// By then it has to arrive further, once somebody has waited for it.
    deadline: Option<Instant>,
}

impl<R: AsyncRead + Unpin> Requests<R> {
    pub(super) fn new(stream: R, max_request_bytes: usize, received: Received) -> Self {
        let frames = FrameReader::with_received(stream, max_request_bytes, received.bytes);
        Self { frames, reservation: received.reservation, deadline: None }
    }

    pub(super) fn into_parts(self) -> (R, Received) {
        let (stream, bytes) = self.frames.into_parts();
        (stream, Received { bytes, reservation: self.reservation })
    }

    /// What kept us from reading was no fault of the peer's.
    pub(super) fn wait_anew(&mut self) {
        self.deadline = None;
    }

    /// The next request and its share of `memory`; none when the peer has closed. Cancelled, it loses nothing.
    pub(super) async fn next(
        &mut self,
        memory: &MemoryBudget,
        runtime: &Runtime,
    ) -> Result<Option<(Bytes, Reservation)>, ConnectionError> {
        let Some(length) = self.frames.length_bytes().await? else { return Ok(None) };
        if length > READ_AHEAD_BYTES || !self.frames.has_buffered_frame() {
            self.receive(length, memory, runtime).await?;
        }
        let reservation = self.reservation.take().unwrap_or_else(|| memory.count(length));
        Ok(self.frames.next().await?.map(|frame| (frame, reservation)))
    }

    /// Returns once all `length` bytes are there, and counted unless they are few.
    async fn receive(
        &mut self,
        length: usize,
        memory: &MemoryBudget,
        runtime: &Runtime,
    ) -> Result<(), ConnectionError> {
        loop {
            let received = self.frames.received_bytes();
            if length > READ_AHEAD_BYTES && received >= READ_AHEAD_BYTES {
                self.reserve(received, length, memory).await;
            }
            if received >= length {
                return Ok(());
            }
            let may_hold = self.reservation.as_ref().map_or(READ_AHEAD_BYTES, Reservation::bytes);
            self.read(may_hold.min(length).saturating_sub(received), runtime).await?;
        }
    }

    /// Has memory for more than the `received` bytes, or all: as much again, so that the peer has to send half of what it is to hold.
    async fn reserve(&mut self, received: usize, length: usize, memory: &MemoryBudget) {
        let reservation = match &mut self.reservation {
            Some(reservation) => reservation,
            none => none.insert(memory.begin(length).await),
        };
        let wanted = received.saturating_mul(2).max(FIRST_STEP_BYTES).min(length);
        if reservation.bytes() <= received && reservation.bytes() < wanted {
            memory.grow(reservation, wanted).await;
            self.deadline = None;
        }
    }

    async fn read(&mut self, most_bytes: usize, runtime: &Runtime) -> Result<(), ConnectionError> {
        let mut reading = pin!(self.frames.read_on(most_bytes));
        match at_once(reading.as_mut()).await {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                let deadline = *self.deadline.get_or_insert_with(|| runtime.deadline(STALLED_AFTER));
                let read = tokio::time::timeout_at(deadline, reading).await;
                read.map_err(|_| ConnectionError::Stalled(STALLED_AFTER))??;
            }
        }
        if !self.reservation.as_ref().is_some_and(Reservation::is_last) {
            self.deadline = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream};

    use super::*;

    const MIB: usize = 1 << 20;
    const LIMIT_BYTES: usize = 64 * MIB;

    fn connection() -> (DuplexStream, Requests<DuplexStream>) {
        let (peer, stream) = tokio::io::duplex(16 * 1024);
        (peer, Requests::new(stream, LIMIT_BYTES, Received::default()))
    }

    fn length(bytes: usize) -> [u8; 4] {
        u32::try_from(bytes).unwrap().to_be_bytes()
    }

    /// A peer that sends the first `sent` bytes of a request of `declared` and no more, seen until nothing happens for `time`.
    async fn begin(
        memory: &MemoryBudget,
        (declared, sent): (usize, usize),
        time: Duration,
    ) -> (DuplexStream, Requests<DuplexStream>, Option<ConnectionError>) {
        let (mut peer, mut requests) = connection();
        let runtime = Runtime::current();
        let sending = async {
            peer.write_all(&length(declared)).await.unwrap();
            peer.write_all(&vec![7; sent]).await.unwrap();
            tokio::time::sleep(time).await;
        };
        let error = tokio::select! {
            () = sending => None,
            next = requests.next(memory, &runtime) => Some(next.unwrap_err()),
        };
        (peer, requests, error)
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_peer_declares_takes_no_memory() {
        let memory = MemoryBudget::new(4 * MIB);
        let (_peer, _requests, error) = begin(&memory, (LIMIT_BYTES, 0), Duration::from_secs(1)).await;
        assert!(error.is_none());
        assert_eq!(memory.available_bytes(), 4 * MIB);
        let (_peer, _requests, _) = begin(&memory, (LIMIT_BYTES, MIB / 2), Duration::from_secs(1)).await;
        let held = 4 * MIB - memory.available_bytes();
        assert!((MIB / 2..=MIB).contains(&held), "{held}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_arrives_no_further_is_given_up() {
        let memory = MemoryBudget::new(4 * MIB);
        for sent in [0, 100, MIB] {
            let (_peer, _requests, error) = begin(&memory, (2 * MIB, sent), STALLED_AFTER * 2).await;
            assert!(matches!(error, Some(ConnectionError::Stalled(_))), "{sent}: {error:?}");
        }
        assert_eq!(memory.available_bytes(), 4 * MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_arrives_slowly_comes_to_its_end() {
        let (memory, runtime) = (MemoryBudget::new(4 * MIB), Runtime::current());
        let (mut peer, mut requests) = connection();
        let sending = async {
            peer.write_all(&length(200_000)).await.unwrap();
            for piece in vec![7; 200_000].chunks(1000) {
                tokio::time::sleep(STALLED_AFTER - Duration::from_secs(1)).await;
                peer.write_all(piece).await.unwrap();
            }
        };
        let (_, next) = tokio::join!(sending, requests.next(&memory, &runtime));
        let (frame, reservation) = next.unwrap().unwrap();
        assert_eq!((frame.len(), reservation.bytes()), (200_000, 200_000));
    }

    #[tokio::test(start_paused = true)]
    async fn with_the_last_place_a_request_must_not_arrive_slowly() {
        let memory = MemoryBudget::new(4 * MIB);
        let (_one, _requests, error) = begin(&memory, (8 * MIB, MIB * 3 / 2), Duration::from_secs(1)).await;
        assert!(error.is_none());
        let (runtime, (mut peer, mut requests)) = (Runtime::current(), connection());
        let sending = async {
            peer.write_all(&length(8 * MIB)).await.unwrap();
            peer.write_all(&vec![7; 2 * MIB]).await.unwrap();
            for _ in 0..1000 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                peer.write_all(&[7]).await.unwrap();
            }
        };
        let began = Instant::now();
        tokio::select! {
            next = requests.next(&memory, &runtime) => assert!(matches!(next, Err(ConnectionError::Stalled(_)))),
            () = sending => panic!("it was read on"),
        }
        assert!(began.elapsed() < STALLED_AFTER + Duration::from_secs(5), "{:?}", began.elapsed());
    }

    /// Each cut is a read that is cancelled, and a connection that moves to another thread.
    #[tokio::test(start_paused = true)]
    async fn a_cancelled_read_loses_nothing() {
        let (memory, runtime) = (MemoryBudget::new(4 * MIB), Runtime::current());
        let (mut peer, mut requests) = connection();
        let whole: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
        let mut bytes = length(whole.len()).to_vec();
        bytes.extend(&whole);
        let mut pieces = bytes.chunks(10_000).peekable();
        while let Some(piece) = pieces.next() {
            peer.write_all(piece).await.unwrap();
            if pieces.peek().is_some() {
                let cut = tokio::time::timeout(Duration::from_millis(1), requests.next(&memory, &runtime)).await;
                assert!(cut.is_err());
                let (stream, received) = requests.into_parts();
                requests = Requests::new(stream, LIMIT_BYTES, received);
            }
        }
        let (frame, _held) = requests.next(&memory, &runtime).await.unwrap().unwrap();
        assert!(frame == whole);
        assert!(4 * MIB - memory.available_bytes() >= whole.len());
    }
}
