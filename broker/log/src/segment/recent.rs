//! Where the newest batches of a segment lie, so that who reads at the log's end, as most do, needs no look at the file. Knows only what
//! was appended since the segment was opened; says nothing of older batches.

use std::collections::VecDeque;

use barnabas_types::Offset;

/// How many batches are remembered: a consumer at the tail is no further behind.
const MOST: usize = 32;

/// A batch in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its first offset.
    pub(crate) base_offset: Offset,
    /// Its last offset.
    pub(crate) last_offset: Offset,
    /// Where it starts, in bytes.
    pub(crate) position: u64,
    /// Its bytes, header included.
    pub(crate) bytes: u64,
}

/// The last batches, each directly behind the one before.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<Place>);

impl Recent {
    /// A batch was appended.
    pub(crate) fn push(&mut self, place: Place) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(place);
    }

    /// The batch that holds `offset`, if it is among the last.
    pub(crate) fn holding(&self, offset: Offset) -> Option<Place> {
        let after = self.0.partition_point(|place| place.base_offset <= offset);
        // Where a compacted log was opened again there may be gaps.
        after.checked_sub(1).and_then(|index| self.0.get(index)).filter(|place| offset <= place.last_offset).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: i64) -> Place {
        let base_offset = Offset(index * 3);
        Place { base_offset, last_offset: base_offset.plus(2), position: index as u64 * 100, bytes: 100 }
    }

    #[test]
    fn the_batch_that_holds_an_offset_is_found_among_the_last_ones() {
        let mut recent = Recent::default();
        assert_eq!(recent.holding(Offset(0)), None);
        (0..40).for_each(|index| recent.push(place(index)));
        assert_eq!(recent.holding(Offset(119)), Some(place(39)));
        assert_eq!(recent.holding(Offset(117)), Some(place(39)));
        assert_eq!(recent.holding(Offset(116)), Some(place(38)));
        assert_eq!(recent.holding(Offset(24)), Some(place(8)));
        assert_eq!(recent.holding(Offset(23)), None, "forgotten");
        assert_eq!(recent.holding(Offset(120)), None, "not yet there");
    }
}
