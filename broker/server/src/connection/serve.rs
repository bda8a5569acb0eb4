//! One connection: reads a request, executes it, replies in order. One request executes at a time, as in Kafka; a Produce
//! that has been appended only waits, and its wait does not hold back the next request. Knows no API.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use barnabas_net::{Detached, FrameError, ReadHalf, WriteHalf};
use barnabas_protocol::{ApiKey, DecodeError, EncodeError, Reader, RequestHeader};
use barnabas_types::Segments;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::placement::Seat;
use super::receive::{Received, Requests};
use super::send::{Patience, send};
use super::{Connection, ConnectionLimits, ListenerKind};
use crate::api::{Answer, Refusal, RequestContext, dispatch};
use crate::memory::Reservation;
use crate::node::Node;

/// Replies that may be outstanding on one connection before its next request is left unread.
pub(super) const MAX_OUTSTANDING: usize = 64;
/// Bytes of replies that may wait for their turn on one connection before its next request is left unread. What a request held was given
/// back when it had been executed, so this is all that bounds them.
const MAX_OUTSTANDING_BYTES: usize = 1 << 20;
/// What a connection is served before the others of its thread have their turn, in bytes of requests and replies.
const TURN_BYTES: usize = 16 * 1024;
/// What a request takes of a turn beside its bytes, in bytes.
const REQUEST_TURN_BYTES: usize = 2 * 1024;

/// Why a connection was closed by us.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// No whole frame could be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame's header is no Kafka header.
    #[error("request header cannot be read: {0}")]
    Header(DecodeError),
    /// The request was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A reply could not be written in the version that was asked for.
    #[error("reply cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The reply could not be sent.
    #[error("reply cannot be sent: {0}")]
    Send(std::io::Error),
    /// The handler panicked: a defect of this broker. The panic itself is in the log.
    #[error("the request could not be executed because of a defect; please report it with the panic in the log")]
    Panic,
    /// Nothing was asked, or nothing of a reply was read, for `connections.max.idle.ms`.
    #[error("idle")]
    Idle,
    /// A request that had begun did not go on.
    #[error("a request has begun and nothing more of it arrived for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The node stops, and could not wait any longer for a reply to be read.
    #[error("a reply was not read in time before this node stopped")]
    Unread,
}

impl ConnectionError {
    /// True when the peer went away or said nothing: no reason to warn.
    pub(super) fn is_peers_choice(&self) -> bool {
        let is_away = matches!(self, Self::Frame(FrameError::Io(_) | FrameError::Truncated { .. }));
        is_away || matches!(self, Self::Send(_) | Self::Idle | Self::Stalled(_) | Self::Unread)
    }
}

/// A request whose handler runs.
struct Executing {
    answer: BoxFuture<'static, Result<Answer, Refusal>>,
    measured: Measured,
    /// The frame's memory, given back when the request has taken effect, not when its reply leaves.
    _reservation: Reservation,
}

/// What a reply waits for, if it waits for more than those before it.
enum Waiting {
    Turn(Segments),
    Reply(BoxFuture<'static, Result<Segments, EncodeError>>, Measured),
}

/// When which request began.
#[derive(Clone, Copy)]
struct Measured {
    key: ApiKey,
    began: Duration,
}

/// A connection on its way to another thread: what it has received and not looked at goes with it.
#[derive(Debug)]
pub struct Stream {
    socket: Detached,
    received: Received,
}

impl Stream {
    /// A connection that has received nothing yet.
    pub fn new(socket: Detached) -> Self {
        Self { socket, received: Received::default() }
    }
}

/// Why [`serve`] returned.
#[derive(Debug)]
pub enum Served {
    /// The peer closed, or the node stops.
    Ended,
    /// Another thread is to go on.
    Moves(Stream),
}

struct Session {
    node: Arc<Node>,
    seat: Arc<Seat>,
    connection: Arc<Connection>,
    requests: Requests<ReadHalf>,
    out: WriteHalf,
    patience: Patience,
    executing: Option<Executing>,
    /// Replies in the order of their requests.
    waiting: VecDeque<Waiting>,
    /// Of those that are there and wait for their turn only.
    waiting_bytes: usize,
    /// The name that the client gave itself last.
    client_id: Arc<str>,
    /// What is left of its turn, in bytes.
    turn_bytes: usize,
}

enum Event {
    Request(Option<(Bytes, Reservation)>),
    Executed(Answer, Measured),
    Reply(Segments),
    Stop,
}

/// Serves on this thread, which is number `thread`, until the peer closes, an error, `seat` names another thread, or `stopping`
/// turns true and all that had begun is answered.
pub async fn serve(
    node: Arc<Node>,
    connection: Arc<Connection>,
    (stream, seat, thread): (Stream, Arc<Seat>, usize),
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) -> Result<Served, ConnectionError> {
    let (input, out) = barnabas_net::Stream::attach(stream.socket).map_err(ConnectionError::Send)?.into_split();
    let most_bytes = match connection.kind {
        ListenerKind::Broker => limits.max_request_bytes,
        ListenerKind::Controller => limits.max_control_request_bytes,
    };
    let requests = Requests::new(input, most_bytes, stream.received);
    let runtime = node.runtime.clone();
    let patience = Patience::new(limits.max_idle, stopping.clone());
    let mut session = Session {
        node,
        seat,
        connection,
        requests,
        out,
        patience,
        executing: None,
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        client_id: Arc::from(""),
        turn_bytes: TURN_BYTES,
    };
    // Both live as long as the connection: to register with a clock or a channel anew for each request would cost more than
    // many a request.
    let mut stop = pin!(stopping.wait_for(|stop| *stop));
    let mut idle = pin!(tokio::time::sleep(limits.max_idle));
    let mut idle_from = runtime.deadline(limits.max_idle);
    loop {
        if session.seat.thread() != thread && session.is_idle() {
            return session.leave().map(Served::Moves);
        }
        let event = tokio::select! {
            biased;
            event = session.next_event(true) => event?,
            _ = &mut stop => Event::Stop,
            () = &mut idle => {
                if session.is_idle() && idle_from <= runtime.deadline(Duration::ZERO) {
                    return Err(ConnectionError::Idle);
                }
                // Far enough when it waits for a reply of ours; else when it asked last.
                idle.as_mut().reset(if session.is_idle() { idle_from } else { runtime.deadline(limits.max_idle) });
                continue;
            }
        };
        match event {
            Event::Request(Some((frame, reservation))) => session.begin(frame, reservation)?,
            Event::Executed(answer, measured) => session.executed(answer, measured).await?,
            Event::Reply(segments) => session.send(segments).await?,
            Event::Request(None) | Event::Stop => break,
        }
        idle_from = runtime.deadline(limits.max_idle);
        if session.take_turns().await {
            break;
        }
    }
    let drained_by = session.patience.drained_by(&runtime);
    match tokio::time::timeout_at(drained_by, session.drain()).await {
        Ok(drained) => drained.map(|()| Served::Ended),
        Err(_) => Ok(Served::Ended),
    }
}

impl Session {
    /// Gives the socket back, to be served by another thread.
    fn leave(self) -> Result<Stream, ConnectionError> {
        let (input, received) = self.requests.into_parts();
        let whole = barnabas_net::Stream::reunite(input, self.out);
        let socket = whole.and_then(barnabas_net::Stream::detach).map_err(ConnectionError::Send)?;
        Ok(Stream { socket, received })
    }

    fn is_idle(&self) -> bool {
        self.executing.is_none() && self.waiting.is_empty()
    }

    /// Cancelled, it loses nothing: the futures stay where they are, and bytes that arrived stay in the frame reader.
    async fn next_event(&mut self, read: bool) -> Result<Event, ConnectionError> {
        let memory = match self.connection.kind {
            // Clients wait for what their requests hold; followers would keep acks=all waiting for it.
            ListenerKind::Broker if self.connection.is_followers() => &self.node.follower_memory,
            ListenerKind::Broker => &self.node.request_memory,
            ListenerKind::Controller => &self.node.control_memory,
        };
        let has_room = self.waiting.len() < MAX_OUTSTANDING && self.waiting_bytes < MAX_OUTSTANDING_BYTES;
        let read = read && self.executing.is_none() && has_room;
        tokio::select! {
            biased;
            reply = poll_fn(|context| front(&mut self.waiting, context)) => {
                let segments = reply?;
                match self.waiting.pop_front() {
                    Some(Waiting::Reply(_, measured)) => self.finished(measured),
                    _ => self.waiting_bytes = self.waiting_bytes.saturating_sub(segments.len()),
                }
                Ok(Event::Reply(segments))
            }
            executed = poll_fn(|context| running(&mut self.executing, context)) => {
                self.executing = None;
                let (answer, measured) = executed?;
                Ok(Event::Executed(answer, measured))
            }
            request = self.requests.next(memory, &self.node.runtime), if read => Ok(Event::Request(request?)),
            // Nothing is ready: who waits has let the others go first.
            never = poll_fn(|_| { self.turn_bytes = TURN_BYTES; Poll::<Infallible>::Pending }) => match never {},
        }
    }

    /// Lets the others of this thread go first when the turn is used up: a client that always has the next request ready would
    /// otherwise be served until its socket is empty, while theirs wait. True when the node stops, which nobody would see otherwise for as
    /// long as there is a next request.
    async fn take_turns(&mut self) -> bool {
        if self.turn_bytes > 0 {
            return false;
        }
        self.turn_bytes = TURN_BYTES;
        tokio::task::yield_now().await;
        self.patience.is_stopping()
    }

    fn worked(&mut self, bytes: usize) {
        self.seat.worked(bytes);
        self.turn_bytes = self.turn_bytes.saturating_sub(REQUEST_TURN_BYTES + bytes);
    }

    fn begin(&mut self, frame: Bytes, reservation: Reservation) -> Result<(), ConnectionError> {
        self.worked(frame.len());
        self.connection.metrics.received_bytes.inc_by(frame.len() as u64 + 4);
        let mut reader = Reader::new(&frame);
        let header = RequestHeader::decode(&mut reader).map_err(ConnectionError::Header)?;
        let body = frame.slice(reader.position()..);
        let client_id = header.client_id.as_deref().unwrap_or_default();
        if *client_id != *self.client_id {
            self.client_id = client_id.into();
        }
        let context = RequestContext {
            node: Arc::clone(&self.node),
            connection: Arc::clone(&self.connection),
            api_key: header.api_key,
            api_version: header.api_version,
            correlation_id: header.correlation_id,
            client_id: Arc::clone(&self.client_id),
        };
        let measured = Measured { key: header.api_key, began: self.node.runtime.now().monotonic };
        self.node.metrics.requests.began(measured.key);
        self.executing = Some(Executing { answer: dispatch(context, body), measured, _reservation: reservation });
        Ok(())
    }

    /// Its wait included.
    fn finished(&self, measured: Measured) {
        let took = self.node.runtime.now().monotonic.saturating_sub(measured.began);
        self.node.metrics.requests.finished(measured.key, took);
    }

    async fn executed(&mut self, answer: Answer, measured: Measured) -> Result<(), ConnectionError> {
        match answer {
            Answer::Later(reply) => self.waiting.push_back(Waiting::Reply(reply, measured)),
            Answer::Nothing => self.finished(measured),
            Answer::Now(segments) => {
                self.finished(measured);
                if self.waiting.is_empty() {
                    return self.send(segments).await;
                }
                self.waiting_bytes += segments.len();
                self.waiting.push_back(Waiting::Turn(segments));
            }
        }
        Ok(())
    }

    async fn send(&mut self, segments: Segments) -> Result<(), ConnectionError> {
        self.worked(segments.len());
        self.connection.metrics.sent_bytes.inc_by(segments.len() as u64);
        self.requests.wait_anew();
        send(&mut self.out, segments, &self.node.runtime, &mut self.patience).await
    }

    /// Answers what has begun, reads nothing more.
    async fn drain(&mut self) -> Result<(), ConnectionError> {
        while !self.is_idle() {
            match self.next_event(false).await? {
                Event::Executed(answer, measured) => self.executed(answer, measured).await?,
                Event::Reply(segments) => self.send(segments).await?,
                Event::Request(_) | Event::Stop => {}
            }
        }
        Ok(())
    }
}

/// The oldest waiting reply; pending when there is none.
fn front(waiting: &mut VecDeque<Waiting>, context: &mut Context<'_>) -> Poll<Result<Segments, EncodeError>> {
    match waiting.front_mut() {
        Some(Waiting::Turn(segments)) => Poll::Ready(Ok(std::mem::take(segments))),
        Some(Waiting::Reply(reply, _)) => reply.as_mut().poll(context),
        None => Poll::Pending,
    }
}

/// The answer of the request that executes; pending when there is none. A panic costs this connection and no other.
fn running(
    executing: &mut Option<Executing>,
    context: &mut Context<'_>,
) -> Poll<Result<(Answer, Measured), ConnectionError>> {
    let Some(Executing { answer, measured, .. }) = executing else { return Poll::Pending };
    match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
        Ok(polled) => polled.map(|answer| Ok((answer?, *measured))),
        Err(_) => Poll::Ready(Err(ConnectionError::Panic)),
    }
}
