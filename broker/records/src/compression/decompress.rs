//! One reader for every codec, with a limit on what comes out. Refuses zstd windows beyond a limit and reads on behind no
//! end of a stream except where the codec itself allows several (gzip members, zstd frames, snappy-java headers).

use std::fmt;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;

use super::snappy::SnappyReader;
use crate::header::Codec;

/// Why compressed records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// More comes out than the limit allows: a decompression bomb, or a limit that is too small.
    #[error("{codec} records decompress to more than the allowed {limit_bytes} bytes: send smaller batches")]
    TooLarge {
        /// The codec's name.
        codec: &'static str,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The stream is damaged, cut off, or asks for more memory than the limit allows.
    #[error("{codec} records do not decompress: {source}")]
    Damaged {
        /// The codec's name.
        codec: &'static str,
        /// What the codec's library says.
        source: io::Error,
    },
}

/// What a decompressor may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecompressLimits {
    /// Bytes that may come out of one batch.
    pub output_bytes: u64,
    /// The largest zstd window, as a power of two, 10 to 31. The window is memory of the decoder.
    pub zstd_window_log: u32,
}

impl Default for DecompressLimits {
    /// 128 MiB, 120 times Kafka's default `max.message.bytes`, and the windows that zstd's levels up to 22 use.
    fn default() -> Self {
        Self { output_bytes: 128 << 20, zstd_window_log: 27 }
    }
}

/// Marks the I/O error that stands for the limit.
#[derive(Debug)]
struct LimitReached;

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the limit of decompressed bytes is reached")
    }
}

impl std::error::Error for LimitReached {}

enum Stream<'a> {
    None(&'a [u8]),
    Gzip(Box<MultiGzDecoder<&'a [u8]>>),
    Snappy(SnappyReader<'a>),
    Lz4 { decoder: Box<FrameDecoder<&'a [u8]>>, ended: bool },
    Zstd(zstd::Decoder<'static, &'a [u8]>),
}

/// Reads the decompressed bytes of one batch's records.
pub struct Decompressor<'a> {
    codec: Codec,
    stream: Stream<'a>,
    limit_bytes: u64,
    left_bytes: u64,
}

impl fmt::Debug for Decompressor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("codec", &self.codec).field("left_bytes", &self.left_bytes).finish()
    }
}

impl<'a> Decompressor<'a> {
    /// A reader over `stored`, the records of a batch of `codec`.
    ///
    /// # Errors
    /// [`DecompressError::Damaged`] where zstd cannot set up its decoder.
    pub fn new(codec: Codec, stored: &'a [u8], limits: DecompressLimits) -> Result<Self, DecompressError> {
        let stream = match codec {
            Codec::None => Stream::None(stored),
            Codec::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(stored))),
            Codec::Snappy => Stream::Snappy(SnappyReader::new(stored)),
            Codec::Lz4 => Stream::Lz4 { decoder: Box::new(FrameDecoder::new(stored)), ended: false },
            Codec::Zstd => Stream::Zstd(
                zstd_decoder(stored, limits.zstd_window_log)
                    .map_err(|source| DecompressError::Damaged { codec: codec.name(), source })?,
            ),
        };
        Ok(Self { codec, stream, limit_bytes: limits.output_bytes, left_bytes: limits.output_bytes })
    }

    /// The same behind a buffer, for readers that take small steps.
    #[must_use]
    pub fn buffered(self) -> BufReader<Self> {
        BufReader::with_capacity(16 << 10, self)
    }

    /// Says what an error of this reader's means.
    #[must_use]
    pub fn explain(&self, error: io::Error) -> DecompressError {
        let codec = self.codec.name();
        if error.get_ref().is_some_and(|inner| inner.is::<LimitReached>()) {
            return DecompressError::TooLarge { codec, limit_bytes: self.limit_bytes };
        }
        DecompressError::Damaged { codec, source: error }
    }
}

fn zstd_decoder(stored: &[u8], window_log: u32) -> io::Result<zstd::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::Decoder::with_buffer(stored)?;
    decoder.window_log_max(window_log)?;
    Ok(decoder)
}

impl Read for Decompressor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::None(rest) => rest.read(buffer),
            Stream::Gzip(decoder) => decoder.read(buffer),
            Stream::Snappy(decoder) => decoder.read(buffer),
            // Kafka's clients write one frame and its brokers read one; the library would go on to a next.
            Stream::Lz4 { ended: true, .. } => Ok(0),
            Stream::Lz4 { decoder, ended } => {
                let read = decoder.read(buffer)?;
                *ended = read == 0 && !buffer.is_empty();
                Ok(read)
            }
            Stream::Zstd(decoder) => decoder.read(buffer),
        }?;
        match self.left_bytes.checked_sub(read as u64) {
            Some(left_bytes) => self.left_bytes = left_bytes,
            None => return Err(io::Error::other(LimitReached)),
        }
        Ok(read)
    }
}
