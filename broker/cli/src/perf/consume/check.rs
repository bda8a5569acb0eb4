//! What `--check` looks at: the CRC of every batch, and the marks of `produce --sequence`, which must come in order and once for each
//! producer in each partition. Pure.

use std::collections::HashMap;

use barnabas_records::{BatchView, DecompressLimits, Records};

use crate::perf::batches::decode_mark;
use crate::perf::report::Checked;

/// (partition, producer) pairs that are followed; marks of further ones are not looked at.
const MAX_FOLLOWED: usize = 1_000_000;

/// The check of one run.
#[derive(Debug)]
pub struct Check {
    /// What was found so far.
    pub found: Checked,
    /// Producers begin at 0 and are read from there, so that the first mark must be 0.
    from_beginning: bool,
    /// The next mark by partition and producer.
    next: HashMap<(i32, u64), u64>,
}

impl Check {
    /// A check of partitions that are read from their beginning, or from somewhere.
    pub fn new(from_beginning: bool) -> Self {
        Self { found: Checked::default(), from_beginning, next: HashMap::new() }
    }

    /// Looks at the records of `batch` from `offset` on.
    pub fn batch(&mut self, partition: i32, batch: &BatchView<'_>, offset: i64) {
        self.found.batches += 1;
        if batch.check_crc().is_err() || self.records(partition, batch, offset).is_err() {
            self.found.damaged_batches += 1;
        }
    }

    fn records(
        &mut self,
        partition: i32,
        batch: &BatchView<'_>,
        offset: i64,
    ) -> Result<(), barnabas_records::RecordError> {
        let mut records = Records::new(batch, DecompressLimits::default())?;
        while let Some(record) = records.next()? {
            if record.offset.0 >= offset
                && let Some((producer, number)) = record.value.and_then(decode_mark)
            {
                self.mark(partition, producer, number);
            }
        }
        Ok(())
    }

    fn mark(&mut self, partition: i32, producer: u64, number: u64) {
        let is_full = self.next.len() >= MAX_FOLLOWED;
        let next = match self.next.entry((partition, producer)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if is_full => return,
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(if self.from_beginning { 0 } else { number })
            }
        };
        self.found.marked_records += 1;
        if number < *next {
            self.found.repeated_records += 1;
            return;
        }
        // A number comes from the wire and may be anything.
        self.found.missing_records = self.found.missing_records.saturating_add(number - *next);
        *next = number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::batches::{Batches, Recipe, Stamp};
    use crate::perf::payload::Payload;
    use barnabas_records::compression::Compression;

    /// A batch of `count` records that are marked from `first` on, at offset 0.
    fn batch(first: u64, count: u32, compression: Compression) -> Vec<u8> {
        let payload = Payload::Generated { size: 32, entropy: 0.5 };
        let recipe = Recipe { payload, batch_bytes: 1_000, compression, keyed_partitions: None, seed: 1 };
        let stamp = Stamp { timestamp_ms: 1, producer: None, mark: Some((9, first)) };
        let batch = Batches::prepare(&recipe).unwrap().batch(0, count, &stamp).unwrap();
        [batch.header.as_slice(), &batch.records].concat()
    }

    fn checked(batches: &[Vec<u8>], from_beginning: bool, offset: i64) -> Checked {
        let mut check = Check::new(from_beginning);
        for bytes in batches {
            check.batch(0, &BatchView::parse(bytes).unwrap(), offset);
        }
        check.found
    }

    #[test]
    fn what_comes_in_order_and_once_is_clean() {
        for compression in [Compression::None, Compression::Zstd { level: 3 }] {
            let found = checked(&[batch(0, 3, compression), batch(3, 5, compression)], true, 0);
            assert_eq!((found.marked_records, found.batches, found.is_clean()), (8, 2, true));
        }
    }

    #[test]
    fn a_gap_a_repetition_and_a_damaged_batch_are_counted() {
        let none = Compression::None;
        assert_eq!(checked(&[batch(0, 3, none), batch(5, 2, none)], true, 0).missing_records, 2);
        assert_eq!(checked(&[batch(2, 3, none)], true, 0).missing_records, 2);
        assert!(checked(&[batch(2, 3, none)], false, 0).is_clean());
        assert_eq!(checked(&[batch(0, 3, none), batch(0, 3, none)], true, 0).repeated_records, 3);
        let mut damaged = batch(0, 3, none);
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(checked(&[damaged], true, 0).damaged_batches, 1);
    }

    #[test]
    fn any_number_may_stand_in_a_mark_and_records_without_one_are_let_be() {
        let none = Compression::None;
        let mut check = Check::new(true);
        for number in [u64::MAX - 1, u64::MAX, u64::MAX] {
            check.mark(0, 1, number);
        }
        assert_eq!((check.found.missing_records, check.found.marked_records), (u64::MAX - 1, 3));
        let mut check = Check::new(true);
        let payload = Payload::Generated { size: 100, entropy: 1.0 };
        let recipe = Recipe { payload, batch_bytes: 1_000, compression: none, keyed_partitions: None, seed: 1 };
        let stamp = Stamp { timestamp_ms: 1, producer: None, mark: None };
        let batch = Batches::prepare(&recipe).unwrap().batch(0, 5, &stamp).unwrap();
        let bytes = [batch.header.as_slice(), &batch.records].concat();
        check.batch(0, &BatchView::parse(&bytes).unwrap(), 0);
        assert_eq!(check.found, Checked { batches: 1, ..Checked::default() });
    }

    #[test]
    fn records_before_the_offset_were_seen_before() {
        let found = checked(&[batch(0, 5, Compression::None)], false, 3);
        assert_eq!((found.marked_records, found.is_clean()), (2, true));
    }
}
