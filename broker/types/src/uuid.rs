//! Kafka's UUID: 16 bytes, written as 22 characters of unpadded base64url. Makes no random ones: randomness is an input.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A topic id, directory id, incarnation id or cluster id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

/// A text that is not 22 characters of base64url.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected 22 characters of base64url (A-Z a-z 0-9 - _)")
    }
}

impl std::error::Error for ParseUuidError {}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// All bits zero: no id.
    pub const ZERO: Self = Self([0; 16]);
    /// The id of the metadata topic (`__cluster_metadata`).
    pub const METADATA_TOPIC: Self = Self::from_u128(1);

    /// The UUID whose 128 bits, big-endian, are `bits`.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }

    /// A version 4 UUID out of 16 random bytes.
    #[must_use]
    pub const fn from_random(random: [u8; 16]) -> Self {
        let cleared = u128::from_be_bytes(random) & !0x0000_0000_0000_f000_c000_0000_0000_0000;
        Self((cleared | 0x0000_0000_0000_4000_8000_0000_0000_0000).to_be_bytes())
    }

    /// True when the text begins with `-`, which command lines take for a flag. Kafka gives out no such id either.
    #[must_use]
    pub fn looks_like_a_flag(self) -> bool {
        self.0.first().is_some_and(|first| first >> 2 == 62)
    }

    /// True for the id that means none.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 128 bits are 21 digits of 6 bits and one of 2, which is padded with zeros at its low end.
        let bits = u128::from_be_bytes(self.0);
        for digit in 0..22_u32 {
            let six = if digit < 21 { bits >> (122 - 6 * digit) } else { bits << 4 } & 63;
            let character = ALPHABET.get(six as usize).copied().unwrap_or(b'A');
            write!(f, "{}", char::from(character))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    /// Accepts the unpadded form and, as Kafka does, the same with `==` at its end.
    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let text = text.strip_suffix("==").unwrap_or(text);
        if text.len() != 22 {
            return Err(ParseUuidError);
        }
        let mut bits = 0_u128;
        for (index, byte) in text.bytes().enumerate() {
            let six = ALPHABET.iter().position(|&letter| letter == byte).ok_or(ParseUuidError)? as u128;
            bits = if index < 21 { bits << 6 | six } else { bits << 2 | six >> 4 };
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_topic_id_is_written_as_kafka_writes_it() {
        assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAQ".parse(), Ok(Uuid::METADATA_TOPIC));
    }

    #[test]
    fn text_and_bits_agree_in_both_directions() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            let uuid = Uuid::from_u128(bits);
            assert_eq!(uuid.to_string().parse(), Ok(uuid));
            assert_eq!(format!("{uuid}==").parse(), Ok(uuid));
        }
    }

    #[test]
    fn a_random_uuid_carries_version_and_variant() {
        for random in [[0; 16], [255; 16]] {
            let uuid = Uuid::from_random(random);
            assert_eq!(uuid.0[6] >> 4, 4);
            assert_eq!(uuid.0[8] >> 6, 2);
        }
    }

    #[test]
    fn an_id_whose_text_begins_with_a_dash_is_recognised() {
        for first in 0..=255_u8 {
            let mut bytes = [0; 16];
            bytes[0] = first;
            let uuid = Uuid(bytes);
            assert_eq!(uuid.looks_like_a_flag(), uuid.to_string().starts_with('-'), "{uuid}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "short", "AAAAAAAAAAAAAAAAAAAA+Q", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError), "{text}");
        }
    }
}
