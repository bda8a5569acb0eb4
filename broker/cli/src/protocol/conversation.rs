//! The two directions of one connection: reads requests, and each response as the request before it asks for. Knows no bytes around frames.

use std::collections::VecDeque;
use std::io;

use barnabas_protocol::{ApiKey, DecodeError, Describer, ErrorCode, Event, Reader, RequestHeader, ResponseHeader};

use super::page::{Asked, Head, Origin, Page};

/// Requests that may wait for their response; the oldest is forgotten then. A client has few in flight, but a Produce with acks 0 gets none.
const WAITING_LIMIT: usize = 4096;

/// The requests of a connection that wait for their response.
#[derive(Default)]
pub struct Conversation {
    waiting: VecDeque<Asked>,
    /// After a SaslHandshake of version 0 the tokens of the mechanism travel as frames without a header.
    has_bare_tokens: bool,
}

impl Conversation {
    /// A request, without its length.
    pub fn request(&mut self, frame: &[u8], origin: &Origin, page: &mut Page<'_>) -> io::Result<()> {
        let mut reader = Reader::new(frame);
        let mut head = Head {
            origin,
            is_request: true,
            api: None,
            correlation_id: None,
            header: None,
            bytes: frame.len(),
            after: None,
        };
        if self.has_bare_tokens && !looks_like_request(frame, frame.len()) {
            return page.note(&format!("a SASL token of {} bytes without a header", frame.len()));
        }
        let header = match RequestHeader::decode(&mut reader) {
            Ok(header) => header,
            Err(error) => return page.unreadable(&head, &no_request(&error), frame),
        };
        self.has_bare_tokens = header.api_key == ApiKey::SaslHandshake && header.api_version == 0;
        let (api_key, api_version, correlation_id) = (header.api_key, header.api_version, header.correlation_id);
        self.waiting.push_back(Asked { api_key, api_version, correlation_id, time: origin.time });
        if self.waiting.len() > WAITING_LIMIT {
            self.waiting.pop_front();
        }
        head.api = Some((api_key, api_version));
        head.correlation_id = Some(correlation_id);
        head.header = Some(&header);
        match api_key.request_layout() {
            Some(layout) => page.message(&head, layout, api_version, &mut reader),
            None => page.unreadable(&head, "Kafka has removed this API", frame),
        }
    }

    /// A response, without its length, to one of the requests before it.
    pub fn response(&mut self, frame: &[u8], origin: &Origin, page: &mut Page<'_>) -> io::Result<()> {
        match self.asked(frame) {
            Some(asked) => response(frame, &asked, origin, page),
            None if self.has_bare_tokens => {
                page.note(&format!("a SASL token of {} bytes without a header", frame.len()))
            }
            None => {
                page.unreadable(&no_api(origin, frame), "no request with this correlation id came before it", frame)
            }
        }
    }

    /// The request that a response answers. Those before it got none: responses keep the order of requests.
    fn asked(&mut self, frame: &[u8]) -> Option<Asked> {
        let place = self.place(frame)?;
        self.waiting.drain(..place);
        self.waiting.pop_front()
    }

    /// True when a response with this start is waited for.
    pub fn waits_for(&self, frame: &[u8]) -> bool {
        self.place(frame).is_some()
    }

    fn place(&self, frame: &[u8]) -> Option<usize> {
        let id = correlation_id(frame)?;
        self.waiting.iter().position(|asked| asked.correlation_id == id)
    }
}

fn no_request(error: &DecodeError) -> String {
    format!("no request of Kafka's protocol: {error}")
}

fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes))
}

fn no_api<'a>(origin: &'a Origin, frame: &[u8]) -> Head<'a> {
    let correlation_id = correlation_id(frame);
    Head { origin, is_request: false, api: None, correlation_id, header: None, bytes: frame.len(), after: None }
}

/// The response to `asked`, without its length.
pub fn response(frame: &[u8], asked: &Asked, origin: &Origin, page: &mut Page<'_>) -> io::Result<()> {
    let Asked { api_key, mut api_version, .. } = *asked;
    let mut reader = Reader::new(frame);
    let mut head = no_api(origin, frame);
    head.api = Some((api_key, api_version));
    head.after = origin.time.zip(asked.time).map(|(now, then)| now - then);
    if let Err(error) = ResponseHeader::decode(&mut reader, api_key, api_version) {
        return page.unreadable(&head, &format!("no response of Kafka's protocol: {error}"), frame);
    }
    // A broker that does not know the version of an ApiVersions request says so in version 0 (KIP-511).
    let refused = ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes();
    if api_key == ApiKey::ApiVersions && frame.get(4..6) == Some(&refused) {
        api_version = 0;
    }
    match api_key.response_layout() {
        Some(layout) => page.message(&head, layout, api_version, &mut reader),
        None => page.unreadable(&head, "Kafka has removed this API", frame),
    }
}

/// True when bytes without their length look like the start of a request of `length` bytes: a known API, a version that it could have, and a
/// client id that fits.
pub fn looks_like_request(start: &[u8], length: usize) -> bool {
    let mut reader = Reader::new(start);
    let Ok(header) = RequestHeader::decode(&mut reader) else { return false };
    // Clients of later releases ask for later versions.
    let versions = header.api_key.versions();
    length >= reader.position() && header.api_version >= 0 && header.api_version <= versions.max.saturating_add(10)
}

/// Bytes after its message that a request may have: old librdkafka adds a few.
const TRAILING_LIMIT_BYTES: usize = 8;

/// Takes a description and keeps nothing.
struct Nobody;

impl Describer for Nobody {
    fn event(&mut self, _event: Event<'_>) {}
}

/// True when bytes without their length can be nothing but a request of `length` bytes, of which the last may be missing. In the middle of a
/// connection a response must not be taken for one: it begins with a small number too.
pub fn is_request(start: &[u8], length: usize) -> bool {
    let frame = start.get(..length).unwrap_or(start);
    let mut reader = Reader::new(frame);
    let Ok(header) = RequestHeader::decode(&mut reader) else { return false };
    let Some(layout) = header.api_key.request_layout() else { return false };
    if frame.len() < length {
        let is_name = |id: &str| !id.is_empty() && id.chars().all(|letter| letter.is_ascii_graphic());
        return layout.versions.contains(header.api_version) && header.client_id.as_deref().is_some_and(is_name);
    }
    let read = layout.read(&mut reader, header.api_version, &mut Nobody);
    read.is_ok() && reader.remaining() <= TRAILING_LIMIT_BYTES
}
