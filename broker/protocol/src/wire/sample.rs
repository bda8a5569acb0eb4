//! Random values for tests. A failing test prints the seed; the same seed makes the same values.

use std::borrow::Cow;

use barnabas_types::Uuid;

use super::{Int32List, Records, UnknownTags, Version};
use crate::ErrorCode;

/// What kind of values are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Some of everything, small.
    Mixed,
    /// Every field at its default.
    Default,
    /// Most fields at their default.
    Sparse,
    /// Null wherever it is allowed.
    Null,
    /// The lowest and highest numbers, texts and lists at the lengths where their prefix grows.
    Extreme,
}

/// How many elements the lists of an extreme value have together, at most; then each list has one.
const EXTREME_ELEMENTS: u64 = 400;
/// What one text of the greatest length counts for among them.
const EXTREME_TEXT: u64 = 100;

/// A small generator (SplitMix64): good enough to vary values, and the same everywhere.
pub struct Random {
    state: u64,
    shape: Shape,
    elements: u64,
}

impl Random {
    /// A generator of mixed values.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::shaped(seed, Shape::Mixed)
    }

    /// A generator of values of one kind.
    #[must_use]
    pub fn shaped(seed: u64, shape: Shape) -> Self {
        Self { state: seed, shape, elements: EXTREME_ELEMENTS }
    }

    /// Whether a field stays at its default.
    pub(crate) fn keeps_default(&mut self) -> bool {
        match self.shape {
            Shape::Mixed | Shape::Extreme | Shape::Null => false,
            Shape::Default => true,
            Shape::Sparse => self.below(4) > 0,
        }
    }

    /// The length of a text or of bytes.
    fn length(&mut self) -> u64 {
        const EDGES: [u64; 6] = [0, 1, 126, 127, 128, 300];
        const FAR_EDGES: [u64; 4] = [16_382, 16_383, 16_384, 32_767];
        let rare = self.below(40);
        match self.shape {
            Shape::Extreme if rare == 0 && self.elements > EXTREME_TEXT => {
                self.elements -= EXTREME_TEXT;
                self.one_of(&FAR_EDGES)
            }
            Shape::Extreme => self.one_of(&EDGES),
            // Now and then longer than a one-byte varint can say.
            _ if rare < 2 => 200,
            _ => self.below(6),
        }
    }

    /// How many elements a list has.
    fn count(&mut self) -> u64 {
        if self.shape != Shape::Extreme {
            return self.below(4);
        }
        let count = self.one_of(&[0, 1, 2, 126, 127, 128]);
        if count > self.elements {
            return 1;
        }
        self.elements -= count;
        count
    }

    fn one_of(&mut self, choices: &[u64]) -> u64 {
        choices.get(self.below(choices.len() as u64) as usize).copied().unwrap_or_default()
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is above 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.length()).map(|_| self.next() as u8).collect()
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
                let choices = if random.shape == Shape::Extreme { 3 } else { 8 };
                match random.below(choices) {
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
        match random.shape {
            Shape::Extreme => {
                f64::from_bits(random.one_of(&[0, 1 << 63, 1, 0x7fef_ffff_ffff_ffff, 0x7ff0_0000_0000_0000]))
            }
            _ => random.next() as f64 / 7.0,
        }
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
        let length = random.length() as usize;
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let letter = letters.get(random.below(letters.len() as u64) as usize).copied().unwrap_or_default();
            // To the byte, so that lengths at which a prefix grows are met.
            text.push_str(if text.len() + letter.len() > length { "a" } else { letter });
        }
        Cow::Owned(text)
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
        let count = random.count();
        (0..count).map(|_| T::sample(random, at)).collect()
    }
}

impl Sample for Int32List<'_> {
    fn sample(random: &mut Random, at: Version) -> Self {
        Vec::sample(random, at).into()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(random: &mut Random, at: Version) -> Self {
        (random.shape != Shape::Null && random.below(3) > 0).then(|| T::sample(random, at))
    }
}

impl Sample for UnknownTags<'_> {
    /// Tags far above those that Kafka uses.
    fn sample(random: &mut Random, at: Version) -> Self {
        if !at.flexible || random.shape == Shape::Default || random.below(4) > 0 {
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
