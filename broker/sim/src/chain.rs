//! A log as invariants see it: where each batch ends, its epoch, and a hash over everything up to there. Two logs that have
//! the same hash at one offset are the same up to it. Holds no record.

use crate::random::mix;

/// A batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The offset of its first record.
    pub base: i64,
    /// The offset after its last.
    pub end: i64,
    /// The epoch of the leader that wrote it.
    pub epoch: i32,
    /// A hash of its bytes.
    pub digest: u64,
}

/// A batch in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The batch.
    pub batch: Batch,
    /// A hash of the log up to its end.
    pub history: u64,
}

/// A log.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Chain {
    /// Where it starts, and the hash of what was before.
    floor: (i64, u64),
    links: Vec<Link>,
}

/// The hash of a log that is `history` and then `batch`.
#[must_use]
pub const fn extend(history: u64, batch: &Batch) -> u64 {
    let place = mix(batch.base as u64 ^ mix(batch.end as u64) ^ mix(mix(batch.epoch as u64)));
    mix(history ^ place ^ batch.digest.rotate_left(17))
}

impl Chain {
    /// An empty log that begins at `start`, after what `history` is the hash of.
    #[must_use]
    pub const fn starting(start: i64, history: u64) -> Self {
        Self { floor: (start, history), links: Vec::new() }
    }

    /// The first offset whose batch is known.
    #[must_use]
    pub const fn start(&self) -> i64 {
        self.floor.0
    }

    /// The offset of the next batch.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.links.last().map_or(self.floor.0, |link| link.batch.end)
    }

    /// The hash of all of it.
    #[must_use]
    pub fn history(&self) -> u64 {
        self.links.last().map_or(self.floor.1, |link| link.history)
    }

    /// The hash of everything below `offset`; None where that is not known, or no batch ends there.
    #[must_use]
    pub fn history_at(&self, offset: i64) -> Option<u64> {
        if offset == self.floor.0 {
            return Some(self.floor.1);
        }
        let index = self.links.binary_search_by_key(&offset, |link| link.batch.end).ok()?;
        self.links.get(index).map(|link| link.history)
    }

    /// The batches that end after `offset`, in order.
    pub fn after(&self, offset: i64) -> impl Iterator<Item = &Link> {
        let from = self.links.partition_point(|link| link.batch.end <= offset);
        self.links.get(from..).unwrap_or_default().iter()
    }

    /// Adds a batch and returns it in its place; None when it does not begin where the log ends.
    pub fn push(&mut self, batch: Batch) -> Option<Link> {
        if batch.base != self.end() || batch.end <= batch.base {
            return None;
        }
        let link = Link { batch, history: extend(self.history(), &batch) };
        self.links.push(link);
        Some(link)
    }

    /// Drops every batch that ends after `end`.
    pub fn truncate(&mut self, end: i64) {
        let kept = self.links.partition_point(|link| link.batch.end <= end);
        self.links.truncate(kept);
    }

    /// Forgets the batches that end at or before `start`.
    pub fn trim(&mut self, start: i64) {
        let gone = self.links.partition_point(|link| link.batch.end <= start);
        if let Some(last) = self.links.drain(..gone).next_back() {
            self.floor = (last.batch.end, last.history);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn batch(base: i64, end: i64, epoch: i32, digest: u64) -> Batch {
        Batch { base, end, epoch, digest }
    }

    fn chain(batches: &[Batch]) -> Chain {
        let mut chain = Chain::default();
        batches.iter().for_each(|&batch| assert!(chain.push(batch).is_some()));
        chain
    }

    #[test]
    fn logs_share_a_hash_where_all_before_it_is_the_same() {
        let one = chain(&[batch(0, 1, 1, 7), batch(1, 3, 1, 8), batch(3, 4, 2, 9)]);
        let other = chain(&[batch(0, 1, 1, 7), batch(1, 3, 1, 8), batch(3, 4, 3, 9)]);
        assert_eq!(one.history_at(3), other.history_at(3));
        assert_ne!(one.history(), other.history());
        let differs_early = chain(&[batch(0, 1, 1, 6), batch(1, 3, 1, 8)]);
        assert_ne!(one.history_at(3), differs_early.history_at(3));
        assert_eq!(one.history_at(2), None);
    }

    #[test]
    fn what_is_cut_off_and_trimmed_is_gone_and_the_rest_keeps_its_hash() {
        let mut cut = chain(&[batch(0, 1, 1, 7), batch(1, 3, 1, 8), batch(3, 4, 2, 9)]);
        let whole = cut.clone();
        cut.trim(2);
        assert_eq!((cut.start(), cut.history_at(1)), (1, whole.history_at(1)));
        cut.truncate(3);
        assert_eq!((cut.end(), cut.history()), (3, whole.history_at(3).unwrap()));
        assert_eq!(cut.push(batch(4, 5, 3, 1)), None);
        assert_eq!(cut.after(1).count(), 1);
    }
}
