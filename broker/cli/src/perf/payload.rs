//! What records hold: bytes of a chosen entropy, or the lines of a file. The same seed gives the same bytes.

use std::path::Path;

use super::error::PerfError;

/// The largest file of payloads, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// What is repeated where a payload is not random.
const PATTERN: &[u8] = b"barnabas carries this to the castle ";

/// A small generator (SplitMix64): fast, seeded, good enough for payloads and for nothing that must be secret.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

/// Spreads the bits of a number over 64 bits.
pub fn mix(number: u64) -> u64 {
    let mut bits = number;
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// Where values come from.
#[derive(Clone, Debug)]
pub enum Payload {
    /// `size` bytes each; `entropy` is the share of random ones, from 0 (a repeated text) to 1 (does not compress).
    Generated {
        /// Bytes of a value.
        size: usize,
        /// From 0 to 1.
        entropy: f64,
    },
    /// One of these values each, chosen at random.
    Chosen(Vec<Vec<u8>>),
}

impl Payload {
    /// The values in `path`, separated by `delimiter`; empty ones are left out.
    ///
    /// # Errors
    /// When the file cannot be read, is too large, or holds no value.
    pub fn of_file(path: &Path, delimiter: &str) -> Result<Self, PerfError> {
        let shown = path.display().to_string();
        let failed = |source| PerfError::File { doing: "read", path: shown.clone(), source };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > MAX_FILE_BYTES {
            let reason = format!("it has {length} bytes, at most {MAX_FILE_BYTES} are read");
            return Err(PerfError::argument("--payload-file", shown, reason));
        }
        if delimiter.is_empty() {
            return Err(PerfError::argument("--payload-delimiter", "''", "it must have at least one character"));
        }
        let text = std::fs::read(path).map_err(failed)?;
        let values = split(&text, delimiter.as_bytes());
        if values.is_empty() {
            return Err(PerfError::argument("--payload-file", shown, "it holds no value"));
        }
        Ok(Self::Chosen(values))
    }

    /// The bytes of the smallest value.
    pub fn smallest(&self) -> usize {
        match self {
            Self::Generated { size, .. } => *size,
            Self::Chosen(values) => values.iter().map(Vec::len).min().unwrap_or(0),
        }
    }

    /// Puts the next value into `value`, in place of what it held.
    pub fn fill(&self, random: &mut Random, value: &mut Vec<u8>) {
        value.clear();
        match self {
            Self::Generated { size, entropy } => {
                let threshold = (entropy.clamp(0.0, 1.0) * 256.0) as u64;
                value.extend(PATTERN.iter().cycle().take(*size).map(|byte| {
                    let bits = random.next();
                    if bits & 0xff < threshold { (bits >> 8) as u8 } else { *byte }
                }));
            }
            Self::Chosen(values) => {
                let index = random.next() as usize % values.len().max(1);
                value.extend_from_slice(values.get(index).map_or(&[], Vec::as_slice));
            }
        }
    }
}

fn split(text: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let mut values = vec![Vec::new()];
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(delimiter) {
            values.push(Vec::new());
            rest = behind;
            continue;
        }
        if let Some(value) = values.last_mut() {
            value.push(*first);
        }
        rest = after;
    }
    values.retain(|value| !value.is_empty());
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use barnabas_records::compression::{Compression, compress};

    fn generated(entropy: f64) -> Vec<u8> {
        let mut value = Vec::new();
        Payload::Generated { size: 20_000, entropy }.fill(&mut Random(1), &mut value);
        value
    }

    #[test]
    fn entropy_decides_how_well_a_payload_compresses() {
        let compressed =
            |entropy| compress(Compression::Zstd { level: 3 }, &generated(entropy)).map(|bytes| bytes.len()).unwrap();
        assert!(compressed(0.0) < 200);
        let half = compressed(0.5);
        assert!((8_000..19_000).contains(&half), "{half}");
        assert!(compressed(1.0) >= 20_000);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(generated(0.7), generated(0.7));
    }

    #[test]
    fn a_file_is_split_at_its_delimiter() {
        let values = |text: &[u8], delimiter: &[u8]| split(text, delimiter);
        assert_eq!(values(b"a\nbc\n\nd", b"\n"), [b"a".to_vec(), b"bc".to_vec(), b"d".to_vec()]);
        assert_eq!(values(b"a||b|c", b"||"), [b"a".to_vec(), b"b|c".to_vec()]);
        assert!(values(b"", b"\n").is_empty());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Payload::of_file(Path::new("/nowhere/at-all"), "\n").unwrap_err();
        assert!(error.to_string().contains("/nowhere/at-all"), "{error}");
    }
}
