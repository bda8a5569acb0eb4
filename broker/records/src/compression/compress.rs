//! Compressing records, and compressing them anew under a topic's own `compression.type`. Streams: the records are never
//! all decompressed at once. Levels are Kafka's (KIP-390).

use std::io::{self, BufRead, Write};

use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::decompress::{DecompressError, DecompressLimits, Decompressor};
use super::snappy::SnappyWriter;
use crate::header::Codec;

/// A codec with its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip {
        /// 1 to 9, or -1 for zlib's own default.
        level: i32,
    },
    /// Snappy in snappy-java's framing.
    Snappy,
    /// LZ4 frames of independent 64 KiB blocks, by LZ4's fast mode: what Kafka does at its default level, 9.
    Lz4,
    /// The same frames by LZ4's slow mode, which finds more: what Kafka does at every other level.
    Lz4High {
        /// 1 to 17; those from 12 on are the same.
        level: i32,
    },
    /// Zstandard.
    Zstd {
        /// -131072 to 22.
        level: i32,
    },
}

/// A level that its codec does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{codec} has no level {level}, it has {allowed}")]
pub struct CompressionLevelError {
    /// The codec's name.
    pub codec: &'static str,
    /// The level asked for.
    pub level: i32,
    /// The levels there are.
    pub allowed: &'static str,
}

/// Why records could not be compressed.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// The codec's library refused.
    #[error("records do not compress with {codec}: {source}")]
    Encoder {
        /// The codec's name.
        codec: &'static str,
        /// What the library says.
        source: io::Error,
    },
    /// The level is out of range.
    #[error(transparent)]
    Level(#[from] CompressionLevelError),
    /// What was to be compressed anew cannot be read.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
}

impl Compression {
    /// `codec` at Kafka's default level.
    #[must_use]
    pub const fn of(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip => Self::Gzip { level: -1 },
            Codec::Snappy => Self::Snappy,
            Codec::Lz4 => Self::Lz4,
            Codec::Zstd => Self::Zstd { level: 3 },
        }
    }

    /// The codec without its level.
    #[must_use]
    pub const fn codec(self) -> Codec {
        match self {
            Self::None => Codec::None,
            Self::Gzip { .. } => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4 | Self::Lz4High { .. } => Codec::Lz4,
            Self::Zstd { .. } => Codec::Zstd,
        }
    }
}

enum Encoder {
    None(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Snappy(SnappyWriter),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Lz4High(lz4::Encoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(compression: Compression) -> Result<Self, CompressError> {
        Ok(match compression {
            Compression::None => Self::None(Vec::new()),
            Compression::Gzip { level } => Self::Gzip(GzEncoder::new(Vec::new(), gzip_level(level)?)),
            Compression::Snappy => Self::Snappy(SnappyWriter::new()),
            Compression::Lz4 => {
                let frame = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
                Self::Lz4(Box::new(FrameEncoder::with_frame_info(frame, Vec::new())))
            }
            Compression::Lz4High { level } => Self::Lz4High(lz4_high(level)?),
            Compression::Zstd { level } => {
                let allowed = zstd::compression_level_range();
                if !allowed.contains(&level) {
                    return Err(CompressionLevelError { codec: "zstd", level, allowed: "-131072 to 22" }.into());
                }
                let encoder = zstd::Encoder::new(Vec::new(), level);
                Self::Zstd(encoder.map_err(|source| CompressError::Encoder { codec: "zstd", source })?)
            }
        })
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::None(output) => Ok(output),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Snappy(encoder) => encoder.finish(),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::from),
            Self::Lz4High(encoder) => {
                let (output, ended) = encoder.finish();
                ended.map(|()| output)
            }
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(output) => output.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Snappy(encoder) => encoder.write(bytes),
            Self::Lz4(encoder) => encoder.write(bytes),
            Self::Lz4High(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gzip_level(level: i32) -> Result<flate2::Compression, CompressionLevelError> {
    match level {
        -1 => Ok(flate2::Compression::default()),
        1..=9 => Ok(flate2::Compression::new(level.unsigned_abs())),
        _ => Err(CompressionLevelError { codec: "gzip", level, allowed: "-1 and 1 to 9" }),
    }
}

fn lz4_high(level: i32) -> Result<lz4::Encoder<Vec<u8>>, CompressError> {
    let known = u32::try_from(level).ok().filter(|level| (1..=17).contains(level));
    let known = known.ok_or(CompressionLevelError { codec: "lz4", level, allowed: "1 to 17" })?;
    let mut frame = lz4::EncoderBuilder::new();
    frame.block_size(lz4::BlockSize::Max64KB).block_mode(lz4::BlockMode::Independent);
    frame.block_checksum(lz4::liblz4::BlockChecksum::NoBlockChecksum).checksum(lz4::ContentChecksum::NoChecksum);
    let encoder = frame.level(known).build(Vec::new());
    encoder.map_err(|source| CompressError::Encoder { codec: "lz4", source })
}

/// Compresses encoded records as one block.
///
/// # Errors
/// [`CompressError::Level`], [`CompressError::Encoder`].
pub fn compress(compression: Compression, records: &[u8]) -> Result<Vec<u8>, CompressError> {
    let encoder_error = |source| CompressError::Encoder { codec: compression.codec().name(), source };
    let mut encoder = Encoder::new(compression)?;
    encoder.write_all(records).map_err(encoder_error)?;
    encoder.finish().map_err(encoder_error)
}

/// Decompresses the records of a batch of `codec` and compresses them with `compression`, piece by piece.
///
/// # Errors
/// All of [`CompressError`]; [`DecompressError::TooLarge`] once more than the limit came out.
pub fn recompress(
    codec: Codec,
    stored: &[u8],
    compression: Compression,
    limits: DecompressLimits,
) -> Result<Vec<u8>, CompressError> {
    let encoder_error = |source| CompressError::Encoder { codec: compression.codec().name(), source };
    let mut decompressor = Decompressor::new(codec, stored, limits)?.buffered();
    let mut encoder = Encoder::new(compression)?;
    loop {
        let piece_bytes = match decompressor.fill_buf() {
            Ok([]) => return encoder.finish().map_err(encoder_error),
            Ok(piece) => {
                encoder.write_all(piece).map_err(encoder_error)?;
                piece.len()
            }
            Err(error) => return Err(decompressor.get_ref().explain(error).into()),
        };
        decompressor.consume(piece_bytes);
    }
}
