//! Cuts a stream of bytes into frames by their lengths. Holds no more than has arrived, whatever a length declares.

use std::io::{self, Read};

/// What stands next in the stream.
pub enum Cut {
    /// A whole frame, without its length.
    Frame(Vec<u8>),
    /// A length that no frame has.
    NoLength(i32),
}

/// Bytes that wait to become frames.
pub struct Cutter {
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that have been handed out.
    taken: usize,
    max_bytes: u32,
}

impl Cutter {
    pub fn new(max_bytes: u32) -> Self {
        Self { buffer: Vec::new(), taken: 0, max_bytes }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that have arrived and belong to no whole frame.
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// The next frame, if all of it is there.
    pub fn next(&mut self) -> Option<Cut> {
        let (length, frame) = self.rest().split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        let Some(size) = u32::try_from(length).ok().filter(|size| *size <= self.max_bytes) else {
            return Some(Cut::NoLength(length));
        };
        let frame = frame.get(..size as usize)?.to_vec();
        self.taken = self.taken.saturating_add(frame.len() + 4);
        Some(Cut::Frame(frame))
    }

    /// Forgets what has arrived.
    pub fn clear(&mut self) {
        self.buffer = Vec::new();
        self.taken = 0;
    }
}

/// Why a stream could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("cannot read the stream at byte {position}: {error}")]
    Read { position: u64, error: io::Error },
    #[error(
        "at byte {position} of the stream a frame of {length} bytes begins, which none can be (--max-frame-bytes {max_bytes}); \
         is this one direction of a connection, without TLS?"
    )]
    Length { position: u64, length: i32, max_bytes: u32 },
    #[error("the stream ends {present} bytes into what begins at byte {position}")]
    Truncated { position: u64, present: usize },
}

/// The frames of a file, one after the other.
pub struct FrameReader<R> {
    file: R,
    cutter: Cutter,
    /// Where the next frame begins.
    position: u64,
}

impl<R: Read> FrameReader<R> {
    pub fn new(file: R, max_bytes: u32) -> Self {
        Self { file, cutter: Cutter::new(max_bytes), position: 0 }
    }

    /// The next frame; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        let position = self.position;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match self.cutter.next() {
                Some(Cut::Frame(frame)) => {
                    self.position = position.saturating_add(frame.len() as u64 + 4);
                    return Ok(Some(frame));
                }
                Some(Cut::NoLength(length)) => {
                    return Err(StreamError::Length { position, length, max_bytes: self.cutter.max_bytes });
                }
                None => {}
            }
            match self.file.read(&mut chunk) {
                Ok(0) if self.cutter.rest().is_empty() => return Ok(None),
                Ok(0) => return Err(StreamError::Truncated { position, present: self.cutter.rest().len() }),
                Ok(count) => self.cutter.push(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StreamError::Read { position, error }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_however_their_bytes_arrive() {
        let mut reader = FrameReader::new(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9][..], 10);
        assert_eq!(reader.next().unwrap().unwrap(), [7, 8]);
        assert_eq!(reader.next().unwrap().unwrap(), [0_u8; 0]);
        assert_eq!(reader.next().unwrap().unwrap(), [9]);
        assert!(reader.next().unwrap().is_none());
        let mut cutter = Cutter::new(10);
        for byte in [0, 0, 0, 2, 7] {
            cutter.push(&[byte]);
            assert!(cutter.next().is_none());
        }
        cutter.push(&[8]);
        assert!(matches!(cutter.next(), Some(Cut::Frame(frame)) if frame == [7, 8]));
        assert!(cutter.rest().is_empty());
    }

    #[test]
    fn a_stream_that_is_none_says_where() {
        let error = |bytes: &[u8]| {
            let mut reader = FrameReader::new(bytes, 10);
            reader.next().unwrap();
            reader.next().unwrap_err().to_string()
        };
        assert!(error(&[0, 0, 0, 0, 0x16, 3, 1, 0]).starts_with("at byte 4 of the stream a frame of 369295616 bytes"));
        assert!(error(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).contains("a frame of -1 bytes"));
        assert_eq!(error(&[0, 0, 0, 0, 0, 0, 0, 5, 1]), "the stream ends 5 bytes into what begins at byte 4");
    }
}
