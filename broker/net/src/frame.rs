//! Reads Kafka's frames: a big-endian i32 length, then that many bytes. Refuses lengths outside the limit before
//! reading on, and reserves memory only as bytes arrive, never by the declared length.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is reserved ahead of what has arrived, in bytes. A peer that declares 100 MiB and sends nothing costs this much.
const RESERVE_AHEAD_BYTES: usize = 64 * 1024;

/// What one read asks for when nothing is known yet, in bytes: most requests fit.
const FIRST_READ_BYTES: usize = 4096;

/// The memory of a frame up to this size is used again for the next, in bytes.
const KEPT_BYTES: usize = 2 << 20;

/// Reading a frame failed. The connection cannot be used further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The declared length is negative or above the limit.
    #[error("frame length {length} is outside 0..={limit} bytes")]
    Length {
        /// What the peer declared.
        length: i32,
        /// `socket.request.max.bytes`, or less before authentication.
        limit: usize,
    },
    /// The peer closed in the middle of a frame.
    #[error("connection closed after {received} bytes of a frame of {declared}")]
    Truncated {
        /// Bytes that arrived, the length prefix not counted.
        received: usize,
        /// Bytes the prefix declared; 0 when not even the prefix was whole.
        declared: usize,
    },
    /// The socket failed.
    #[error("read failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads frames from one stream. A `next` that is cancelled loses nothing: what arrived stays for the next call.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    limit_bytes: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `stream`; frames of more than `limit_bytes` are an error.
    pub fn new(stream: R, limit_bytes: usize) -> Self {
        Self { stream, buffer: BytesMut::new(), limit_bytes }
    }

    /// Reads on where another reader of the stream left off, with what it had received.
    pub fn with_received(stream: R, limit_bytes: usize, received: BytesMut) -> Self {
        Self { stream, buffer: received, limit_bytes }
    }

    /// The stream, and what was received and is in no frame that was returned.
    pub fn into_parts(self) -> (R, BytesMut) {
        (self.stream, self.buffer)
    }

    /// How many bytes the next frame has, once its length prefix has arrived; `None` when the peer closed between two
    /// frames. Lets the caller find memory before the frame is read.
    ///
    /// # Errors
    /// As [`FrameReader::next`].
    pub async fn length_bytes(&mut self) -> Result<Option<usize>, FrameError> {
        loop {
            if let Some(length) = self.checked_length()? {
                return Ok(Some(length));
            }
            self.buffer.reserve(FIRST_READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return self.end_of_stream().map(|_| None);
            }
        }
    }

    /// The next frame without its length prefix, or `None` when the peer closed between two frames.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let Some(frame) = self.take_buffered()? {
                return Ok(Some(frame));
            }
            if self.buffer.is_empty() {
                if self.length_bytes().await?.is_none() {
                    return Ok(None);
                }
                continue;
            }
            self.read_on(self.missing_bytes()).await?;
        }
    }

    /// How many bytes of the next frame have arrived, and of what follows it.
    pub fn received_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(4)
    }

    /// Reads once in the middle of a frame, `most_bytes` of it at most, or a small part of what follows. For callers that find memory for
    /// the rest of a frame step by step.
    ///
    /// # Errors
    /// The peer closed, or the socket failed.
    pub async fn read_on(&mut self, most_bytes: usize) -> Result<(), FrameError> {
        let most_bytes = most_bytes.clamp(FIRST_READ_BYTES, RESERVE_AHEAD_BYTES);
        self.buffer.reserve(most_bytes);
        match self.stream.read_buf(&mut (&mut self.buffer).limit(most_bytes)).await? {
            0 => Err(self.truncated()),
            _ => Ok(()),
        }
    }

    /// True when a whole frame is at hand, so that `next` returns without reading.
    pub fn has_buffered_frame(&self) -> bool {
        self.declared().is_some_and(|length| self.buffer.len().saturating_sub(4) >= length)
    }

    fn declared_raw(&self) -> Option<i32> {
        self.buffer.first_chunk::<4>().map(|prefix| i32::from_be_bytes(*prefix))
    }

    fn declared(&self) -> Option<usize> {
        self.declared_raw().and_then(|length| usize::try_from(length).ok())
    }

    fn missing_bytes(&self) -> usize {
        self.declared().map_or(4, |length| (length + 4).saturating_sub(self.buffer.len()))
    }

    fn checked_length(&self) -> Result<Option<usize>, FrameError> {
        let Some(raw) = self.declared_raw() else { return Ok(None) };
        match usize::try_from(raw) {
            Ok(length) if length <= self.limit_bytes => Ok(Some(length)),
            _ => Err(FrameError::Length { length: raw, limit: self.limit_bytes }),
        }
    }

    fn take_buffered(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = self.checked_length()? else { return Ok(None) };
        if self.buffer.len() - 4 < length {
            return Ok(None);
        }
        self.buffer.advance(4);
        let frame = self.buffer.split_to(length).freeze();
        if length > KEPT_BYTES {
            // What follows would keep all of the frame's memory for as long as the connection lives.
            self.buffer = BytesMut::from(&*self.buffer);
        }
        Ok(Some(frame))
    }

    fn end_of_stream(&self) -> Result<Option<Bytes>, FrameError> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        Err(self.truncated())
    }

    fn truncated(&self) -> FrameError {
        FrameError::Truncated { received: self.received_bytes(), declared: self.declared().unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(bytes: &[u8], limit: usize) -> Result<Vec<Bytes>, FrameError> {
        let mut reader = FrameReader::new(bytes, limit);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[tokio::test]
    async fn frames_come_out_one_by_one() {
        let frames = read_all(b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01z", 10).await.unwrap();
        assert_eq!(frames, [Bytes::from("abc"), Bytes::new(), Bytes::from("z")]);
    }

    #[tokio::test]
    async fn a_length_outside_the_limit_is_refused_before_its_bytes_arrive() {
        for prefix in [b"\0\0\0\x0b".as_slice(), b"\xff\xff\xff\xff", b"\x80\0\0\0"] {
            assert!(matches!(read_all(prefix, 10).await, Err(FrameError::Length { limit: 10, .. })));
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_inside_a_frame_is_an_error() {
        for cut in [b"\0\0".as_slice(), b"\0\0\0\x05ab"] {
            assert!(matches!(read_all(cut, 10).await, Err(FrameError::Truncated { .. })));
        }
    }

    #[tokio::test]
    async fn a_declared_length_reserves_no_memory() {
        let (mut peer, stream) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(stream, 100 << 20);
        tokio::io::AsyncWriteExt::write_all(&mut peer, b"\x06\0\0\0abc").await.unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), reader.next()).await;
        assert!(waiting.is_err());
        assert!(reader.buffer.capacity() <= 2 * RESERVE_AHEAD_BYTES);
    }

    #[tokio::test]
    async fn the_memory_of_a_large_frame_goes_with_it() {
        let mut bytes = vec![7; KEPT_BYTES + 5];
        bytes.splice(..4, u32::try_from(KEPT_BYTES + 1).unwrap().to_be_bytes());
        bytes.extend(b"\0\0\0\x03abc");
        let mut reader = FrameReader::new(&*bytes, 100 << 20);
        let frame = reader.next().await.unwrap().unwrap();
        assert_eq!((frame.len(), frame.is_unique()), (KEPT_BYTES + 1, true));
        assert_eq!(reader.next().await.unwrap(), Some(Bytes::from("abc")));
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_nothing() {
        let (mut peer, stream) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(stream, 100);
        tokio::io::AsyncWriteExt::write_all(&mut peer, b"\0\0\0\x03a").await.unwrap();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), reader.next()).await.is_err());
        tokio::io::AsyncWriteExt::write_all(&mut peer, b"bc").await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Some(Bytes::from("abc")));
    }
}
