//! Random values for tests. A failing test prints the seed; the same seed makes the same values.

use std::borrow::Cow;

use barnabas_types::Uuid;

use super::{Records, UnknownTags, Version};
use crate::ErrorCode;

/// A small generator (SplitMix64): good enough to vary values, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is above 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn bytes(&mut self) -> Vec<u8> {
        // Now and then longer than a one-byte varint can say.
        let length = if self.below(20) == 0 { 200 } else { self.below(6) };
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Makes a value that version `at` can carry.
pub trait Sample {
    /// The value that `random` makes next.
    fn sample(random: &mut Random, at: Version) -> Self;
}

macro_rules! sample_number {
    ($($number:ty)*) => {$(
        impl Sample for $number {
            fn sample(random: &mut Random, _at: Version) -> Self {
                match random.below(8) {
                    0 => Self::MIN,
                    1 => Self::MAX,
                    2 => 0,
                    _ => random.next() as Self,
                }
            }
        }
    )*};
}

sample_number!(i8 i16 i32 i64 u16 u32);

impl Sample for bool {
    fn sample(random: &mut Random, _at: Version) -> Self {
        random.below(2) == 0
    }
}

impl Sample for f64 {
    fn sample(random: &mut Random, _at: Version) -> Self {
        random.next() as f64 / 7.0
    }
}

impl Sample for Uuid {
    fn sample(random: &mut Random, _at: Version) -> Self {
        Uuid::from_u128(u128::from(random.next()) << 64 | u128::from(random.next()))
    }
}

impl Sample for ErrorCode {
    fn sample(random: &mut Random, at: Version) -> Self {
        Self(i16::sample(random, at))
    }
}

impl Sample for Cow<'_, str> {
    fn sample(random: &mut Random, _at: Version) -> Self {
        let letters = ["a", "Z", "-", ".", "é", "漢", "\u{1f3f0}"];
        let length = if random.below(20) == 0 { 150 } else { random.below(6) };
        let letter = |_| letters.get(random.below(letters.len() as u64) as usize).copied().unwrap_or_default();
        Cow::Owned((0..length).map(letter).collect())
    }
}

impl Sample for Cow<'_, [u8]> {
    fn sample(random: &mut Random, _at: Version) -> Self {
        Cow::Owned(random.bytes())
    }
}

impl Sample for Records<'_> {
    fn sample(random: &mut Random, _at: Version) -> Self {
        match random.below(3) {
            0 => Records::Borrowed(&[]),
            1 => Records::Borrowed(b"some records"),
            _ => Records::Borrowed(&[7; 300]),
        }
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(random: &mut Random, at: Version) -> Self {
        let count = random.below(4);
        (0..count).map(|_| T::sample(random, at)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(random: &mut Random, at: Version) -> Self {
        (random.below(3) > 0).then(|| T::sample(random, at))
    }
}

impl Sample for UnknownTags<'_> {
    /// Tags far above those that Kafka uses.
    fn sample(random: &mut Random, at: Version) -> Self {
        if !at.flexible || random.below(4) > 0 {
            return Self::default();
        }
        // Two fields: tag 100 with two bytes, tag 200 (a varint of two bytes) with none.
        const FIRST: &[u8] = &[100, 2, 1, 2];
        const BOTH: &[u8] = &[100, 2, 1, 2, 0xc8, 0x01, 0];
        let mut tags = Self::default();
        tags.append(FIRST, 0);
        tags.append(BOTH, FIRST.len());
        tags
    }
}
