//! A connection's bytes, cut into frames. Reads them from memory; opens no socket.

use std::pin::Pin;
use std::task::{Context, Poll};

use barnabas_net::FrameReader;
use tokio::io::{AsyncRead, ReadBuf};

/// The longest frame that is taken, in bytes.
const LIMIT_BYTES: usize = 1 << 16;

/// Bytes that arrive a few at a time.
struct Trickle<'a> {
    rest: &'a [u8],
    step_bytes: usize,
}

impl AsyncRead for Trickle<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let count = self.step_bytes.min(self.rest.len()).min(buffer.remaining());
        let (now, later) = self.rest.split_at_checked(count).unwrap_or_default();
        buffer.put_slice(now);
        self.rest = later;
        Poll::Ready(Ok(()))
    }
}

/// The frames of `bytes`, and the error that ended them.
fn frames(bytes: &[u8], step_bytes: usize) -> (Vec<Vec<u8>>, Option<String>) {
    let mut reader = FrameReader::new(Trickle { rest: bytes, step_bytes }, LIMIT_BYTES);
    let mut frames = Vec::new();
    let error = futures::executor::block_on(async {
        loop {
            match reader.next().await {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
    });
    (frames, error)
}

/// Reads frames. However the bytes arrive, the same frames come out, and they are what stood in the bytes, length first.
pub fn frame(bytes: &[u8]) {
    let (whole, error) = frames(bytes, usize::MAX);
    let mut joined = Vec::new();
    for frame in &whole {
        joined.extend((frame.len() as u32).to_be_bytes());
        joined.extend(frame);
    }
    assert!(bytes.starts_with(&joined), "other bytes than those that arrived");
    assert_eq!(error.is_none(), joined.len() == bytes.len(), "{error:?}");
    for step_bytes in [1, 3, 7] {
        assert_eq!(frames(bytes, step_bytes), (whole.clone(), error.clone()), "{step_bytes} bytes at a time");
    }
}
