//! The codecs of record batches. Every decompressor stands behind one reader that counts what comes out and stops at a
//! limit; nothing here allocates because a length was declared, and nothing knows what the bytes mean.

mod compress;
mod decompress;
mod snappy;

pub use compress::{CompressError, Compression, CompressionLevelError, compress, recompress};
pub use decompress::{DecompressError, DecompressLimits, Decompressor};

#[cfg(test)]
mod tests;
