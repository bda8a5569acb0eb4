//! A number for what a core asked for, so that a replay can tell whether it asked for the same. Protects against nobody.

use std::fmt::{self, Debug, Write};

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A digest that grows (FNV-1a, 64 bits): the same in every build and on every machine.
pub(crate) struct Text(u64);

impl Default for Text {
    fn default() -> Self {
        Self(BASIS)
    }
}

impl Text {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }

    /// A number at once, in place of its bytes.
    pub(crate) fn number(&mut self, number: i64) {
        self.0 = (self.0.rotate_left(5) ^ number.cast_unsigned()).wrapping_mul(PRIME);
    }

    pub(crate) const fn digest(&self) -> u64 {
        self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// The digest of a value as it shows itself, without the text being made.
pub fn digest_of_text(value: &impl Debug) -> u64 {
    let mut text = Text::default();
    // It cannot fail: nothing is written anywhere.
    let _ = write!(text, "{value:?}");
    text.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_fnv_and_tell_values_apart() {
        assert_eq!(Text::default().digest(), BASIS);
        let mut text = Text::default();
        text.bytes(b"foobar");
        assert_eq!(text.digest(), 0x8594_4171_f739_67e8);
        assert_ne!(digest_of_text(&[1, 23]), digest_of_text(&[12, 3]));
        let numbers = |numbers: &[i64]| {
            let mut text = Text::default();
            numbers.iter().for_each(|&number| text.number(number));
            text.digest()
        };
        assert_ne!(numbers(&[1, 2]), numbers(&[2, 1]));
        assert_ne!(numbers(&[i64::MIN]), numbers(&[0]));
    }
}
