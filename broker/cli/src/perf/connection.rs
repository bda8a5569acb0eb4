//! One socket to one broker: asks and waits while a run is set up, then neither blocks nor waits. One system call to send what a request
//! consists of, one to read what has come. Knows which versions the broker serves; retries nothing.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::time::Duration;

use barnabas_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use barnabas_protocol::{
    ApiKey, ErrorCode, IntoOwned, Message, Reader, Request, ResponseHeader, VersionRange, encode_request,
};
use barnabas_types::Segment;
use bytes::{Buf, Bytes};
use rustix::fd::{AsFd, BorrowedFd};

use super::error::PerfError;

/// The largest response that is read, in bytes: Kafka's `fetch.max.bytes` and a little more.
const MAX_RESPONSE_BYTES: usize = 128 << 20;
/// What one read asks for at least, in bytes.
const READ_BYTES: usize = 64 << 10;
/// Pieces that one write sends.
const WRITE_PIECES: usize = 32;
/// The version of ApiVersions that every broker answers.
const FIRST_VERSION: i16 = 0;

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    address: String,
    client_id: String,
    stream: TcpStream,
    served: HashMap<i16, VersionRange>,
    next_correlation_id: i32,
    outgoing: VecDeque<Bytes>,
    outgoing_bytes: usize,
    incoming: Vec<u8>,
    /// What of `incoming` has arrived and is not yet taken.
    arrived: Range<usize>,
}

impl Connection {
    /// Connects to `address` and asks what the broker serves; both within `timeout`.
    ///
    /// # Errors
    /// [`PerfError::Connect`], and all of [`Connection::call`].
    pub fn open(address: &str, client_id: &str, timeout: Duration) -> Result<Self, PerfError> {
        let stream =
            connect(address, timeout).map_err(|source| PerfError::Connect { address: address.to_owned(), source })?;
        let mut connection = Self {
            address: address.to_owned(),
            client_id: client_id.to_owned(),
            stream,
            served: HashMap::new(),
            next_correlation_id: 0,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            incoming: Vec::new(),
            arrived: 0..0,
        };
        connection.negotiate()?;
        Ok(connection)
    }

    /// Its broker, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks for the versions in the newest way first; a broker that does not know it answers in version 0 (KIP-511).
    fn negotiate(&mut self) -> Result<(), PerfError> {
        let request = ApiVersionsRequest {
            client_software_name: "barnabas-perf".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        };
        let newest = ApiKey::ApiVersions.versions().max;
        let frame = self.exchange(&request, newest)?;
        let mut response: ApiVersionsResponse<'_> =
            match decode::<ApiVersionsRequest<'_>>(&self.address, self.frame(&frame), FIRST_VERSION) {
                Ok(response) if response.error_code == ErrorCode::UNSUPPORTED_VERSION => response,
                _ => decode::<ApiVersionsRequest<'_>>(&self.address, self.frame(&frame), newest)?,
            }
            .into_owned();
        if response.error_code == ErrorCode::UNSUPPORTED_VERSION {
            let frame = self.exchange(&request, FIRST_VERSION)?;
            response = decode::<ApiVersionsRequest<'_>>(&self.address, self.frame(&frame), FIRST_VERSION)?.into_owned();
        }
        PerfError::check(ApiKey::ApiVersions, &self.address, response.error_code, None)?;
        let range = |api: &barnabas_protocol::messages::api_versions::ApiVersion<'_>| {
            (api.api_key, VersionRange::new(api.min_version, api.max_version))
        };
        self.served = response.api_keys.iter().map(range).collect();
        Ok(())
    }

    /// The newest version of `Q` from `at_least` on that both sides have.
    ///
    /// # Errors
    /// [`PerfError::NoCommonVersion`].
    pub fn version<Q: Request>(&self, at_least: i16) -> Result<i16, PerfError> {
        let wanted = VersionRange::new(at_least, Q::KEY.versions().max);
        let served = self.served.get(&Q::KEY.number()).copied().unwrap_or(VersionRange::EMPTY);
        let common = wanted.intersect(served);
        if common.is_empty() {
            return Err(PerfError::NoCommonVersion { address: self.address.clone(), api: Q::KEY, served, wanted });
        }
        Ok(common.max)
    }

    /// Asks and waits for the answer. Only before [`Connection::stop_blocking`].
    ///
    /// # Errors
    /// When the connection fails, does not answer in time, or what it answers cannot be read.
    pub fn call<Q: Request>(&mut self, request: &Q, at_least: i16) -> Result<Q::Response<'static>, PerfError> {
        let version = self.version::<Q>(at_least)?;
        let frame = self.exchange(request, version)?;
        Ok(decode::<Q>(&self.address, self.frame(&frame), version)?.into_owned())
    }

    fn exchange<Q: Request>(&mut self, request: &Q, version: i16) -> Result<Range<usize>, PerfError> {
        let expected = self.send(request, version)?;
        while self.has_outgoing() {
            self.flush()?;
        }
        loop {
            if let Some(frame) = self.next_frame()? {
                let received = correlation_id(self.frame(&frame));
                if received != Some(expected) {
                    let (address, received) = (self.address.clone(), received.unwrap_or(-1));
                    return Err(PerfError::Correlation { address, expected, received });
                }
                return Ok(frame);
            }
            if !self.receive()? {
                return Err(self.failed(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// From now on sending and receiving return at once.
    ///
    /// # Errors
    /// [`PerfError::Connection`].
    pub fn stop_blocking(&self) -> Result<(), PerfError> {
        self.stream.set_nonblocking(true).map_err(|source| self.failed(source))
    }

    /// Queues `request` and says under which correlation id. [`Connection::flush`] sends it.
    ///
    /// # Errors
    /// [`PerfError::Encode`].
    pub fn send<Q: Request>(&mut self, request: &Q, version: i16) -> Result<i32, PerfError> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.wrapping_add(1) & i32::MAX;
        let segments = encode_request(correlation_id, version, Some(&self.client_id), request)
            .map_err(|source| PerfError::Encode { api: Q::KEY, source })?;
        for segment in segments {
            // Requests are made of memory only.
            if let Segment::Bytes(bytes) = segment {
                self.outgoing_bytes += bytes.len();
                self.outgoing.push_back(bytes);
            }
        }
        Ok(correlation_id)
    }

    /// True while something is queued that the socket has not taken.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// How much that is, in bytes.
    pub fn outgoing_bytes(&self) -> usize {
        self.outgoing_bytes
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// [`PerfError::Connection`].
    pub fn flush(&mut self) -> Result<(), PerfError> {
        while !self.outgoing.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_PIECES];
            let mut count = 0;
            for (slice, bytes) in slices.iter_mut().zip(&self.outgoing) {
                *slice = IoSlice::new(bytes);
                count += 1;
            }
            match self.stream.write_vectored(slices.get(..count).unwrap_or_default()) {
                Ok(0) => return Err(self.failed(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.sent(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.failed(source)),
            }
        }
        Ok(())
    }

    fn sent(&mut self, written: usize) {
        self.outgoing_bytes = self.outgoing_bytes.saturating_sub(written);
        let mut left = written;
        while let Some(first) = self.outgoing.front_mut() {
            if left < first.len() {
                first.advance(left);
                return;
            }
            left -= first.len();
            self.outgoing.pop_front();
        }
    }

    /// Reads once what has come; false when there is nothing yet.
    ///
    /// # Errors
    /// [`PerfError::Connection`], also when the broker closed it.
    pub fn receive(&mut self) -> Result<bool, PerfError> {
        self.make_room();
        let space = self.incoming.get_mut(self.arrived.end..).unwrap_or_default();
        match self.stream.read(space) {
            Ok(0) => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.arrived.end += count;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Makes room for a read. The buffer grows with what has arrived, not with what was announced.
    fn make_room(&mut self) {
        if self.arrived.is_empty() {
            self.arrived = 0..0;
        }
        if self.incoming.len() - self.arrived.end >= READ_BYTES {
            return;
        }
        self.incoming.copy_within(self.arrived.clone(), 0);
        self.arrived = 0..self.arrived.len();
        if self.incoming.len() - self.arrived.end < READ_BYTES {
            let grown = (self.incoming.len() * 2).max(self.arrived.end + READ_BYTES);
            self.incoming.resize(grown, 0);
        }
    }

    /// The next whole response, to be looked at with [`Connection::frame`] before the next `receive`.
    ///
    /// # Errors
    /// [`PerfError::FrameLength`].
    pub fn next_frame(&mut self) -> Result<Option<Range<usize>>, PerfError> {
        let bytes = self.incoming.get(self.arrived.clone()).unwrap_or_default();
        let Some(prefix) = bytes.first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*prefix);
        let frame_bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= MAX_RESPONSE_BYTES);
        let Some(frame_bytes) = frame_bytes else {
            return Err(PerfError::FrameLength { address: self.address.clone(), length, limit: MAX_RESPONSE_BYTES });
        };
        if bytes.len() - 4 < frame_bytes {
            return Ok(None);
        }
        let start = self.arrived.start + 4;
        self.arrived.start = start + frame_bytes;
        Ok(Some(start..start + frame_bytes))
    }

    /// The bytes of a response.
    pub fn frame(&self, range: &Range<usize>) -> &[u8] {
        self.incoming.get(range.clone()).unwrap_or_default()
    }

    fn failed(&self, source: io::Error) -> PerfError {
        PerfError::Connection { address: self.address.clone(), source }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn connect(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The number of the request that `frame` answers.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Reads the response to `Q` in `version`, borrowing from `frame`.
///
/// # Errors
/// [`PerfError::Decode`].
pub fn decode<'a, Q: Request>(address: &str, frame: &'a [u8], version: i16) -> Result<Q::Response<'a>, PerfError> {
    let mut reader = Reader::new(frame);
    ResponseHeader::decode(&mut reader, Q::KEY, version)
        .and_then(|_| <Q::Response<'a> as Message>::decode(&mut reader, version))
        .map_err(|source| PerfError::Decode { address: address.to_owned(), api: Q::KEY, source })
}
